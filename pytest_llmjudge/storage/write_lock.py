"""Whose turn it is to write a file of people's answers: one process at a time."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from pytest_llmjudge.errors import PeopleFileError
from pytest_llmjudge.paths import real_path
from pytest_llmjudge.storage.files import mode_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["turn_to_write"]

_PATIENCE = 20.0
_POLL_SECONDS = 0.01


@contextmanager
def turn_to_write(path: Path, *, patience: float = _PATIENCE) -> Iterator[None]:
    """Hold a file of people's answers against all other processes; freed when its holder dies.

    Args:
        path: Of the file, which need not be there.
        patience: How long to wait for others, in seconds.

    Raises:
        PeopleFileError: Others hold it for too long, or it cannot be held at all.
    """
    try:
        # Beside the file, for a lock empties what it is; with its rights, for whoever may write one
        # has to lock the other.
        place = f"{real_path(path)}.lock"
        lock = FileLock(place, mode=mode_of(path), thread_local=False)
        lock.acquire(timeout=patience, poll_interval=_POLL_SECONDS)
    except Timeout:
        problem = f"another process has been writing to it for {patience:g} s"
        raise PeopleFileError(str(path), problem, "end that process, or wait for it") from None
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problem = f"its lock {path.name}.lock cannot be had ({reason})"
        raise PeopleFileError(str(path), problem, "make room or name another place") from None
    try:
        yield
    finally:
        lock.release()
