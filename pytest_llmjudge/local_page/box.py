"""What one person is asked: which question is next, and what has been answered."""

from __future__ import annotations

import itertools
import threading
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from pytest_llmjudge.errors import PeopleFileError
from pytest_llmjudge.storage.write_lock import turn_to_write

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["Box", "Progress"]


class _Question(Protocol):
    @property
    def token(self) -> str: ...


Question = TypeVar("Question", bound=_Question)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a person has come, in questions."""

    answered: int
    skipped: int
    total: int


class Box(ABC, Generic[Question]):
    """The questions to one person and the file of answers; for several threads and processes.

    The file may change in other hands, so it is read again whenever it does.

    Args:
        questions: In the order in which they are shown; their tokens name them.
        path: Of the file of answers.
        command: Which asks, for messages.

    Raises:
        PeopleFileError: The file cannot be read or written, or holds a line that is no answer.
    """

    def __init__(self, questions: Sequence[Question], path: Path, command: str) -> None:
        self._questions = {question.token: question for question in questions}
        self._path, self._command = path, command
        self._lock = threading.Lock()
        self._skipped: dict[str, None] = {}
        self._written = 0
        self._is_closed = False
        self._mark: tuple[int, int, int] | None = None
        self._read()

    @property
    def written_now(self) -> int:
        """How many answers this box has written."""
        return self._written

    def next(self) -> Question | None:
        """Return what is to be shown now; ``None`` when all is answered.

        Skipped questions come again when all others are answered.
        """
        with self._reading():
            fresh = (token for token in self._questions if token not in self._skipped)
            order = itertools.chain(fresh, self._skipped)
            token = next((token for token in order if not self._is_done(token)), None)
            return None if token is None else self._questions[token]

    def progress(self) -> Progress:
        """Return how far the person has come."""
        with self._lock:
            answered = sum(map(self._is_done, self._questions))
            return Progress(answered, len(self._skipped), len(self._questions))

    def find(self, token: str) -> Question | None:
        """Return the question that a form names."""
        return self._questions.get(token)

    def skip(self, question: Question) -> None:
        """Show a question again after all others."""
        with self._lock:
            if not self._is_done(question.token):
                self._skipped.pop(question.token, None)
                self._skipped[question.token] = None

    def close(self) -> None:
        """Wait for the answer that is being written, and take no further one."""
        with self._lock:
            self._is_closed = True

    @abstractmethod
    def _load(self) -> None:
        """Read the file."""

    @abstractmethod
    def _is_done(self, token: str) -> bool:
        """Whether the file has this person's answer to a question."""

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Keep other threads out, with the file as it is now."""
        with self._lock:
            self._read()
            yield

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Keep other threads and processes out, with the file as it is now."""
        # Another process of this person may answer too, between reading and writing.
        with self._lock, turn_to_write(self._path):
            self._read()
            yield
            self._read()

    def _check_open(self) -> None:
        if self._is_closed:
            hint = "start it again to go on"
            raise PeopleFileError(self._command, "it has ended", hint)

    def _read(self) -> None:
        """Read the file where it has changed."""
        mark = self._state()
        if mark == self._mark and mark is not None:
            return
        self._load()
        self._mark = mark
        self._skipped = {token: None for token in self._skipped if not self._is_done(token)}

    def _state(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns
