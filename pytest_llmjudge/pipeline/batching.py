"""Answers what many threads ask together, in a thread of its own."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

__all__ = ["Batcher"]

_GATHER_SECONDS = 0.01
"""Questions that come within this time of each other are answered together."""
_RETRY_SECONDS = 0.05
_PATIENCE_SECONDS = 10.0

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Batcher(Generic[Question, Answer]):
    """Gathers questions, and answers those that wait together.

    The thread begins with the first question. A question that comes while others are answered
    waits for the next batch, so that batches are large where answers take long.

    Args:
        answer: Yields for each question of a batch its number and its answer, or the error of it
            alone, in any order. An error that it raises is the answer to all that have none yet.
        try_turn: Takes, without waiting, what only one process may hold; gives whether it was had.
        most: Says how many questions a batch has at most.
        linger: Seconds that a turn goes on without questions.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Question]], Iterator[tuple[int, Answer | Exception]]],
        try_turn: Callable[[], AbstractContextManager[bool]],
        *,
        most: Callable[[], int],
        linger: float,
    ) -> None:
        self._answer = answer
        self._try_turn = try_turn
        self._most = most
        self._linger = linger
        self._changed = threading.Condition()
        self._waiting: list[tuple[Question, Future[Answer]]] = []
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def ask(self, question: Question) -> Answer:
        """Return the answer, or raise the error that stands in its place.

        Raises:
            concurrent.futures.CancelledError: It was closed meanwhile.
        """
        future: Future[Answer] = Future()
        with self._changed:
            self._waiting.append((question, future))
            if self._is_closed:
                future.cancel()
            elif self._thread is None:
                self._thread = threading.Thread(
                    target=self._loop, name="llm-judge-local", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()
        return future.result()

    def close(self) -> None:
        """Answer nothing more; what is computed now is waited for, for a while."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(_PATIENCE_SECONDS)
        for _, future in self._waiting:
            future.cancel()

    def _loop(self) -> None:
        while self._has_questions(None):
            try:
                with self._try_turn() as held:
                    while held and self._has_questions(self._linger):
                        self._answer_batch(self._next_batch())
            except Exception as error:  # noqa: BLE001  # whoever asked reports it
                for _, future in self._next_batch():
                    future.set_exception(error)
                continue
            if not held:
                time.sleep(_RETRY_SECONDS)

    def _has_questions(self, seconds: float | None) -> bool:
        """Wait until somebody asks, and say whether anybody did; nobody did when it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed, seconds)
            return bool(self._waiting) and not self._is_closed

    def _next_batch(self) -> list[tuple[Question, Future[Answer]]]:
        """Take those that wait, once no more of them come at the same time."""
        number, most = 0, self._most()
        while number < min(len(self._waiting), most):
            number = len(self._waiting)
            time.sleep(_GATHER_SECONDS)
        with self._changed:
            batch, self._waiting = self._waiting[:most], self._waiting[most:]
        return batch

    def _answer_batch(self, batch: Sequence[tuple[Question, Future[Answer]]]) -> None:
        questions, futures = [question for question, _ in batch], [future for _, future in batch]
        try:
            for number, answer in self._answer(questions):
                if isinstance(answer, Exception):
                    futures[number].set_exception(answer)
                else:
                    futures[number].set_result(answer)
                if self._is_closed:
                    break
        except Exception as error:  # noqa: BLE001  # whoever asked reports it
            for future in futures:
                if not future.done():
                    future.set_exception(error)
        for future in futures:
            future.cancel()
