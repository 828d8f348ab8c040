"""A worker that stands in for a model: it sleeps as long as its tokens would take, or ends."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pytest_llmjudge.generation.cluster.work import Place


def _ignore(_: int) -> None:
    pass


@dataclass(frozen=True)
class MakeSleeper:
    """Makes a :class:`Sleeper`, whose name is what a file holds.

    Attributes:
        file: It.
        problem: Why the model cannot be loaded.
        loading: A file that is made when loading begins, which then takes a minute.
    """

    file: Path | None = None
    problem: str = ""
    loading: Path | None = None

    def __call__(self, place: Place) -> Sleeper:
        if self.loading:
            self.loading.touch()
            time.sleep(60)
        if self.problem:
            raise CheckpointError("model.pth", self.problem, "make another one")
        text = place.locate(self.file).read_text("utf-8") if self.file else ""
        return Sleeper(text, place)


class Sleeper:
    """Computes units, each a number of tokens."""

    def __init__(self, text: str, place: Place) -> None:
        self.on_tokens: Callable[[int], None] = _ignore
        self._text = text
        self._place = place

    def sleep(self, units: Sequence[int], *, seconds: float) -> Iterator[tuple[int, Any]]:
        """Take ``seconds`` for each token; the result is the unit."""
        for index, tokens in enumerate(units):
            time.sleep(tokens * seconds)
            self.on_tokens(tokens)
            yield index, tokens

    def echo(self, units: Sequence[str]) -> Iterator[tuple[int, Any]]:
        """Give each unit back at once."""
        yield from enumerate(units)

    def where(self, units: Sequence[int]) -> Iterator[tuple[int, Any]]:
        """Say in which process it is, what its file held, where that was, how many cores it has."""
        for index, _ in enumerate(units):
            time.sleep(0.05)
            yield index, (os.getpid(), self._text, self._place.root, self._place.threads)

    def gpu(self, units: Sequence[int]) -> Iterator[tuple[int, Any]]:
        """Say which GPU it may use."""
        for index, _ in enumerate(units):
            time.sleep(0.05)
            yield index, os.environ.get("CUDA_VISIBLE_DEVICES")

    def die(self, units: Sequence[int], *, deadly: int) -> Iterator[tuple[int, Any]]:
        """End this process at one unit, as a lack of memory would."""
        for index, unit in enumerate(units):
            if unit == deadly:
                os._exit(1)
            yield index, unit

    def fail(self, units: Sequence[int], *, problem: str) -> Iterator[tuple[int, Any]]:
        """Report that the model cannot be used, or break."""
        if units and problem:
            raise CheckpointError("model.pth", problem, "make another one")
        yield 0, 1 // len(problem)
