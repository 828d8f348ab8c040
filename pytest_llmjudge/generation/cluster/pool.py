"""Actors of Ray that hold one model each, and the jobs that they share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmjudge.generation.cluster.work import Job

__all__ = ["RayPool"]


class RayPool:
    """The actors of a cluster that hold one model; see :class:`.work.Pool`."""

    def run(self, job: Job) -> Iterator[tuple[int, Any]]:
        """Yield the number of each unit with its result; see :meth:`.work.Pool.run`."""
        raise NotImplementedError

    def close(self) -> None:
        """End the actors, and remove the files that nodes were sent."""
        raise NotImplementedError
