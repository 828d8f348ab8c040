"""The numbers of a suite of pairs: win rate, length-controlled win rate, flips, lengths."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_llmjudge.data import PairSummary
from pytest_llmjudge.preference import (
    kappa,
    length_controlled,
    standard_error,
    win_rate,
    win_rate_interval,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_llmjudge.data import PairResult, PeopleAgreement, PreferenceResult

__all__ = ["Compared", "summarise", "summary_of", "with_agreement"]

Compared = tuple[str, "tuple[str, ...]", str, str]
"""A winner, what was chosen in both orders, the answer of ``a``, and that of ``b``."""

_SCORES = {"a": 1.0, "tie": 0.5, "b": 0.0}


def summarise(pairs: Iterable[Compared]) -> PairSummary:
    """Return the numbers of pairs that have a winner; lengths are in characters."""
    known = [(_SCORES[winner], orders, len(a), len(b)) for winner, orders, a, b in pairs]
    scores = [score for score, _, _, _ in known]
    orders = [found for _, found, _, _ in known if found]
    firsts, seconds = [a for _, _, a, _ in known], [b for _, _, _, b in known]
    count = len(known)
    flips = sum(found in {("A", "A"), ("B", "B")} for found in orders)
    return PairSummary(
        wins=scores.count(1.0),
        ties=scores.count(0.5),
        losses=scores.count(0.0),
        win_rate=win_rate(scores),
        standard_error=standard_error(scores),
        interval=win_rate_interval(scores),
        length_controlled=length_controlled(scores, firsts, seconds),
        asked=len(orders),
        flips=flips / len(orders) if orders else None,
        mean_length=(sum(firsts) / count, sum(seconds) / count) if count else None,
    )


def summary_of(pairs: Iterable[PairResult]) -> PairSummary:
    """Return the numbers of those pairs of a run that have a winner."""
    return summarise(
        (pair.winner, pair.orders, pair.model_response or "", pair.against_response or "")
        for pair in pairs
        if pair.winner is not None
    )


def with_agreement(results: Sequence[PreferenceResult]) -> tuple[PreferenceResult, ...]:
    """Add to suites that people decide how far a judge agrees, where one compared the same.

    The same are records of one file with the same two answers; of several suites that have such,
    the one that has most counts.
    """
    judged = [result for result in results if result.votes is None]
    return tuple(
        result if result.votes is None else replace(result, agreement=_agreement(result, judged))
        for result in results
    )


def _agreement(
    people: PreferenceResult, judged: Sequence[PreferenceResult]
) -> PeopleAgreement | None:
    shared = []
    for result in judged:
        if result.path != people.path:
            continue
        theirs = {_answers(pair): pair.winner for pair in result.pairs}
        shared.append(
            [
                (pair.winner, other)
                for pair in people.pairs
                if pair.winner is not None and (other := theirs.get(_answers(pair))) is not None
            ]
        )
    most = max(shared, key=len, default=[])
    return kappa([one for one, _ in most], [other for _, other in most])


def _answers(pair: PairResult) -> tuple[str, str | None, str | None]:
    return pair.record.id, pair.model_response, pair.against_response
