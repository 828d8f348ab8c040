"""What a crash in the middle of a write leaves at the end of a votes file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import PeopleFileError
from pytest_llmjudge.reading import DATA_LIMIT, read_file
from pytest_llmjudge.storage.votes import read_votes
from pytest_llmjudge.storage.votes_lock import turn_to_write

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_llmjudge.data import Vote

__all__ = ["set_aside_cut_off", "votes_so_far"]

_BEGINNING = b'{"id": '
"""How every line begins that :func:`~pytest_llmjudge.storage.votes.append_vote` writes."""


def votes_so_far(path: Path, *, named_by: str = "") -> tuple[Vote, ...]:
    """Read the votes of a file that may not be there yet, or hold none yet.

    Raises:
        PeopleFileError: It cannot be read, or one of its lines is no vote.
    """
    try:
        if not read_file(path, DATA_LIMIT).strip():
            return ()
    except FileNotFoundError:
        return ()
    except OSError:
        # Told by what reads it whole.
        pass
    return read_votes(path, named_by=named_by)


def set_aside_cut_off(path: Path) -> Path | None:
    """Move a last line that was cut off in the middle into ``<path>.cut-off``.

    Such a line is a vote that nobody was told of as written, so the voter is asked again. Left
    where it is, it would make the whole file unreadable with the next vote. Only the beginning
    of a line as :func:`~pytest_llmjudge.storage.votes.append_vote` writes it is moved; whatever
    else stands there is not this package's, and stays.

    Returns:
        Where it was moved, ``None`` when nothing was cut off.

    Raises:
        PeopleFileError: It cannot be moved.
    """
    if not _cut_off(path)[1]:
        return None
    with turn_to_write(path):
        # What looked cut off may have been a vote that another process was about to end.
        start, line = _cut_off(path)
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


def _cut_off(path: Path) -> tuple[int, bytes]:
    """Return where a last line begins that was cut off, and that line; empty without one."""
    try:
        whole = read_file(path, DATA_LIMIT)
    except OSError:
        # Not there, or reported by what reads the votes.
        return 0, b""
    start = whole.rfind(b"\n") + 1
    line = whole[start:]
    is_ours = line.startswith(_BEGINNING) or _BEGINNING.startswith(line)
    return start, line if is_ours and not line.rstrip().endswith(b"}") else b""
