"""Files that are written whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.errors import StoreError
from pytest_llmjudge.storage.files import write_text

if TYPE_CHECKING:
    from pathlib import Path


def test_a_text_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    """Letter by letter, line breaks as they are, and nothing else is left in the folder."""
    path = tmp_path / "deep" / "report.md"
    write_text(path, "old")

    write_text(path, "né\r\n\U0001f600\n")

    assert path.read_bytes() == "né\r\n\U0001f600\n".encode()
    assert [one.name for one in path.parent.iterdir()] == ["report.md"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """What it leads to is written."""
    link = tmp_path / "latest.md"
    link.symlink_to(tmp_path / "report.md")

    write_text(link, "new")

    assert link.is_symlink()
    assert (tmp_path / "report.md").read_text() == "new"


def test_a_text_that_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    """Half a surrogate pair is no UTF-8; the old file stays, and no other."""
    path = tmp_path / "report.md"
    path.write_text("old")

    with pytest.raises(UnicodeEncodeError):
        write_text(path, "new \ud800")

    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["report.md"]


def test_a_place_that_takes_no_file(tmp_path: Path) -> None:
    """The error is one line that names it."""
    path = tmp_path / "report.md"
    path.mkdir()

    with pytest.raises(StoreError) as caught:
        write_text(path, "new")

    text = f"{path}: it cannot be written (Is a directory); make room or name another place"
    assert text == str(caught.value)
