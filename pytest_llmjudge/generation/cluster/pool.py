"""Actors of Ray that hold one model each, and the jobs that they share."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import CheckpointError, LlmJudgeError, count_of, one_line
from pytest_llmjudge.generation.cluster.actors import ModelActor, Piece, Progress
from pytest_llmjudge.generation.cluster.arrival import Arrival, Lost, outcome_of
from pytest_llmjudge.generation.cluster.dispatch import MAX_RESTARTS, Dispatch
from pytest_llmjudge.generation.cluster.machines import on_node
from pytest_llmjudge.generation.cluster.nodes import OPTION
from pytest_llmjudge.generation.cluster.work import Job

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_llmjudge.generation.cluster.machines import Machines
    from pytest_llmjudge.generation.cluster.nodes import Node
    from pytest_llmjudge.generation.cluster.work import MakeWorker, Place
    from pytest_llmjudge.generation.files.contents import Content

__all__ = ["RayPool"]

_POLL_SECONDS = 1.0
_LOOK_SECONDS = 5.0
"""How often nodes are looked for that have joined."""

_START_SECONDS = 180.0
"""For the first actor to answer, whose node may be busy or its cores in use."""

_WAIT_SECONDS = 60.0
"""For new nodes when all actors are lost."""

_NOTE_SECONDS = 30.0
_SILENT_SECONDS = 120.0
"""An actor that answers no poll for so long is lost, whatever Ray says of it."""

_CLOSE_SECONDS = 10.0
"""For a thread that waits for results to leave, when the actors are ended."""


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


class RayPool:
    """The actors of a cluster that hold one model; see :class:`.work.Pool`.

    Threads may share it: while one waits for results another may close it, and the first is told.

    Args:
        machines: Of the cluster.
        make_worker: Makes what each actor holds.
        contents: What all files hold that it is loaded from.
    """

    def __init__(
        self, machines: Machines, make_worker: MakeWorker, contents: Mapping[Path, Content]
    ) -> None:
        self._machines = machines
        self._make_worker = make_worker
        self._contents = contents
        self._lock = threading.RLock()
        self._is_open = False
        self._why_closed: LlmJudgeError | None = None
        self._pieces = self._jobs = 0
        self._seats: list[_Seat] = []
        self._polls: dict[Any, _Seat] = {}
        self._arrivals: list[Arrival] = []
        self._nodes: set[str] = set()
        self._refused: LlmJudgeError | None = None
        self._cause = "no node has room for one"
        self._looked = 0.0
        self._had_actors = time.monotonic()
        self._has_noted = False

    def open(self) -> None:
        """Start the actors, and wait until one has loaded the model; called once.

        Raises:
            LlmJudgeError: None can load it, or none starts.
        """
        nothing = Job("", (), ())
        idle: Dispatch[_Seat] = Dispatch(nothing.costs, 0)
        try:
            while not any(seat.is_loaded for seat in self._seats):
                with self._using():
                    news = self._advance(nothing, idle, None)
                    if news.failure is None:
                        self._check()
                if news.failure is not None:
                    raise news.failure
        except BaseException:
            self.close()
            raise
        self._is_open = True

    def run(self, job: Job) -> Iterator[tuple[int, Any]]:
        """Yield the number of each unit with its result; see :meth:`.work.Pool.run`."""
        import ray

        self._machines.check_process()
        with self._using():
            self._jobs = number = self._jobs + 1
            self._had_actors = time.monotonic()
            dispatch: Dispatch[_Seat] = Dispatch(job.costs, len(self._seats), job.together)
            options = ray.put(dict(job.options))
        try:
            while not dispatch.is_over:
                with self._using():
                    news = self._advance(job, dispatch, options)
                    if news.failure is None:
                        self._check()
                job.on_tokens(news.tokens)
                yield from news.results
                if news.failure is not None:
                    raise news.failure
        finally:
            with self._lock:
                # What was broken off may be collected only when another job is under way.
                for seat in self._seats if number == self._jobs else ():
                    self._abandon(seat)

    @contextmanager
    def _using(self) -> Iterator[None]:
        """Have the actors for this thread alone; what cannot be mended ends them for good.

        Raises:
            CheckpointError: They have been ended, or Ray fails.
        """
        with self._lock:
            if self._why_closed is None:
                try:
                    yield
                except LlmJudgeError as error:
                    self._why_closed = error
                except Exception as error:  # noqa: BLE001  # a client of Ray raises anything
                    problem = f"Ray does not work any more ({one_line(str(error))})"
                    hint = "look at the cluster and run again: what was computed is kept"
                    self._why_closed = CheckpointError(OPTION, problem, hint)
                if self._why_closed is None:
                    return
                self._end()
            # It may be raised again and again, and would keep the frames of each time.
            raise self._why_closed.with_traceback(None)

    def _advance(self, job: Job, dispatch: Dispatch[_Seat], options: Any) -> Progress:  # noqa: ANN401  # Ray's references have no types
        """Keep all actors at work for a while; return what is new of the job."""
        self._look()
        self._hand_out(job, dispatch, options)
        results: list[tuple[int, Any]] = []
        tokens, failure = 0, None
        for seat, progress in self._answers():
            if isinstance(progress, Lost):
                results += self._lose(dispatch, seat, progress)
                continue
            tokens += progress.tokens
            results += [one for one in progress.results if dispatch.finish(one[0])]
            if not seat.piece:
                failure = self._hear_loading(seat, progress) or failure
            elif not progress.is_over:
                self._poll(seat, seat.actor.results, seat.piece)
            else:
                failure = failure or progress.failure
                results += self._let_go(dispatch, seat, "it gave no result")
        return Progress(results, tokens, failure=failure)

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

    def _hear_loading(self, seat: _Seat, progress: Progress) -> Exception | None:
        """Take note of how far an actor is, or do without it as long as others can load the model.

        Returns:
            An error that is not meant for users, where no other actor is left.
        """
        seat.is_placed = True
        error = progress.failure
        if error is None:
            seat.is_loaded = progress.is_over
            if not seat.is_loaded:
                self._poll(seat, seat.actor.loaded)
            else:
                seat.ended = 0
            return None
        self._remove(seat)
        if isinstance(error, LlmJudgeError):
            self._refused = self._refused or error
            self._cause = error.lines[0]
        elif self._seats or self._arrivals:
            self._cause = one_line(f"{type(error).__name__}: {error}")
        else:
            return error
        where = f"an actor on node {seat.node.address}"
        self._machines.note(f"{OPTION}: {where} is left out: {self._cause}")
        return None

    def _lose(
        self, dispatch: Dispatch[_Seat], seat: _Seat, lost: Lost
    ) -> list[tuple[int, CheckpointError]]:
        """Start another actor in the place of one that ended, if its node is still there."""
        where = f"an actor on node {seat.node.address}"
        self._cause = f"{where} ended: {lost.cause}"
        seat.ended += not seat.piece
        given_up = self._let_go(dispatch, seat, lost.cause)
        self._remove(seat)
        if seat.ended > MAX_RESTARTS:
            problem = f"it ended {seat.ended} times in turn while it loaded the model"
            self._machines.note(f"{OPTION}: {where} is left out: {problem} ({lost.cause})")
        elif self._machines.is_there(seat.node):
            self._add(_Seat(seat.node, seat.place, seat.known, ended=seat.ended))
        return given_up

    def _let_go(
        self, dispatch: Dispatch[_Seat], seat: _Seat, cause: str
    ) -> list[tuple[int, CheckpointError]]:
        """Take a piece back: what it has no results of goes to others, or is given up."""
        seat.piece = 0
        problem = (
            f"{MAX_RESTARTS + 1} actors in turn ended while they computed this; the last, on node "
            f"{seat.node.address}: {cause}"
        )
        error = CheckpointError(OPTION, problem, "look at the memory of that node")
        return [(unit, error) for unit in dispatch.end(seat)]

    def _look(self) -> None:
        """Let nodes take part that have joined."""
        now = time.monotonic()
        if now < self._looked + _LOOK_SECONDS:
            return
        self._looked = now
        nodes = [node for node in self._machines.describe() if node.key not in self._nodes]
        self._nodes |= {node.key for node in nodes}
        if nodes:
            self._arrivals.append(Arrival(self._machines, nodes, self._contents))

    def _add(self, seat: _Seat) -> None:
        import ray

        remote = ray.remote(
            num_cpus=0 if seat.node.gpus else seat.place.threads,
            num_gpus=1 if seat.node.gpus else 0,
            max_concurrency=4,
            scheduling_strategy=on_node(seat.node),
        )
        seat.actor = remote(ModelActor).remote(self._make_worker, seat.place, seat.known)
        self._seats.append(seat)
        self._poll(seat, seat.actor.loaded)

    def _poll(self, seat: _Seat, method: Any, *arguments: Any) -> None:  # noqa: ANN401
        self._polls[method.remote(*arguments, _POLL_SECONDS)] = seat
        seat.asked = time.monotonic()

    def _abandon(self, seat: _Seat) -> None:
        """Let an actor stop with its piece; what it says of it is not heard any more."""
        if not seat.piece:
            return
        with suppress(Exception):  # of an actor that has ended
            seat.actor.abandon.remote(seat.piece)
        self._ignore(seat)
        seat.piece = 0

    def _remove(self, seat: _Seat) -> None:
        import ray

        with suppress(Exception):  # of an actor that has ended
            ray.kill(seat.actor)
        self._ignore(seat)
        self._seats.remove(seat)

    def _ignore(self, seat: _Seat) -> None:
        self._polls = {ref: other for ref, other in self._polls.items() if other is not seat}

    def _answers(self) -> list[tuple[_Seat, Progress | Lost]]:
        """Wait for answers of actors, and for what arriving nodes say, but not for long."""
        import ray

        waited = [*self._polls, *(ref for arrival in self._arrivals for ref in arrival.missing)]
        if not waited:
            time.sleep(_POLL_SECONDS / 10)
        ready = ray.wait(waited, num_returns=1, timeout=_POLL_SECONDS)[0] if waited else []
        if len(ready) < len(waited):
            ready = ray.wait(waited, num_returns=len(waited), timeout=0)[0]
        self._arrive(set(ready))
        heard = [(self._polls.pop(ref), outcome_of(ref)) for ref in ready if ref in self._polls]
        return heard + self._silent()

    def _arrive(self, ready: set[Any]) -> None:
        for arrival in self._arrivals:
            for node, place, known in arrival.go_on(ready):
                for _ in range(node.actors):
                    self._add(_Seat(node, place, known))
            self._cause = arrival.problem or self._cause
        self._arrivals = [arrival for arrival in self._arrivals if not arrival.is_over]

    def _silent(self) -> list[tuple[_Seat, Progress | Lost]]:
        """Return actors that Ray says nothing of, and that answer nothing."""
        now = time.monotonic()
        lost = Lost(f"it gave no answer for {_SILENT_SECONDS:.0f} seconds")
        waiting = [seat for seat in self._polls.values() if seat.is_placed]
        return [(seat, lost) for seat in waiting if now > seat.asked + _SILENT_SECONDS]

    def _check(self) -> None:
        """Say which actors come late, and refuse to wait for ever when there are none."""
        now = time.monotonic()
        waiting = [seat for seat in self._seats if not seat.is_placed]
        late = [seat for seat in waiting if now > seat.asked + _NOTE_SECONDS]
        # Nodes that arrive may become ready for actors.
        if self._arrivals or len(waiting) < len(self._seats):
            self._had_actors = now
            if late and not self._has_noted:
                self._has_noted = True
                where = ", ".join(sorted({seat.node.address for seat in late}))
                problem = (
                    f"{count_of(len(late), 'actor')} on {where} had not started after "
                    f"{_NOTE_SECONDS:.0f} seconds"
                )
                # Nobody else has a Ray that was started here.
                shares = self._machines.shares_files
                cause = "" if shares else " (others may use the GPUs or cores there)"
                them = "it" if len(late) == 1 else "them"
                self._machines.note(f"{OPTION}: {problem}{cause}; the run began without {them}")
            return
        seconds = now - self._had_actors
        if self._seats:
            if seconds > _START_SECONDS:
                problem = f"no actor could start within {_START_SECONDS:.0f} seconds"
                hint = "wait until others have freed the cluster's GPUs or cores, or add nodes"
                raise CheckpointError(OPTION, problem, hint)
        elif not self._is_open:
            problem = f"no actor can be had: {self._cause}"
            hint = "look at the nodes, and run again"
            raise self._refused or CheckpointError(OPTION, problem, hint)
        elif seconds > _WAIT_SECONDS:
            problem = (
                f"all actors are lost, and none came within {_WAIT_SECONDS:.0f} seconds "
                f"({self._cause})"
            )
            hint = "start nodes and run again: what was computed is kept"
            raise CheckpointError(OPTION, problem, hint)

    def close(self) -> None:
        """End the actors; what nodes were sent stays for another model of the same files."""
        if not self._machines.is_own:
            return
        if self._why_closed is None:
            # Before the lock is had, so that a thread that waits for results leaves.
            hint = "run again: what was computed is kept"
            self._why_closed = CheckpointError(OPTION, "the actors were ended meanwhile", hint)
        # Who has it may wait for a Ray that is gone; what remains ends with the connection.
        if self._lock.acquire(timeout=_CLOSE_SECONDS):
            try:
                self._end()
            finally:
                self._lock.release()

    def _end(self) -> None:
        for seat in list(self._seats):
            self._remove(seat)
        arrivals, self._arrivals = self._arrivals, []
        with suppress(Exception):  # of a cluster that is gone, with all that was there
            for arrival in arrivals:
                arrival.close()
