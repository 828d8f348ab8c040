"""What a report carries of pairs: plain data that survives xdist."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.plugin.cases import JUDGE_CHECK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.data import Preference, Record
    from pytest_llmjudge.pipeline import Outcome, Pair, PairRun
    from pytest_llmjudge.plugin.cases import Case, PairReady

__all__ = ["PairRow", "row_of_pair", "rows_of_pairs"]


class PairRow(NamedTuple):
    """One pair's line in a payload; its fields are those of a PairResult."""

    place: int
    id: str
    model_response: str | None = None
    against_response: str | None = None
    winner: str | None = None
    orders: Sequence[str] = ()
    replies: Sequence[str] = ()
    error: str | None = None
    outcome: str = "error"
    cause: str | None = None

    @property
    def is_unscored(self) -> bool:
        """Whether there is no winner."""
        return self.winner is None


def row_of_pair(
    case: Case, record: Record, ready: PairReady | None, outcome: str | None, reason: str
) -> PairRow:
    """Return the row of a record's item.

    Args:
        case: The item's.
        record: The item's.
        ready: What its setup left; ``None`` when that did not come to its end.
        outcome: What pytest made of the item; ``None`` where the user skips it or expects it to
            fail, so that the winner alone counts.
        reason: First line of the report.
    """
    found = ready.outcome if ready is not None else None
    if ready is None or found is None:
        return PairRow(case.index, record.id, error=reason, cause="rig")
    told = outcome or ("error" if found.verdict.winner is None else "passed")
    return _row(case.index, record, found, told, ready.run)


def rows_of_pairs(case: Case, ready: PairReady | None) -> list[PairRow]:
    """Tell of all pairs: some have no item in this run, or one that did not come to its end."""
    if ready is None or ready.decision is None or case.gate == JUDGE_CHECK:
        return []
    return [
        _row(
            index,
            record,
            found,
            "error" if found.verdict.winner is None else "passed",
            ready.run,
        )
        for index, (record, found) in enumerate(ready.run.outcomes())
    ]


def _row(
    index: int, record: Record, found: Outcome[Pair, Preference], outcome: str, run: PairRun
) -> PairRow:
    verdict, cause = found.verdict, None
    if verdict.winner is None:
        cause = "rig" if verdict.rig else "record"
    # Where one side is missing, the other is told all the same.
    sides = run.sides(record) if found.response is None else found.response
    return PairRow(
        index,
        record.id,
        *sides,
        verdict.winner,
        list(verdict.orders),
        list(verdict.replies),
        verdict.error,
        outcome,
        cause,
    )
