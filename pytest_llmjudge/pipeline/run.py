"""One suite in one process of a run: every record's outcome, found or made."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Generic

from pytest_llmjudge.errors import LlmJudgeError
from pytest_llmjudge.pipeline.protocols import Candidate, Judgement, KnownProblemError, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import Record
    from pytest_llmjudge.pipeline.judge_pool import JudgePool, Work
    from pytest_llmjudge.pipeline.judgements import Judgements
    from pytest_llmjudge.pipeline.protocols import Counter, JudgeLike, ModelLike
    from pytest_llmjudge.pipeline.sources import Source
    from pytest_llmjudge.records.suites import Suite
    from pytest_llmjudge.settings import Settings

__all__ = ["Run"]

_WAIT_SECONDS = 0.02
_LOOK_SECONDS = 0.1


class Run(Generic[Candidate, Judgement]):
    """One suite in one process of a run.

    Args:
        suite: Its records and settings.
        settings: The run's options.
        judge: Whose judgements they are; ``None`` for people's.
        model: Makes responses; ``None`` when the records hold them.
        needed: The records this run needs, so that all are generated together.
        source: Has or makes what is judged.
        judgements: What is made of it.
        counter: Told how much is to be judged; ``None`` where that takes no time.
        pool: Judges several at once, where the servers may be sent several requests.
    """

    def __init__(
        self,
        suite: Suite,
        settings: Settings,
        *,
        judge: JudgeLike | None,
        model: ModelLike | None,
        needed: Sequence[Record],
        source: Source[Candidate],
        judgements: Judgements[Candidate, Judgement],
        counter: Counter | None,
        pool: JudgePool | None = None,
    ) -> None:
        self.suite = suite
        self.settings = settings
        self.judge = judge
        self.model = model
        self._needed = tuple(needed)
        self._judged = counter
        self._source = source
        self._judgements = judgements
        self._pool = pool
        self._offered: set[str] = set()
        self._looked = 0.0
        self._known: dict[str, Outcome[Candidate, Judgement]] | None = None

    def outcome(self, record: Record, *, again: bool = False) -> Outcome[Candidate, Judgement]:
        """Return what is known of ``record``, or find out.

        A problem is part of the outcome: a verdict without a score, whose error is one line.

        Args:
            record: One of the suite's.
            again: Try once more what failed earlier in this run.
        """
        response = None
        try:
            known = self._load()
            if again:
                self._source.forget_failure(record)
            elif record.id in known:
                return known[record.id]
            response = self._response(record)
            if again:
                self._judgements.forget_failure(record, response)
            verdict = self._verdict(record, response, again=again)
            outcome = Outcome(response, verdict)
        except LlmJudgeError as error:
            return Outcome(response, self._judgements.failed(error))
        if outcome.verdict.score is not None:
            known[record.id] = outcome
        return outcome

    def thoughts(self, record: Record) -> str:
        """Return what the model under test thought before its response; empty for nothing.

        Args:
            record: One whose outcome was asked for.
        """
        return self._source.thoughts(record)

    def is_cut(self, record: Record) -> bool:
        """Say whether a prompt lost its beginning, as it was too long for the model under test.

        Args:
            record: One that has a response.
        """
        return self._source.is_cut(record)

    def outcomes(
        self, *, again: bool = False
    ) -> Iterator[tuple[Record, Outcome[Candidate, Judgement]]]:
        """Yield every record that this run needs with its outcome, in file order.

        Args:
            again: Try once more the records that have no score.
        """
        for record in self._needed:
            outcome = self.outcome(record)
            if again and outcome.verdict.score is None:
                outcome = self.outcome(record, again=True)
            yield record, outcome

    def prepare(self, *, again: bool = False) -> None:
        """Have all outcomes that are needed, and proof that they are from one judge and one model.

        Args:
            again: Try once more the records that have no score.

        Raises:
            LlmJudgeError: Judge or model was replaced during the run, or nobody knows.
        """
        outcomes = [outcome for _, outcome in self.outcomes(again=again)]
        try:
            self._source.confirm()
            self._judgements.confirm()
        except KnownProblemError:
            raise
        except LlmJudgeError:
            # Where records have no score the gate fails, and names them.
            if all(outcome.verdict.score is not None for outcome in outcomes):
                raise

    def _verdict(self, record: Record, response: Candidate, *, again: bool) -> Judgement:
        if self._pool is None or again:
            return self._judgements.get(record, response)
        name, ask = self._work(record, response)
        while True:
            judgement = self._judgements.find(record, response)
            if judgement is not None:
                return judgement
            # What is ready is looked for only where it is taken on.
            if self._pool.offer(chain([(name, ask)], self._ready()), first=name):
                self._pool.wait(name)
                return self._judgements.get(record, response)
            time.sleep(_WAIT_SECONDS)

    def _ready(self) -> Iterator[tuple[str, Work]]:
        """Yield the records that can be judged now and were not given to the pool yet."""
        if time.monotonic() - self._looked >= _LOOK_SECONDS:
            # Who leads judges for all: also what another process has generated.
            self._looked = time.monotonic()
            self._source.look_up(self._needed)
        for record in self._needed:
            if record.id not in self._offered and record.id not in (self._known or {}):
                response = self._source.known(record)
                if response is not None:
                    self._offered.add(record.id)
                    yield self._work(record, response)

    def _work(self, record: Record, response: Candidate) -> tuple[str, Work]:
        name = self._judgements.name(record, response)
        return name, partial(self._judgements.get, record, response)

    def _load(self) -> dict[str, Outcome[Candidate, Judgement]]:
        """Take all that the store has for this run at once; a query for each record is slow."""
        if self._known is None:
            pairs = list(self._source.load(self._needed))
            self._known = {
                record.id: Outcome(response, verdict)
                for record, response, verdict in self._judgements.load(pairs)
            }
            if self._judged is not None:
                self._judged.found(len(self._known), len(self._needed))
                self._judged.start(len(self._needed) - len(self._known))
        return self._known

    def _response(self, record: Record) -> Candidate:
        with contextlib.ExitStack() as stack:
            ahead: list[_JudgeAhead[Candidate, Judgement]] = []

            def judge_ahead(made: Record, response: Candidate) -> None:
                if not self._judgements.is_ours:
                    return
                if self._pool is not None:
                    self._pool.offer([self._work(made, response)])
                    return
                if not ahead:
                    ahead.append(stack.enter_context(_JudgeAhead(self._judgements)))
                ahead[0].add(made, response)

            return self._source.get(record, self._needed, judge_ahead)


class _JudgeAhead(Generic[Candidate, Judgement]):
    """Judges finished responses in a thread while the rest is still being generated."""

    def __init__(self, judgements: Judgements[Candidate, Judgement]) -> None:
        self._judgements = judgements
        self._work: queue.SimpleQueue[tuple[Record, Candidate] | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="llm-judge-ahead", daemon=True)

    def __enter__(self) -> _JudgeAhead[Candidate, Judgement]:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the request under way and leave the rest to the items."""
        self._stopped.set()
        self._work.put(None)
        if kind is None or issubclass(kind, Exception):
            self._thread.join()

    def add(self, record: Record, response: Candidate) -> None:
        self._work.put((record, response))

    def _loop(self) -> None:
        while (work := self._work.get()) is not None and not self._stopped.is_set():
            # What goes wrong here is noted in the store, where the record's own item finds it.
            with contextlib.suppress(LlmJudgeError):
                self._judgements.get(*work)
