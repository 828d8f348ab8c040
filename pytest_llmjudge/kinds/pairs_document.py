"""A suite of pairs as its part of a results file, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import (
    AgainstReference,
    PairCheck,
    PairResult,
    PeopleAgreement,
    PreferenceResult,
)
from pytest_llmjudge.decisions.win_rate import is_win_rate_within_noise, summary_of
from pytest_llmjudge.kinds.overlap import saved_overlap
from pytest_llmjudge.kinds.pairs_summary import summary_without_overlap
from pytest_llmjudge.kinds.plain import (
    plain_gates,
    plain_judge,
    plain_label,
    record_texts,
    rounded,
    rounded_fields,
)
from pytest_llmjudge.kinds.read_back import (
    check_from_plain,
    label_from_document,
    made,
    record_from_document,
)
from pytest_llmjudge.kinds.records import saved_fields
from pytest_llmjudge.storage.results_reader import judge_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["pairs_document", "pairs_from_document", "people_label"]


def people_label(votes: str | None) -> str:
    """Name the people whose votes decide.

    Args:
        votes: The file of their votes.
    """
    return f"people ({votes})"


def pairs_document(result: PreferenceResult, judge: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a suite's part of a results file; see :meth:`.base.Kind.document`."""
    summary = summary_of(result.pairs)
    # Of a part of the pairs there is no win rate: those without a winner may all be lost.
    is_whole = summary.pairs == result.total
    interval = summary.interval if is_whole else None
    document: dict[str, Any] = {
        "name": result.name,
        "kind": result.kind,
        "checkpoint": asdict(result.checkpoint) if result.checkpoint is not None else None,
        "responses": result.responses,
        "against": asdict(result.against),
        "votes": result.votes,
    }
    own = None if result.judge is None else plain_judge(result.judge)
    # Where people decide, the run's judge is not theirs.
    if own != judge or own is None:
        document["judge"] = own
    if result.judge is not None:
        document |= plain_label(result.judge_label, result.judge)
    if result.groups is not None:
        document["groups"] = result.groups
    rest = summary_without_overlap(result)
    document |= saved_overlap(result.overlap, "win_rate", rest.win_rate, rest.interval)
    return document | {
        "total": result.total,
        "scored": summary.pairs,
        "unscored": result.total - summary.pairs,
        "wins": summary.wins,
        "ties": summary.ties,
        "losses": summary.losses,
        "win_rate": rounded(summary.win_rate) if is_whole else None,
        "standard_error": rounded(summary.standard_error) if is_whole else None,
        "ci95": None if interval is None else [round(bound, 4) for bound in interval],
        "length_controlled": rounded(summary.length_controlled) if is_whole else None,
        "asked": summary.asked,
        "flips": rounded(summary.flips),
        "mean_length": summary.mean_length and [round(mean, 1) for mean in summary.mean_length],
        "min_win_rate": result.min_win_rate,
        "outcome": result.outcome,
        "within_noise": is_whole and is_win_rate_within_noise(summary, result.min_win_rate),
        "check": rounded_fields(result.check),
        "agreement": rounded_fields(result.agreement),
        "gates": plain_gates(result.gates),
        "records": [_plain_pair(pair) for pair in result.pairs],
    }


def _plain_pair(pair: PairResult) -> dict[str, Any]:
    document: dict[str, Any] = {
        **record_texts(pair.record),
        "model_response": pair.model_response,
        "against_response": pair.against_response,
        "winner": pair.winner,
        "orders": list(pair.orders),
        "replies": list(pair.replies),
        "error": pair.error,
        "outcome": pair.outcome,
    }
    if pair.cause is not None:
        document["cause"] = pair.cause
    if pair.thoughts:
        document["thoughts"] = pair.thoughts
    return document


def pairs_from_document(
    suite: Mapping[str, Any], judge: Mapping[str, Any] | None
) -> PreferenceResult:
    """Return the result that was written; see :meth:`.base.Kind.from_document`.

    Where its records were read from is not in the file.
    """
    identity = judge_of(suite, judge)
    votes = suite.get("votes")
    label = people_label(votes) if identity is None else label_from_document(suite, identity)
    return PreferenceResult(
        **saved_fields(suite),
        path="",
        against=made(AgainstReference, suite["against"]),
        votes=votes,
        judge=identity,
        judge_label=label,
        pairs=tuple(
            made(PairResult, pair, record=record_from_document(pair)) for pair in suite["records"]
        ),
        min_win_rate=suite["min_win_rate"],
        check=check_from_plain(PairCheck, suite.get("check")),
        agreement=made(PeopleAgreement, suite["agreement"]) if suite.get("agreement") else None,
        responses=suite.get("responses"),
    )
