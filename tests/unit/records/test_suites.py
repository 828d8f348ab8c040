"""A suite's prompt: a template of the user's own, or what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.data import Record
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.records.suites import read_suite, with_groups
from pytest_llmjudge.settings import SuiteSettings

if TYPE_CHECKING:
    from pathlib import Path


def read_template(folder: Path, content: bytes) -> str:
    (folder / "data.json").write_bytes(b"[]")
    (folder / "short.txt").write_bytes(content)
    chosen = SuiteSettings(None, None, None, str(folder / "short.txt"), None, None)
    return read_suite("test_a", "data.json", folder, chosen, lambda _: ()).template


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{instruction}\0", "it holds a NUL character; remove it"),
        (b"\0", "it holds a NUL character; remove it"),
        ("{instruction}".encode("utf-16-le"), "it holds a NUL character; remove it"),
        (b"\xff{instruction}", "it cannot be read (it is not UTF-8); correct the file"),
        (
            b"{input}",
            "it has no {instruction}; write {instruction} and {input} where they belong",
        ),
    ],
)
def test_a_template_that_cannot_be_used(tmp_path: Path, content: bytes, expected: str) -> None:
    """It is refused before any model sees it, as a record would be."""
    with pytest.raises(SettingsError) as caught:
        read_template(tmp_path, content)

    assert str(caught.value) == f"test_a: prompt short.txt: {expected}"


def test_a_template(tmp_path: Path) -> None:
    """All else of it is the prompt, with line ends as Python reads them."""
    assert read_template(tmp_path, b"\t{instruction}\r\n") == "\t{instruction}\n"


@pytest.mark.parametrize("value", [None, "", "  "])
def test_records_without_groups(value: object) -> None:
    """A column of a table that is empty is as good as none, unless the marker names it."""
    records = [Record(f"r{number}", "a", "", "b", {"group": value}) for number in range(2)]

    assert with_groups("s", records, None) == tuple(records)
    with pytest.raises(SettingsError) as caught:
        with_groups("s", records, "group")
    assert str(caught.value) == (
        's: group "group" is no field with a text or a number in any record; the fields are "group"'
    )
