"""The result of a suite of pairs, made of the rows and gates that reports carried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import (
    AgainstReference,
    CheckpointReference,
    JudgeIdentity,
    PairCheck,
    PairResult,
    PreferenceResult,
    Record,
)
from pytest_llmjudge.gates import whole_outcome
from pytest_llmjudge.win_rate import summary_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmjudge.data import GateResult
    from pytest_llmjudge.plugin.pair_reports import PairRow

__all__ = ["preference_result"]


def preference_result(
    name: str,
    meta: dict[str, Any],
    *,
    rows: Mapping[int, PairRow],
    gates: tuple[GateResult, ...],
    records: Sequence[Record] | None,
    check: dict[str, Any] | None,
) -> PreferenceResult:
    """Return what became of a suite.

    Args:
        name: Of the suite.
        meta: What the processes told of it.
        rows: By place in the records file.
        gates: That came to a decision.
        records: All of them, to list those that were not run too; ``None`` to list only what ran.
        check: What the judge made of known answers.
    """
    if records is None:
        pairs = [_result(Record(row.id, "", "", "", {}), row) for _, row in sorted(rows.items())]
    else:
        pairs = [
            _result(record, rows[index]) if index in rows else _not_run(record)
            for index, record in enumerate(records)
        ]
    pairing, told = meta["pairing"], meta["judge"]
    judge = None if told is None else dict(told)
    label = f"people ({pairing['votes']})" if judge is None else judge.pop("label")
    return PreferenceResult(
        name=name,
        path=meta["path"],
        checkpoint=CheckpointReference(*meta["checkpoint"]) if meta["checkpoint"] else None,
        against=AgainstReference(**pairing["against"]),
        votes=pairing["votes"],
        judge=None if judge is None else JudgeIdentity(**judge),
        judge_label=label,
        total=meta["total"],
        pairs=tuple(pairs),
        gates=gates,
        min_win_rate=pairing["min_win_rate"],
        outcome=_outcome(meta, pairs, gates),
        check=None if check is None else PairCheck(**check),
        responses=meta["responses"],
    )


def _result(record: Record, row: PairRow) -> PairResult:
    return PairResult(
        record,
        row.model_response,
        row.against_response,
        row.winner,
        tuple(row.orders),
        tuple(row.replies),
        row.error,
        row.outcome,
        row.cause,
    )


def _not_run(record: Record) -> PairResult:
    return PairResult(record, None, None, None, (), (), "it was not run", "not run")


def _outcome(meta: dict[str, Any], pairs: Sequence[PairResult], gates: Sequence[GateResult]) -> str:
    if sum(pair.winner is not None for pair in pairs) < meta["total"]:
        return "incomplete"
    outcomes = {pair.outcome for pair in pairs} | {gate.outcome for gate in gates}
    # A suite whose gate was deselected is still worth no more than its win rate.
    rate = summary_of(pairs).win_rate
    low = rate is not None and rate < meta["pairing"]["min_win_rate"]
    return whole_outcome(outcomes, low=low)
