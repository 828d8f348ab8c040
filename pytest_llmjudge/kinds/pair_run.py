"""The parts of the run of a suite of pairs, put together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Preference
from pytest_llmjudge.judging.decoys import Decoys
from pytest_llmjudge.judging.pair_check import decide_pairs, plan_pairs
from pytest_llmjudge.pipeline import JudgeLike, ModelLike, Pair, Run, suite_source
from pytest_llmjudge.pipeline.judge_check import KnownAnswerCheck
from pytest_llmjudge.pipeline.pairs import Pairs
from pytest_llmjudge.pipeline.preferences import Preferences
from pytest_llmjudge.pipeline.protocols import Counter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.data import PairCheck, Record
    from pytest_llmjudge.pipeline import JudgePool
    from pytest_llmjudge.pipeline.judgements import Judgements
    from pytest_llmjudge.pipeline.sources import Source
    from pytest_llmjudge.records.suites import Suite
    from pytest_llmjudge.settings import Settings
    from pytest_llmjudge.storage.store import Store

__all__ = ["PairRun"]


class PairRun(Run[Pair, Preference]):
    """A suite of pairs in one process of a run.

    Args:
        suite: Its records and settings.
        settings: The run's options.
        store: Shared with all processes of the run.
        judge: Compares responses; ``None`` when people do.
        people: Their votes; ``None`` when the judge compares.
        model: Makes responses; ``None`` when the records hold them.
        against: Has or makes the responses that they are compared with.
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
        judge: JudgeLike | None,
        people: Judgements[Pair, Preference] | None,
        model: ModelLike | None,
        against: Source[str],
        needed: Sequence[Record],
        worker: str,
        pool: JudgePool | None = None,
        in_flight: int = 1,
    ) -> None:
        counter = Counter(store, "verdicts", suite.name, worker)
        self._known_answers: KnownAnswerCheck[PairCheck] | None = None
        judgements = people
        if judgements is None:
            assert judge is not None  # noqa: S101  # one of both decides
            decoys = Decoys(suite.records)
            asked = Preferences(suite.name, judge, store, counter.step, decoys, in_flight=in_flight)
            pool = pool if asked.asks_a_server else None
            self._known_answers = KnownAnswerCheck(
                suite.name,
                judge,
                store,
                asked,
                probes=partial(plan_pairs, suite.records),
                decide=partial(decide_pairs, least_near=settings.check_near),
                pool=pool,
                in_flight=in_flight if pool is not None else 1,
                scores=False,
            )
            judgements = asked
        self._pairs = Pairs(suite_source(suite, settings, store, model, worker), against)
        super().__init__(
            suite,
            settings,
            judge=judge,
            model=model,
            needed=needed,
            source=self._pairs,
            judgements=judgements,
            counter=counter,
            pool=pool if people is None else None,
        )

    def check(self, *, again: bool = False) -> PairCheck | None:
        """Return what the judge makes of known pairs, ``None`` where people decide.

        Args:
            again: Try once more what failed earlier in this run.

        Raises:
            LlmJudgeError: The infrastructure failed, so that nothing is known of the judge.
        """
        return None if self._known_answers is None else self._known_answers.check(again=again)

    def sides(self, record: Record) -> tuple[str | None, str | None]:
        """Return what is known of either response to a record."""
        return self._pairs.sides(record)
