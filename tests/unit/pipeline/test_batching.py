"""Questions of many threads are answered together, each with its own answer or error."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.errors import JudgeError
from pytest_llmjudge.pipeline.batching import Batcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import TypeAlias

    Answers: TypeAlias = Iterator[tuple[int, int | Exception]]


class Turns:
    """Gives the turn after some refusals, and counts."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals, self.taken, self.is_held = refusals, 0, False

    @contextmanager
    def __call__(self) -> Iterator[bool]:
        self.refusals -= 1
        self.is_held = self.refusals < 0
        self.taken += self.is_held
        yield self.is_held
        self.is_held = False


def batcher(
    answer: Callable[[Sequence[int]], Answers], turns: Turns, *, most: int = 8
) -> Batcher[int, int]:
    return Batcher(answer, turns, most=lambda: most, linger=60)


def ask_all(asked: Batcher[int, int], count: int) -> list[int | Exception]:
    """Ask about the first numbers, each in a thread of its own."""
    together = threading.Barrier(count)

    def ask(number: int) -> int | Exception:
        together.wait()
        try:
            return asked.ask(number)
        except Exception as error:  # noqa: BLE001
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(ask, range(count)))


def test_what_is_asked_together_is_answered_together() -> None:
    """In batches of a bounded size, in turns of several batches, after the turn was had."""
    sizes, turns = [], Turns(refusals=2)

    def answer(batch: Sequence[int]) -> Answers:
        assert turns.is_held
        sizes.append(len(batch))
        yield from reversed([(at, number * number) for at, number in enumerate(batch)])

    asked = batcher(answer, turns)

    assert ask_all(asked, 20) == [number * number for number in range(20)]
    assert sum(sizes) == 20
    assert max(sizes) == 8
    assert turns.taken == 1
    asked.close()


def test_errors() -> None:
    """One of a question is its own; one of a batch is that of all that have no answer yet."""

    def answer(batch: Sequence[int]) -> Answers:
        for number in sorted(batch):
            if number == 2:
                raise JudgeError("here", "broken", "mend it")
            yield batch.index(number), ValueError("odd") if number == 1 else number

    asked = batcher(answer, Turns())

    first, own, *others = ask_all(asked, 3)
    assert isinstance(own, ValueError)
    assert (first, [str(other) for other in others]) == (0, ["here: broken; mend it"])
    asked.close()


def test_a_turn_that_cannot_be_had() -> None:
    """Its error is the answer to those that wait."""

    def no_turn() -> AbstractContextManager[bool]:
        raise JudgeError("store", "gone", "make room")

    asked: Batcher[int, int] = Batcher(lambda _: iter(()), no_turn, most=lambda: 8, linger=0)

    with pytest.raises(JudgeError, match="store: gone; make room"):
        asked.ask(1)
    asked.close()


def test_the_end() -> None:
    """Who still waits is told, and so is who comes later."""
    began, gate = threading.Event(), threading.Event()

    def answer(batch: Sequence[int]) -> Answers:
        began.set()
        gate.wait(60)
        yield from enumerate(batch)

    asked = batcher(answer, Turns(), most=1)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(asked.ask, 1)
        began.wait(60)
        second = pool.submit(asked.ask, 2)
        closing = threading.Thread(target=asked.close)
        closing.start()
        while not asked._is_closed:
            time.sleep(0.001)
        gate.set()
        closing.join()
        assert first.result() == 1
        with pytest.raises(CancelledError):
            second.result()
    with pytest.raises(CancelledError):
        asked.ask(3)
