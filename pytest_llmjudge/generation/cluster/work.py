"""What is sent to the actors of a cluster, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["Job", "Pool", "Worker", "ignore_tokens"]


def ignore_tokens(_: int) -> None:
    """Show no progress."""


@dataclass(frozen=True, slots=True)
class Job:
    """Units of work that do not depend on each other, and can be computed in any order.

    Attributes:
        method: The method of a :class:`Worker` that computes them.
        units: Plain data, one for each thing that is computed by itself.
        costs: About how many tokens each unit takes: the work is divided by them.
        options: The same for all units; further arguments of the method.
        on_tokens: Called now and then with the number of tokens that were generated since.
    """

    method: str
    units: Sequence[Any]
    costs: Sequence[float]
    options: Mapping[str, Any] = field(default_factory=dict)
    on_tokens: Callable[[int], None] = ignore_tokens


class Worker(Protocol):
    """What an actor holds: a model, with methods that compute units of a job.

    Each method takes a sequence of units and the job's options, and yields the number of each unit
    of that sequence with its result, as soon as it has it, in any order. An error that it raises,
    an :class:`~pytest_llmjudge.errors.LlmJudgeError`, ends the whole job. It may have an attribute
    ``on_tokens``, which the actor then sets.
    """


class Pool(Protocol):
    """The actors of a cluster that hold one model."""

    def run(self, job: Job) -> Iterator[tuple[int, Any]]:
        """Yield the number of each unit with its result, as soon as there is one, in any order.

        Each unit comes once. A unit that killed its actors again and again comes with a
        :class:`~pytest_llmjudge.errors.CheckpointError` as its result.

        Raises:
            LlmJudgeError: The cluster is gone, or the model cannot be used.
        """

    def close(self) -> None:
        """End the actors; nothing of them is left behind."""
