"""What a crash in the middle of a write leaves at the end of a file of people's answers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import PeopleFileError
from pytest_llmjudge.reading import DATA_LIMIT, parse_json, read_file
from pytest_llmjudge.storage.write_lock import turn_to_write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["set_aside_cut_off"]


def set_aside_cut_off(path: Path, beginnings: Sequence[bytes]) -> Path | None:
    """Move a last line that was cut off in the middle into ``<path>.cut-off``.

    Such an answer was never confirmed as written, so its person is asked again. Left where it is,
    the next answer would stand behind it, and the file could not be read any more.

    Args:
        path: Of the file.
        beginnings: How the lines begin that this package writes; what begins otherwise is not this
            package's, and stays.

    Returns:
        Where it was moved, ``None`` when nothing was cut off.

    Raises:
        PeopleFileError: It cannot be moved.
    """
    if not _cut_off(path, beginnings)[1]:
        return None
    with turn_to_write(path):
        # What looked cut off may have been an answer that another process was about to end.
        start, line = _cut_off(path, beginnings)
        if not line:
            return None
        aside = path.with_name(f"{path.name}.cut-off")
        try:
            with aside.open("ab") as kept:
                kept.write(line + b"\n")
                kept.flush()
                os.fsync(kept.fileno())
            with path.open("rb+") as file:
                file.truncate(start)
                os.fsync(file.fileno())
        except OSError as error:
            problem = f"its last line was cut off, and cannot be moved away ({error.strerror})"
            raise PeopleFileError(str(path), problem, "remove that line") from None
    return aside


def _cut_off(path: Path, beginnings: Sequence[bytes]) -> tuple[int, bytes]:
    """Return where a last line begins that was cut off, and that line; empty without one."""
    try:
        whole = read_file(path, DATA_LIMIT)
    except OSError:
        # Not there, or reported by what reads the answers.
        return 0, b""
    start = whole.rfind(b"\n") + 1
    line = whole[start:]
    is_ours = any(line.startswith(one) or one.startswith(line) for one in beginnings)
    return start, line if is_ours and not _is_whole(line) else b""


def _is_whole(line: bytes) -> bool:
    try:
        parse_json(line, allow_repeated_keys=True)
    except ValueError:
        return False
    return True
