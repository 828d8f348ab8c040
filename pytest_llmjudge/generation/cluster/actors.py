"""What runs in the process of an actor: a model, in a thread of its own, and who asks for results.

Results are fetched by long polls: a client of Ray at ``ray://`` has no generators.
"""

from __future__ import annotations

import pickle
import traceback
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import LlmJudgeError
from pytest_llmjudge.generation.files.contents import remember

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_llmjudge.generation.cluster.work import MakeWorker, Place, Worker
    from pytest_llmjudge.generation.files.contents import Content

__all__ = ["ModelActor", "Piece", "Progress"]


@dataclass(frozen=True, slots=True)
class Piece:
    """Units of a job for one actor.

    Attributes:
        number: Later pieces have higher ones, over all jobs of an actor.
        job: Number of the job.
        method: Of the worker.
        units: By their numbers in the job.
        options: A reference to the job's options: an actor fetches them once a job.
    """

    number: int
    job: int
    method: str
    units: Mapping[int, Any]
    options: Any


@dataclass(frozen=True, slots=True)
class Progress:
    """What became of an actor, or of its piece, since it was last asked.

    Attributes:
        results: By the numbers of the units.
        tokens: How many were generated.
        is_over: Whether nothing more comes: the model is loaded, the piece is computed, or neither
            can be.
        failure: Why not; a value, because Ray wraps what a method raises in its own errors.
    """

    results: list[tuple[int, Any]] = field(default_factory=list)
    tokens: int = 0
    is_over: bool = False
    failure: Exception | None = None


class ModelActor:
    """Holds a model and computes pieces with it, one after the other, in one thread.

    Args:
        make_worker: Loads the model.
        place: Where the actor is.
        known: Files of this node whose contents need not be read again.
    """

    def __init__(self, make_worker: MakeWorker, place: Place, known: Sequence[Content]) -> None:
        self._tasks: SimpleQueue[Piece] = SimpleQueue()
        self._changed = Condition()
        self._number = 0
        self._abandoned = -1
        self._progress = Progress()
        self._job = -1
        self._options: Mapping[str, Any] = {}
        remember(known)
        Thread(target=self._work, args=(make_worker, place), daemon=True).start()

    def loaded(self, seconds: float) -> Progress:
        """Wait until the model is loaded, but no longer than some seconds."""
        return self._next(0, seconds)

    def begin(self, piece: Piece, seconds: float) -> Progress:
        """Compute a piece; wait for results as :meth:`results` does."""
        self._tasks.put(piece)
        return self._next(piece.number, seconds)

    def results(self, number: int, seconds: float) -> Progress:
        """Return the results of a piece since the last call; wait some seconds for the first."""
        return self._next(number, seconds)

    def abandon(self, number: int) -> None:
        """End a piece and all before it: with its next result, or before it begins."""
        # Calls of an actor with threads have no order.
        self._abandoned = max(self._abandoned, number)

    def _next(self, number: int, seconds: float) -> Progress:
        with self._changed:
            self._changed.wait_for(lambda: self._has_news(number), seconds)
            if self._number != number:
                return Progress()
            progress, self._progress = self._progress, Progress()
            return progress

    def _has_news(self, number: int) -> bool:
        progress = self._progress
        return self._number == number and bool(progress.results or progress.is_over)

    def _work(self, make_worker: MakeWorker, place: Place) -> None:
        worker: Worker | None = None

        def load() -> Iterator[tuple[int, Any]]:
            nonlocal worker
            worker = make_worker(place)
            if hasattr(worker, "on_tokens"):
                worker.on_tokens = self._count
            yield from ()

        self._follow(load)
        while True:
            piece = self._tasks.get()
            with self._changed:
                self._number, self._progress = piece.number, Progress()
            self._follow(lambda piece=piece: self._compute(worker, piece))  # type: ignore[misc]

    def _follow(self, results: Callable[[], Iterator[tuple[int, Any]]]) -> None:
        """Add results to what is fetched, and say how they ended."""
        failure = None
        try:
            for result in results():
                self._add(Progress([result]))
                if self._number <= self._abandoned:
                    break
        except BaseException as error:  # noqa: BLE001  # it is raised where the job was given
            failure = _sendable(error)
        self._add(Progress(is_over=True, failure=failure))

    def _compute(self, worker: Worker | None, piece: Piece) -> Iterator[tuple[int, Any]]:
        if piece.number <= self._abandoned:
            return
        if piece.job != self._job:
            import ray

            self._options, self._job = ray.get(piece.options), piece.job
        numbers, units = list(piece.units), list(piece.units.values())
        for index, result in getattr(worker, piece.method)(units, **self._options):
            yield numbers[index], result

    def _count(self, tokens: int) -> None:
        self._add(Progress(tokens=tokens))

    def _add(self, news: Progress) -> None:
        with self._changed:
            known = self._progress
            self._progress = Progress(
                known.results + news.results,
                known.tokens + news.tokens,
                known.is_over or news.is_over,
                news.failure,
            )
            self._changed.notify_all()


def _sendable(error: BaseException) -> Exception:
    """Return an error that pickles, and that says where it was raised if that is a bug."""
    try:
        sent: object = pickle.loads(pickle.dumps(error))  # noqa: S301  # of this line
    except Exception:  # noqa: BLE001  # whatever an error's own methods raise
        sent = None
    if not isinstance(sent, Exception):
        # Nor may what is none, as a panic of a library in Rust, end a thread of the driver.
        sent = RuntimeError(f"{type(error).__name__}: {error}")
    if not isinstance(sent, LlmJudgeError):
        # As ``add_note`` does, from Python 3.11 on.
        vars(sent)["__notes__"] = ["".join(traceback.format_exception(error))]
    return sent
