"""One suite in one process of a run: every record's outcome, found or made."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Verdict
from pytest_llmjudge.errors import LlmJudgeError
from pytest_llmjudge.pipeline.parts import Counter, JudgeLike, ModelLike, Outcome
from pytest_llmjudge.pipeline.responses import Responses
from pytest_llmjudge.pipeline.verdicts import Verdicts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import Record
    from pytest_llmjudge.settings import Settings
    from pytest_llmjudge.storage.store import Store
    from pytest_llmjudge.suites import Suite

__all__ = ["SuiteRun"]


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
    ) -> None:
        self.suite = suite
        self.judge = judge
        self.model = model
        self._needed = tuple(needed)
        self._judged = Counter(store, "verdicts", suite.name, worker)
        made = Counter(store, "responses", suite.name, worker)
        self._responses = Responses(suite, settings, store, model, made)
        self._verdicts = Verdicts(suite.name, judge, store, self._judged)
        self._known: dict[str, Outcome] | None = None

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
            outcome = Outcome(response, self._verdicts.get(record, response))
        except LlmJudgeError as error:
            return Outcome(response, Verdict(None, "", str(error), final=False))
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
                # A judge of the user's own may not bear a second thread.
                if not self._verdicts.is_ours:
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
