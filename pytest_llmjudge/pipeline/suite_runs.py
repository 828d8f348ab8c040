"""The parts of a suite's run, put together: whence its responses come, and who scores them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Verdict
from pytest_llmjudge.judging.check import decide, plan_probes
from pytest_llmjudge.judging.decoys import Decoys
from pytest_llmjudge.judging.judge import Judge
from pytest_llmjudge.pipeline.judge_check import KnownAnswerCheck
from pytest_llmjudge.pipeline.parts import PartVerdicts, has_parts
from pytest_llmjudge.pipeline.protocols import Counter, JudgeLike, ModelLike
from pytest_llmjudge.pipeline.responses import Responses
from pytest_llmjudge.pipeline.run import Run
from pytest_llmjudge.pipeline.verdicts import Verdicts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.data import JudgeCheck, Record
    from pytest_llmjudge.pipeline.judge_pool import JudgePool
    from pytest_llmjudge.records.suites import Suite
    from pytest_llmjudge.settings import Settings
    from pytest_llmjudge.storage.store import Store

__all__ = ["ScoredRun", "field_source", "model_source", "suite_source"]


class ScoredRun(Run[str, Verdict]):
    """A suite of scored responses in one process of a run.

    Args:
        suite: Its records and settings.
        settings: The run's options.
        store: Shared with all processes of the run.
        judge: Scores responses.
        model: Makes responses; ``None`` when the records hold them.
        needed: The records this run needs, so that all are generated together.
        worker: Name of this process, for progress.
        pool: Judges several at once, where the servers may be sent several requests.
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
        pool: JudgePool | None = None,
        in_flight: int = 1,
    ) -> None:
        counter = Counter(store, "verdicts", suite.name, worker)
        decoys = Decoys(suite.records)
        in_parts = any(map(has_parts, suite.records))
        step = _no_step if in_parts else counter.step
        own = Verdicts(suite.name, judge, store, step, decoys, in_flight=in_flight)
        verdicts = PartVerdicts(own, counter.step) if in_parts else own
        # A judge of the user's own may not bear a second thread, one without a server needs none.
        pool = pool if verdicts.asks_a_server else None
        tolerance = judge.echo_tolerance if isinstance(judge, Judge) else 0
        self._known_answers: KnownAnswerCheck[JudgeCheck] = KnownAnswerCheck(
            suite.name,
            judge,
            store,
            verdicts,
            probes=partial(plan_probes, suite.records),
            decide=partial(decide, echo_tolerance=tolerance, least_near=settings.check_near),
            pool=pool,
            in_flight=in_flight if pool is not None else 1,
            scores=True,
        )
        super().__init__(
            suite,
            settings,
            judge=judge,
            model=model,
            needed=needed,
            source=suite_source(suite, settings, store, model, worker),
            judgements=verdicts,
            counter=counter,
            pool=pool,
        )

    def check(self, *, again: bool = False) -> JudgeCheck:
        """Return what the judge makes of known answers; ask it, where nobody has yet.

        Args:
            again: Try once more what failed earlier in this run.

        Raises:
            LlmJudgeError: The infrastructure failed, so that nothing is known of the judge.
        """
        return self._known_answers.check(again=again)


def _no_step(*, kept: bool) -> None:  # as Counter.step
    """Count no part of a verdict."""


def model_source(
    suite: Suite, settings: Settings, store: Store, model: ModelLike, worker: str
) -> Responses:
    """Let a model make the responses that a suite is compared with, as its own are made.

    It is let go of then: two large models may be more than the memory bears.
    """
    counter = Counter(store, "responses", f"{suite.name} against", worker)
    return Responses(suite, settings, store, model, counter, releases=True)


def field_source(suite: Suite, settings: Settings, store: Store, field: str) -> Responses:
    """Take the responses that a suite is compared with from a field of its records."""
    given = replace(suite, settings=replace(suite.settings, responses=field))
    return suite_source(given, settings, store, None, "")


def suite_source(
    suite: Suite, settings: Settings, store: Store, model: ModelLike | None, worker: str
) -> Responses:
    """Let a model make a suite's responses, or take them from its records."""
    counter = Counter(store, "responses", suite.name, worker)
    return Responses(suite, settings, store, model, counter)
