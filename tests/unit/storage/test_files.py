"""Files that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.errors import StoreError
from pytest_llmjudge.storage.files import append_text, size_of, write_text

if TYPE_CHECKING:
    from collections.abc import Callable


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


def test_a_text_is_added_to_what_was_there(tmp_path: Path) -> None:
    """In UTF-8, line breaks as they are; a file that is not there is made."""
    path = tmp_path / "summary.md"
    assert size_of("$X", path) == 0

    append_text("$X", path, "é\n")
    append_text("$X", path, "b")

    assert path.read_bytes() == "é\nb".encode()
    assert size_of("$X", path) == 4


@pytest.mark.parametrize("use", [size_of, lambda where, path: append_text(where, path, "x")])
def test_what_cannot_be_added_to(tmp_path: Path, use: Callable[[str, Path], object]) -> None:
    """The error names what named the file."""
    path = tmp_path / "file" / "summary.md"
    path.parent.write_text("")

    with pytest.raises(StoreError) as caught:
        use("$X", path)

    text = (
        f"$X: {path} cannot be written (Not a directory); make room, or name a file that can be "
        "written"
    )
    assert text == str(caught.value)


def test_a_text_that_has_no_room_leaves_what_was_there() -> None:
    """A device that is full takes nothing."""
    with pytest.raises(StoreError, match="No space left on device"):
        append_text("$X", Path("/dev/full"), "x")
