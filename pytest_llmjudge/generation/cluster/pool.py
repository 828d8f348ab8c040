"""Actors of Ray that hold one model each, and the jobs that they share."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import CheckpointError, LlmJudgeError, count_of, one_line
from pytest_llmjudge.generation.cluster.actors import Failure, ModelActor, Piece, Progress
from pytest_llmjudge.generation.cluster.arrival import Arrival, Lost, outcome_of
from pytest_llmjudge.generation.cluster.dispatch import MAX_RESTARTS, Dispatch
from pytest_llmjudge.generation.cluster.machines import on_node, without_warnings
from pytest_llmjudge.generation.cluster.nodes import OPTION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pytest_llmjudge.generation.cluster.machines import Machines
    from pytest_llmjudge.generation.cluster.nodes import Node
    from pytest_llmjudge.generation.cluster.work import Job, MakeWorker, Place
    from pytest_llmjudge.generation.files.contents import Content

__all__ = ["RayPool"]

_POLL_SECONDS = 1.0
_LOOK_SECONDS = 5.0
"""How often nodes are looked for that have joined."""

_WAIT_SECONDS = 60.0
"""For an actor that can be asked: for one that starts, or for new nodes when all are lost."""

_NOTE_SECONDS = 30.0
_SILENT_SECONDS = 120.0
"""An actor that answers no poll for so long is lost, whatever Ray says of it."""


@dataclass(eq=False, slots=True)
class _Seat:
    """A place for an actor on a node, and the actor that has it now.

    Attributes:
        node: Where it is.
        place: What the actor has there.
        known: What it need not read again.
        actor: Its handle.
        ended: How many actors have ended here in turn without a piece to compute.
        asked: When it was asked last.
        is_placed: Whether it has answered, so that Ray has given it what it needs.
        is_loaded: Whether it holds the model.
        piece: Number of the piece that it computes; 0 where it is idle.
    """

    node: Node
    place: Place
    known: list[Content]
    actor: Any = None
    ended: int = 0
    asked: float = field(default_factory=time.monotonic)
    is_placed: bool = False
    is_loaded: bool = False
    piece: int = 0


@contextmanager
def _reachable() -> Iterator[None]:
    """Report in one line that the connection to the cluster is lost."""
    import ray

    try:
        yield
    except (ray.exceptions.RayError, ConnectionError) as error:
        problem = f"the cluster cannot be reached any more ({one_line(str(error))})"
        raise CheckpointError(OPTION, problem, _AGAIN) from None


_AGAIN = "run again when it can be: what was computed is kept"


class RayPool:
    """The actors of a cluster that hold one model; see :class:`.work.Pool`.

    Args:
        machines: Of the cluster.
        make_worker: Makes what each actor holds.
        contents: What all files hold that it is loaded from.
        give_room: Ends the actors of other models.
    """

    def __init__(
        self,
        machines: Machines,
        make_worker: MakeWorker,
        contents: Mapping[Path, Content],
        give_room: Callable[[RayPool], None],
    ) -> None:
        self._machines = machines
        self._make_worker = make_worker
        self._contents = contents
        self._give_room = give_room
        self._pieces = self._jobs = 0
        self._forget()

    def _forget(self) -> None:
        self._is_open = False
        self._seats: list[_Seat] = []
        self._polls: dict[Any, _Seat] = {}
        self._arrivals: list[Arrival] = []
        self._arrived: list[Arrival] = []
        self._nodes: set[str] = set()
        self._refused: LlmJudgeError | None = None
        self._cause = "no node has room for one"
        self._looked = 0.0
        self._had_actors = time.monotonic()
        self._has_noted = False

    def open(self) -> None:
        """Start the actors if they are not there, and wait until one has loaded the model.

        Raises:
            ContentChangedError: A file may hold something else than its digest is of.
            LlmJudgeError: None can load it, or none starts.
        """
        self._machines.check_process()
        self._give_room(self)
        if self._is_open:
            return
        self._is_open = True
        try:
            while not any(seat.is_loaded for seat in self._seats):
                self._look()
                for seat, progress in self._answers():
                    self._hear_loading(seat, progress)
                self._check_start()
        except BaseException:
            self.close()
            raise

    def run(self, job: Job) -> Iterator[tuple[int, Any]]:
        """Yield the number of each unit with its result; see :meth:`.work.Pool.run`."""
        import ray

        self.open()
        self._jobs += 1
        dispatch: Dispatch[_Seat] = Dispatch(job.costs, len(self._seats), job.together)
        with _reachable():
            options = ray.put(dict(job.options))
        try:
            while not dispatch.is_over:
                self._look()
                self._hand_out(job, dispatch, options)
                answers = self._answers()
                # First, as the rest of them is not heard where a job ends early.
                for seat, progress in answers:
                    if not seat.piece:
                        self._hear_loading(seat, progress)
                for seat, progress in answers:
                    if seat.piece:
                        yield from self._hear(job, dispatch, seat, progress)
                self._check_left()
        finally:
            for seat in self._seats:
                self._abandon(seat)

    def _hand_out(self, job: Job, dispatch: Dispatch[_Seat], options: Any) -> None:  # noqa: ANN401
        dispatch.actors = len(self._seats)
        for seat in self._seats:
            if seat.piece and not dispatch.is_needed(seat):
                # Others were faster.
                self._abandon(seat)
                dispatch.end(seat)
            if seat.is_loaded and not seat.piece and (units := dispatch.take(seat)):
                self._pieces += 1
                seat.piece = self._pieces
                given = {unit: job.units[unit] for unit in units}
                piece = Piece(seat.piece, self._jobs, job.method, given, options)
                self._poll(seat, seat.actor.begin, piece)

    def _hear(
        self, job: Job, dispatch: Dispatch[_Seat], seat: _Seat, progress: Progress | Lost
    ) -> Iterator[tuple[int, Any]]:
        """Take over what an actor has computed, or send its piece to others."""
        if isinstance(progress, Lost):
            yield from self._ended(dispatch, seat, progress)
            self._replace(seat, progress)
            return
        job.on_tokens(progress.tokens)
        for unit, result in progress.results:
            if dispatch.finish(unit):
                yield unit, result
        if progress.failure is not None:
            raise _raised(progress.failure)
        if progress.is_over:
            yield from self._ended(dispatch, seat, Lost("it gave no result"))
        else:
            self._poll(seat, seat.actor.results, seat.piece)

    def _hear_loading(self, seat: _Seat, progress: Progress | Lost) -> None:
        if isinstance(progress, Lost):
            seat.ended += 1
            self._replace(seat, progress)
            return
        seat.is_placed = True
        if progress.failure is not None:
            self._refuse(seat, progress.failure)
        elif progress.is_over:
            seat.is_loaded, seat.ended = True, 0
        else:
            self._poll(seat, seat.actor.loaded)

    def _refuse(self, seat: _Seat, failure: Failure) -> None:
        """Do without an actor that cannot load the model, as long as others can."""
        if not isinstance(failure.error, LlmJudgeError):
            raise _raised(failure)
        self._remove(seat)
        self._refused = self._refused or failure.error
        self._cause = line = failure.error.lines[0]
        self._machines.note(f"{OPTION}: an actor on node {seat.node.address} is left out: {line}")

    def _replace(self, seat: _Seat, lost: Lost) -> None:
        """Start another actor in the place of one that ended, if its node is still there."""
        where = f"an actor on node {seat.node.address}"
        self._cause = f"{where} ended: {lost.cause}"
        self._remove(seat)
        if seat.ended > MAX_RESTARTS:
            problem = f"it ended {seat.ended} times in turn while it loaded the model"
            self._machines.note(f"{OPTION}: {where} is left out: {problem} ({lost.cause})")
        elif self._machines.is_there(seat.node):
            self._add(_Seat(seat.node, seat.place, seat.known, ended=seat.ended))

    def _ended(
        self, dispatch: Dispatch[_Seat], seat: _Seat, lost: Lost
    ) -> Iterator[tuple[int, CheckpointError]]:
        """Let go of a piece; what it has no results of goes to others, or is given up."""
        seat.piece = 0
        for unit in dispatch.end(seat):
            yield unit, self._given_up(seat, lost)

    def _given_up(self, seat: _Seat, lost: Lost) -> CheckpointError:
        problem = (
            f"{MAX_RESTARTS + 1} actors in turn ended while they computed this; the last, on node "
            f"{seat.node.address}: {lost.cause}"
        )
        return CheckpointError(OPTION, problem, "look at the memory of that node")

    def _look(self) -> None:
        """Let nodes take part that have joined."""
        now = time.monotonic()
        if now < self._looked + _LOOK_SECONDS:
            return
        self._looked = now
        with _reachable():
            nodes = [node for node in self._machines.describe() if node.key not in self._nodes]
        self._nodes |= {node.key for node in nodes}
        if nodes:
            self._arrivals.append(Arrival(self._machines, nodes, self._contents))

    def _add(self, seat: _Seat) -> None:
        import ray

        with _reachable(), without_warnings():
            remote = ray.remote(
                num_cpus=0 if seat.node.gpus else seat.place.threads,
                num_gpus=1 if seat.node.gpus else 0,
                max_concurrency=4,
                scheduling_strategy=on_node(seat.node),
            )
            actor = remote(ModelActor)
            seat.actor = actor.remote(self._make_worker, seat.place, seat.known)
        self._seats.append(seat)
        self._poll(seat, seat.actor.loaded)

    def _poll(self, seat: _Seat, method: Any, *arguments: Any) -> None:  # noqa: ANN401
        with _reachable():
            self._polls[method.remote(*arguments, _POLL_SECONDS)] = seat
        seat.asked = time.monotonic()

    def _abandon(self, seat: _Seat) -> None:
        """Let an actor stop with its piece; what it says of it is not heard any more."""
        if not seat.piece:
            return
        with suppress(Exception):  # of an actor that has ended
            seat.actor.abandon.remote(seat.piece)
        self._polls = {ref: other for ref, other in self._polls.items() if other is not seat}
        seat.piece = 0

    def _remove(self, seat: _Seat) -> None:
        import ray

        with suppress(Exception):  # of an actor that has ended
            ray.kill(seat.actor)
        self._seats.remove(seat)
        self._polls = {ref: other for ref, other in self._polls.items() if other is not seat}

    def _answers(self) -> list[tuple[_Seat, Progress | Lost]]:
        """Wait for answers of actors, and for what arriving nodes say, but not for long."""
        import ray

        waited = [*self._polls, *(ref for arrival in self._arrivals for ref in arrival.missing)]
        if not waited:
            time.sleep(_POLL_SECONDS / 10)
        with _reachable():
            ready = ray.wait(waited, num_returns=1, timeout=_POLL_SECONDS)[0] if waited else []
            if len(ready) < len(waited):
                ready = ray.wait(waited, num_returns=len(waited), timeout=0)[0]
        self._arrive(set(ready))
        heard = [(self._polls.pop(ref), outcome_of(ref)) for ref in ready if ref in self._polls]
        return heard + self._silent()

    def _arrive(self, ready: set[Any]) -> None:
        for arrival in list(self._arrivals):
            for node, place, known in arrival.go_on(ready):
                for _ in range(node.actors):
                    self._add(_Seat(node, place, known))
            self._cause = arrival.problem or self._cause
            if arrival.is_over:
                self._arrivals.remove(arrival)
                self._arrived.append(arrival)

    def _silent(self) -> list[tuple[_Seat, Progress | Lost]]:
        """Return actors that Ray says nothing of, and that answer nothing."""
        now = time.monotonic()
        lost = Lost(f"it gave no answer for {_SILENT_SECONDS:.0f} seconds")
        late = {
            ref: seat
            for ref, seat in self._polls.items()
            if seat.is_placed and now > seat.asked + _SILENT_SECONDS
        }
        for ref in late:
            del self._polls[ref]
        return [(seat, lost) for seat in late.values()]

    def _check_start(self) -> None:
        """Refuse to wait for actors that cannot load the model, or that never start."""
        if not self._seats and not self._arrivals:
            if self._refused is not None:
                raise self._refused
            problem = f"no actor can be had: {self._cause}"
            raise CheckpointError(OPTION, problem, "look at the memory of the nodes")
        waiting = [seat for seat in self._seats if not seat.is_placed]
        if not waiting:
            return
        seconds = time.monotonic() - min(seat.asked for seat in waiting)
        if len(waiting) == len(self._seats) and seconds > _WAIT_SECONDS:
            problem = f"no actor could start within {_WAIT_SECONDS:.0f} seconds"
            hint = "wait until others have freed the cluster's GPUs or cores, or add nodes"
            raise CheckpointError(OPTION, problem, hint)

    def _check_left(self) -> None:
        """Refuse to wait for ever for nodes after all actors are lost."""
        now = time.monotonic()
        waiting = [seat for seat in self._seats if not seat.is_placed]
        late = [seat for seat in waiting if now > seat.asked + _NOTE_SECONDS]
        if late and not self._has_noted:
            self._has_noted = True
            where = ", ".join(sorted({seat.node.address for seat in late}))
            problem = f"{count_of(len(late), 'actor')} on {where} could not start yet"
            cause = "others may use the GPUs or cores there"
            self._machines.note(f"{OPTION}: {problem}: {cause}; the run goes on without them")
        if self._arrivals or len(waiting) < len(self._seats):
            self._had_actors = now
        elif now > self._had_actors + _WAIT_SECONDS:
            problem = (
                f"all actors are lost, and none came within {_WAIT_SECONDS:.0f} seconds "
                f"({self._cause})"
            )
            raise CheckpointError(
                OPTION, problem, "start nodes and run again: what was computed is kept"
            )

    def close(self) -> None:
        """End the actors, and remove the files that nodes were sent."""
        import ray

        if not self._is_open or not self._machines.is_own:
            return
        seats, arrivals = self._seats, self._arrivals + self._arrived
        self._forget()
        # All is gone already where the cluster is.
        with suppress(ray.exceptions.RayError, ConnectionError):
            for seat in seats:
                ray.kill(seat.actor)
            for arrival in arrivals:
                arrival.close()


def _raised(failure: Failure) -> Exception:
    """Return what an actor raised; of a bug, where it did so."""
    if not isinstance(failure.error, LlmJudgeError):
        failure.error.__cause__ = _ActorError(failure.trace)
    return failure.error


class _ActorError(Exception):
    """The traceback of an error in the process of an actor."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"
