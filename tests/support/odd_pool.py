"""A pool of workers in this process that computes units in odd orders and pieces, as pickles."""

from __future__ import annotations

import pickle
import random
from typing import TYPE_CHECKING, Any

import torch

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.cluster.work import Place

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pytest_llmjudge.generation.cluster.work import Job, MakeWorker, Worker

__all__ = ["OddPool"]


class OddPool:
    """Two workers, each in the place of an actor.

    Args:
        make_worker: Makes one.
        seed: Of orders and pieces.
        deadly: Numbers of units that end their actors again and again.

    Attributes:
        jobs: What was computed.
        is_closed: Whether it is over.
    """

    error = CheckpointError("--llm-judge-ray", "4 actors ended", "look at the memory")
    """Of a unit that ends its actors."""

    def __init__(
        self, make_worker: MakeWorker, seed: int = 0, deadly: Collection[int] = ()
    ) -> None:
        place = Place(torch.get_num_threads())
        self._workers: list[Worker] = [_sent(make_worker)(place) for _ in range(2)]
        self._random = random.Random(seed)  # noqa: S311
        self._deadly = deadly
        self.jobs: list[Job] = []
        self.is_closed = False

    def run(self, job: Job) -> Iterator[tuple[int, Any]]:
        """Yield each unit with its result; some are computed twice, as those of slow actors are."""
        assert not self.is_closed
        assert len(job.units) == len(job.costs)
        assert all(cost > 0 for cost in job.costs)
        self.jobs.append(job)
        numbers = [number for number in range(len(job.units)) if number not in self._deadly]
        waiting = self._random.sample(numbers, len(numbers))
        yield from ((number, self.error) for number in self._deadly if number < len(job.units))
        over: set[int] = set()
        while waiting:
            size = self._random.randint(1, 5)
            piece, waiting = waiting[:size], waiting[size:]
            if len(piece) > 1 and self._random.random() < 0.5:
                waiting.append(piece[-1])
            for place, result in self._compute(job, piece):
                if piece[place] not in over:
                    over.add(piece[place])
                    yield piece[place], _sent(result)

    def _compute(self, job: Job, piece: list[int]) -> Iterator[tuple[int, Any]]:
        worker: Any = self._random.choice(self._workers)
        worker.on_tokens = job.on_tokens
        units, options = _sent([job.units[number] for number in piece]), _sent(dict(job.options))
        results: Iterator[tuple[int, Any]] = getattr(worker, job.method)(units, **options)
        return results

    def close(self) -> None:
        """End."""
        self.is_closed = True


def _sent(value: Any) -> Any:  # noqa: ANN401 - anything that pickles
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - our own
