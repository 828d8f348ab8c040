"""Turns at a file of people's answers."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from pytest_llmjudge.errors import PeopleFileError
from pytest_llmjudge.storage.write_lock import turn_to_write

if TYPE_CHECKING:
    from pathlib import Path


def test_others_may_take_theirs_afterwards(tmp_path: Path) -> None:
    """Nobody else while it lasts, and whoever may write the votes may lock them."""
    path = tmp_path / "votes.jsonl"
    path.touch()
    path.chmod(0o664)

    with turn_to_write(path), pytest.raises(TimeoutError):
        FileLock(f"{path}.lock", mode=0o664).acquire(blocking=False)
    assert stat.S_IMODE((tmp_path / "votes.jsonl.lock").stat().st_mode) == 0o664
    with turn_to_write(path, patience=0), pytest.raises(ValueError, match="mine"):
        raise ValueError("mine")


def test_it_does_not_wait_for_ever(tmp_path: Path) -> None:
    """One line says what it waited for."""
    path = tmp_path / "votes.jsonl"

    with (
        FileLock(f"{path}.lock"),
        pytest.raises(PeopleFileError) as caught,
        turn_to_write(path, patience=0.1),
    ):
        pass

    assert str(caught.value) == (
        f"{path}: another process has been writing to it for 0.1 s; end that process, or wait for it"
    )


def test_a_lock_that_cannot_be_had(tmp_path: Path) -> None:
    """One line, as for a file that cannot be written."""
    path = tmp_path / "votes.jsonl"
    (tmp_path / "votes.jsonl.lock").mkdir()

    with pytest.raises(PeopleFileError) as caught, turn_to_write(path, patience=0.1):
        pass

    assert str(caught.value) == (
        f"{path}: its lock votes.jsonl.lock cannot be had (Is a directory); make room or name "
        "another place"
    )
