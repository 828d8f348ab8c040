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

    from pytest_llmjudge.data import PairResult, PreferenceResult

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

    The same are the records, the model under test, and what it is compared with.
    """
    judged = {_subject(result): result for result in results if result.votes is None}
    found = []
    for result in results:
        judge = judged.get(_subject(result)) if result.votes is not None else None
        if judge is not None:
            theirs = {pair.record.id: pair.winner for pair in judge.pairs}
            both = [
                (pair.winner, other)
                for pair in result.pairs
                if pair.winner is not None and (other := theirs.get(pair.record.id)) is not None
            ]
            people, choices = [one for one, _ in both], [other for _, other in both]
            found.append(replace(result, agreement=kappa(people, choices)))
        else:
            found.append(result)
    return tuple(found)


def _subject(result: PreferenceResult) -> tuple[object, ...]:
    fingerprint = result.checkpoint and result.checkpoint.fingerprint
    against = result.against
    return result.path, fingerprint, against.kind, against.name, against.fingerprint
