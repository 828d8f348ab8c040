"""The numbers of a suite of pairs, such as its win rate, and what its gate makes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_llmjudge.data import PairSummary
from pytest_llmjudge.decisions.gates import NOISE, Decision, is_within_noise, unscored
from pytest_llmjudge.stats.basics import share
from pytest_llmjudge.stats.groups import count_groups, group_numbers, in_groups
from pytest_llmjudge.stats.preference import (
    kappa,
    length_controlled,
    standard_error,
    win_rate,
    win_rate_interval,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_llmjudge.data import PairResult, PeopleAgreement, PreferenceResult

__all__ = [
    "SCORES",
    "Compared",
    "decide_win_rate",
    "is_win_rate_within_noise",
    "summarise",
    "summary_of",
    "with_agreement",
]

Compared = tuple[str, "tuple[str, ...]", str, str]
"""A winner, what was chosen in both orders, the answer of ``a``, and that of ``b``."""

SCORES = {"a": 1.0, "tie": 0.5, "b": 0.0}
"""What a pair counts for the model under test, by its winner."""
_ASKED = 8
_FLIPPED = 0.9
"""A judge whose choices are decided by the order in so many of at least 8 pairs sees no answers."""


def summarise(pairs: Iterable[Compared], names: Iterable[str | None] = ()) -> PairSummary:
    """Return the numbers of pairs that have a winner; lengths are in characters.

    Args:
        pairs: They.
        names: The group of each pair's record, ``None`` for one that is alone; none where all are.
    """
    known = [(SCORES[winner], orders, len(a), len(b), a == b) for winner, orders, a, b in pairs]
    scores = [score for score, *_ in known]
    orders = [winners for _, winners, *_ in known if winners]
    firsts, seconds = [a for _, _, a, *_ in known], [b for _, _, _, b, _ in known]
    count, groups = len(known), group_numbers(names)
    flips = sum(winners in {("A", "A"), ("B", "B")} for winners in orders)
    return PairSummary(
        wins=scores.count(1.0),
        ties=scores.count(0.5),
        losses=scores.count(0.0),
        win_rate=win_rate(scores),
        standard_error=standard_error(scores, groups),
        interval=win_rate_interval(scores, groups),
        length_controlled=length_controlled(scores, firsts, seconds),
        asked=len(orders),
        flips=flips / len(orders) if orders else None,
        mean_length=(sum(firsts) / count, sum(seconds) / count) if count else None,
        identical=sum(is_same for *_, is_same in known),
        groups=None if groups is None else count_groups(groups),
    )


def summary_of(pairs: Iterable[PairResult]) -> PairSummary:
    """Return the numbers of those pairs of a run that have a winner."""
    decided = [pair for pair in pairs if pair.winner is not None]
    return summarise(
        (
            (str(pair.winner), pair.orders, pair.model_response or "", pair.against_response or "")
            for pair in decided
        ),
        [pair.record.group for pair in decided],
    )


def decide_win_rate(
    summary: PairSummary, min_win_rate: float, causes: Mapping[str, str], total: int
) -> Decision:
    """Decide over a suite of pairs: every pair has a winner, and the win rate is enough.

    Args:
        summary: Of the pairs that have a winner.
        min_win_rate: Least win rate, 0 to 1.
        causes: Why there is none, by id.
        total: How many pairs there are.
    """
    if causes:
        return unscored(list(causes), total, causes, "pairs", "win rate")
    if summary.win_rate is None or summary.interval is None:
        return Decision(passed=False, reason="there is no pair to compare")
    if summary.identical == summary.pairs:
        reason = (
            "nothing was compared: the two answers of every pair are equal; name another model's "
            "answers in against="
        )
        return Decision(passed=False, reason=reason)
    if summary.flips is not None and summary.asked >= _ASKED and summary.flips >= _FLIPPED:
        flipped = round(summary.flips * summary.asked)
        reason = (
            f"position bias: the order of the answers decided {flipped} of {summary.asked} pairs, "
            "so the win rate says nothing of the models; take a larger judge"
        )
        return Decision(passed=False, reason=reason)
    rate, (low, high) = summary.win_rate, summary.interval
    noun = "pair" if summary.pairs == 1 else "pairs"
    figure = (
        f"win rate {share(rate, min_win_rate)} ({summary.wins} won, {summary.ties} tied, "
        f"{summary.losses} lost of {summary.pairs} {noun}{in_groups(summary.groups)}, "
        f"95 % CI {low:.4f} to {high:.4f})"
    )
    noise = NOISE if is_win_rate_within_noise(summary, min_win_rate) else ""
    if rate < min_win_rate:
        reason = f"{figure} is below min_win_rate {min_win_rate:g}{noise}"
        return Decision(passed=False, reason=reason)
    return Decision(
        passed=True, reason=f"{figure} is at least min_win_rate {min_win_rate:g}{noise}"
    )


def is_win_rate_within_noise(summary: PairSummary, min_win_rate: float | None) -> bool:
    """Say whether a win rate may be on the other side of its gate by chance alone."""
    return is_within_noise(summary.interval, min_win_rate)


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
