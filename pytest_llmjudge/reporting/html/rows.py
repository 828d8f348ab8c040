"""The records and pairs of a run as the table of the report shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Preference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_llmjudge.data import (
        Entry,
        PairResult,
        PreferenceResult,
        Record,
        RecordResult,
        RunResult,
        SuiteResult,
    )

__all__ = ["Row", "rows_of"]

_LOST = "lost"
_RESULTS = {100.0: "won", 50.0: "tied", 0.0: _LOST}


@dataclass(frozen=True, slots=True)
class Row:
    """One record or pair.

    Attributes:
        suite: Name of its suite.
        is_pair: Whether two responses were compared.
        record: What was asked.
        outcome: ``passed``, ``failed``, ``error`` or ``not run``.
        score: 0 to 100; of a pair 100 when it is won, 50 when tied, 0 when lost. ``None`` without.
        before: Score in the baseline; ``None`` without, or when the two scores do not compare.
        is_flipped: Whether it passed in the baseline and fails now; of a pair, whether the place
            decided.
        is_unsure: Whether its samples lie on both sides of what it has to score.
        response: Of the model under test.
        other: The baseline's response, or what a pair is compared with.
        replies: What the judge wrote.
        error: Why there is no score.
        samples: The scores of which ``score`` is the median.
        orders: What a judge chose, see :class:`~pytest_llmjudge.data.Preference`.
        human_score: What people gave this response.
    """

    suite: str
    is_pair: bool
    record: Record
    outcome: str
    score: float | None
    before: float | None
    is_flipped: bool
    is_unsure: bool
    response: str | None
    other: str | None
    replies: tuple[str, ...]
    error: str | None
    samples: tuple[int, ...] = ()
    orders: tuple[str, ...] = ()
    human_score: int | None = None

    @property
    def shown(self) -> str:
        """Its outcome for people: a pair with a winner is ``won``, ``tied`` or ``lost``."""
        return _RESULTS[self.score] if self.is_pair and self.score is not None else self.outcome

    @property
    def is_lost(self) -> bool:
        """Whether it is a pair that the other response won."""
        return self.shown == _LOST

    @property
    def is_failed(self) -> bool:
        """Whether it has a score and did not pass all the same."""
        return self.score is not None and self.outcome in {"failed", "error"}


def rows_of(run: RunResult, before: Mapping[str, Mapping[str, Entry]]) -> Iterator[Row]:
    """Yield the records of judged suites, then the pairs, each in file order."""
    for suite in run.suites:
        known = before.get(suite.name, {})
        for result in suite.records:
            yield _record(suite, result, known.get(result.record.id))
    for found in run.preferences:
        for pair in found.pairs:
            yield _pair(found, pair)


def _record(suite: SuiteResult, result: RecordResult, entry: Entry | None) -> Row:
    was = None if entry is None else entry.score
    least, score = suite.min_score, result.score
    fell = least is not None and was is not None and score is not None and was >= least > score
    return Row(
        suite=suite.name,
        is_pair=False,
        record=result.record,
        outcome=result.outcome,
        score=score,
        before=was,
        is_flipped=fell,
        is_unsure=result.is_unsure(least),
        response=result.model_response,
        other=None if entry is None else entry.response,
        replies=() if result.reply is None else (result.reply,),
        error=result.error,
        samples=result.samples,
        human_score=result.human_score,
    )


def _pair(found: PreferenceResult, pair: PairResult) -> Row:
    chosen = Preference(pair.winner, pair.orders)
    return Row(
        suite=found.name,
        is_pair=True,
        record=pair.record,
        outcome=pair.outcome,
        score=None if chosen.score is None else 100 * chosen.score,
        before=None,
        is_flipped=chosen.is_flip,
        is_unsure=False,
        response=pair.model_response,
        other=pair.against_response,
        replies=pair.replies,
        error=pair.error,
        orders=pair.orders,
    )
