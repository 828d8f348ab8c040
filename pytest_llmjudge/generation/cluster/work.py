"""What is sent to the actors of a cluster, and what comes back."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["Job", "MakeWorker", "Place", "Pool", "Worker", "ignore_tokens"]


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
        together: How many units a worker computes at once, where it computes batches.
    """

    method: str
    units: Sequence[Any]
    costs: Sequence[float]
    options: Mapping[str, Any] = field(default_factory=dict)
    on_tokens: Callable[[int], None] = ignore_tokens
    together: int = 1


class Worker(Protocol):
    """What an actor holds: a model, with methods that compute units of a job.

    Each method takes a sequence of units and the job's options, and yields the number of each unit
    of that sequence with its result, as soon as it has it, in any order. An error that it raises,
    an :class:`~pytest_llmjudge.errors.LlmJudgeError`, ends the whole job. It may have an attribute
    ``on_tokens``, which the actor then sets. All is called in one thread.
    """


@dataclass(frozen=True, slots=True)
class Place:
    """Where an actor is, and where its node has the files of the checkpoint.

    Attributes:
        threads: How many cores the actor may use.
        root: A folder with all files, below it at their full paths; empty where the node has them
            at their own paths.
        folder: The driver's current folder, which relative paths begin in.
        torch_device: Where the actor computes: ``cuda`` is the GPU that Ray gave it.
        address: Of its node.
    """

    threads: int
    root: str = ""
    folder: str = ""
    torch_device: str = "auto"
    address: str = ""

    def locate(self, path: Path) -> Path:
        """Return where a file or folder of the driver is on this node."""
        if not self.root:
            return self.folder / path
        # normpath: ".." must not lead out of the folder.
        return Path(self.root + os.path.normpath(self.folder / path))


class MakeWorker(Protocol):
    """Makes what an actor holds, on its node; it must pickle."""

    def __call__(self, place: Place) -> Worker:
        """Load the model.

        Raises:
            LlmJudgeError: It cannot be used there.
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
