"""One suite in one process of a run: every record's outcome, found or made."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from dataclasses import asdict
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Verdict
from pytest_llmjudge.errors import LlmJudgeError
from pytest_llmjudge.judging.check import decide, plan_probes
from pytest_llmjudge.judging.judge import Judge
from pytest_llmjudge.pipeline.parts import Counter, JudgeLike, ModelLike, Outcome
from pytest_llmjudge.pipeline.responses import KnownProblemError, Responses
from pytest_llmjudge.pipeline.verdicts import Verdicts
from pytest_llmjudge.servers.chat import is_same_model
from pytest_llmjudge.settings import EMBEDDED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import JudgeCheck, Record
    from pytest_llmjudge.judging.check import Probe
    from pytest_llmjudge.pipeline.team import Team, Work
    from pytest_llmjudge.settings import Settings
    from pytest_llmjudge.storage.store import Store
    from pytest_llmjudge.suites import Suite

__all__ = ["SuiteRun"]

_WAIT_SECONDS = 0.02
_LOOK_SECONDS = 0.1


class SuiteRun:
    """One suite in one process of a run.

    Args:
        suite: Its records and settings.
        settings: The run's options.
        store: Shared with all processes of the run.
        judge: Scores responses.
        model: Makes responses; ``None`` when the records hold them.
        needed: The records this run needs, so that all are generated together.
        worker: Name of this process, for progress.
        team: Judges several at once, where the servers may be sent several requests.
        in_flight: How many requests may be in flight at each server.
    """

    def __init__(
        self,
        suite: Suite,
        settings: Settings,
        store: Store,
        *,
        judge: JudgeLike,
        model: ModelLike | None,
        needed: Sequence[Record],
        worker: str,
        team: Team | None = None,
        in_flight: int = 1,
    ) -> None:
        self.suite = suite
        self.settings = settings
        self.judge = judge
        self.model = model
        self._needed = tuple(needed)
        self._judged = Counter(store, "verdicts", suite.name, worker)
        made = Counter(store, "responses", suite.name, worker)
        self._responses = Responses(suite, settings, store, model, made)
        self._verdicts = Verdicts(suite.name, judge, store, self._judged, in_flight=in_flight)
        # A judge of the user's own may not bear a second thread, one without a server needs none.
        self._team = team if self._verdicts.asks_a_server else None
        self._in_flight = in_flight if self._team is not None else 1
        self._store = store
        self._offered: set[str] = set()
        self._looked = 0.0
        self._known: dict[str, Outcome] | None = None
        self._check: JudgeCheck | None = None

    def check(self, *, again: bool = False) -> JudgeCheck:
        """Return what the judge makes of known answers; ask it, where nobody has yet.

        Args:
            again: Try once more what failed earlier in this run.

        Raises:
            LlmJudgeError: The rig failed, so that nothing is known of the judge.
        """
        if self._check is None:
            probes = plan_probes(self.suite.records)
            if again:
                for probe in probes:
                    self._verdicts.forget_failed_probe(probe)
            self._ask_together(probes)
            verdicts = []
            for probe in probes:
                verdict = self._verdicts.probe(probe)
                if verdict.score is None and verdict.rig:
                    raise KnownProblemError(str(verdict.error), rig=True)
                verdicts.append((probe, verdict))
            name, advice = self._judge_in_words()
            check = decide(name, verdicts, in_flight=self._in_flight, advice=advice)
            self._store.note_check(self.suite.name, asdict(check))
            self._check = check
        return self._check

    def _ask_together(self, probes: Sequence[Probe]) -> None:
        """Ask about all known answers under the load that the records will be asked under."""
        if self._team is None:
            return
        work = {f"{self.suite.name} {probe.name}": probe for probe in probes}
        pieces = [(name, partial(self._verdicts.probe, probe)) for name, probe in work.items()]
        if self._team.offer(pieces):
            for name in work:
                self._team.wait(name)

    def _judge_in_words(self) -> tuple[str, str]:
        """Name the judge, and say what could be done if it is not fit."""
        if not isinstance(self.judge, Judge):
            return f"of your own ({type(self.judge).__name__})", "correct it, or take another"
        identity = self.judge.identity
        if identity.backend == EMBEDDED:
            return "embedded (chrF, no LLM)", "name a language model with --llm-judge-model"
        others = [
            name for name in self.judge.installed() if not is_same_model(name, identity.model)
        ]
        has = f" (installed: {', '.join(others)})" if others else ""
        weighted = "" if identity.ask.startswith("weighted") else ", or --llm-judge-ask=weighted"
        return identity.model, f"name a larger judge with --llm-judge-model{has}{weighted}"

    def outcome(self, record: Record, *, again: bool = False) -> Outcome:
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
                self._responses.forget_failure(record)
            elif record.id in known:
                return known[record.id]
            response = self._response(record)
            if again:
                self._verdicts.forget_failure(record, response)
            verdict = self._verdict(record, response, again=again)
            outcome = Outcome(response, verdict)
        except LlmJudgeError as error:
            failed = Verdict(None, "", str(error), final=False, rig=error.rig)
            return Outcome(response, failed)
        if outcome.verdict.score is not None:
            known[record.id] = outcome
        return outcome

    def outcomes(self, *, again: bool = False) -> Iterator[tuple[Record, Outcome]]:
        """Yield every record of the suite with its outcome, in file order.

        Args:
            again: Try once more the records that have no score.
        """
        for record in self.suite.records:
            outcome = self.outcome(record)
            if again and outcome.verdict.score is None:
                outcome = self.outcome(record, again=True)
            yield record, outcome

    def _verdict(self, record: Record, response: str, *, again: bool) -> Verdict:
        if self._team is None or again:
            return self._verdicts.get(record, response)
        name, ask = self._work(record, response)
        while True:
            found = self._verdicts.find(record, response)
            if found is not None:
                return found
            # What is ready is looked for only where it is taken on.
            if self._team.offer(chain([(name, ask)], self._ready()), first=name):
                self._team.wait(name)
                return self._verdicts.get(record, response)
            time.sleep(_WAIT_SECONDS)

    def _ready(self) -> Iterator[tuple[str, Work]]:
        """Yield the records that can be judged now and were not given to the team yet."""
        if time.monotonic() - self._looked >= _LOOK_SECONDS:
            # Who leads judges for all: also what another process has generated.
            self._looked = time.monotonic()
            self._responses.look_up(self._needed)
        for record in self._needed:
            if record.id not in self._offered and record.id not in (self._known or {}):
                response = self._responses.known(record)
                if response is not None:
                    self._offered.add(record.id)
                    yield self._work(record, response)

    def _work(self, record: Record, response: str) -> tuple[str, Work]:
        name = self._verdicts.name(record, response)
        return name, partial(self._verdicts.get, record, response)

    def _load(self) -> dict[str, Outcome]:
        """Take all that the store has for this run at once; a query for each record is slow."""
        if self._known is None:
            pairs = list(self._responses.load(self._needed))
            self._known = {
                record.id: Outcome(response, verdict)
                for record, response, verdict in self._verdicts.load(pairs)
            }
            self._judged.start(len(self._needed) - len(self._known))
        return self._known

    def _response(self, record: Record) -> str:
        with contextlib.ExitStack() as stack:
            ahead: list[_JudgeAhead] = []

            def judge_ahead(made: Record, response: str) -> None:
                if not self._verdicts.is_ours:
                    return
                if self._team is not None:
                    self._team.offer([self._work(made, response)])
                    return
                if not ahead:
                    ahead.append(stack.enter_context(_JudgeAhead(self._verdicts)))
                ahead[0].add(made, response)

            return self._responses.get(record, self._needed, judge_ahead)


class _JudgeAhead:
    """Judges finished responses in a thread while the rest is still being generated."""

    def __init__(self, verdicts: Verdicts) -> None:
        self._verdicts = verdicts
        self._work: queue.SimpleQueue[tuple[Record, str] | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="llm-judge-ahead", daemon=True)

    def __enter__(self) -> _JudgeAhead:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the request under way and leave the rest to the items."""
        self._stopped.set()
        self._work.put(None)
        if kind is None or issubclass(kind, Exception):
            self._thread.join()

    def add(self, record: Record, response: str) -> None:
        self._work.put((record, response))

    def _loop(self) -> None:
        while (work := self._work.get()) is not None and not self._stopped.is_set():
            # What goes wrong here is noted in the store, where the record's own item finds it.
            with contextlib.suppress(LlmJudgeError):
                self._verdicts.get(*work)
