"""Numbers about pairs of answers: win rates, length control, agreement; pure, no I/O."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from typing import TYPE_CHECKING

from pytest_llmjudge.data import PeopleAgreement
from pytest_llmjudge.stats.basics import effective_size, proportion_interval, ratio_error
from pytest_llmjudge.stats.groups import have_groups, totals

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from pytest_llmjudge.data import Vote

__all__ = [
    "kappa",
    "latest",
    "length_controlled",
    "majority",
    "standard_error",
    "win_rate",
    "win_rate_interval",
]

_DEVIATION_APART = 1.0
_DEVIATION = 1000.0
_LEAST_SPREAD = 1e-9
_MOST_STEPS = 200
_SMALL_STEP = 1e-10


def win_rate(scores: Sequence[float]) -> float | None:
    """Return (wins + ties / 2) / pairs, 0 to 1; ``None`` without pairs.

    Args:
        scores: Of the model under test: 1 for a pair that it won, 0.5 for a tie, 0 for a loss.
    """
    return math.fsum(scores) / len(scores) if scores else None


def win_rate_interval(
    scores: Sequence[float], groups: Sequence[Hashable] | None = None
) -> tuple[float, float] | None:
    """Return Wilson's 95 % interval of the win rate, 0 to 1; ``None`` without pairs.

    A tie is half a success. Of a given win rate, pairs vary most where none is a tie, so with ties
    the interval is wider than it would have to be, never narrower. Of pairs in groups it is that of
    the effective number of pairs (E. L. Korn and B. I. Graubard, Survey Methodology, 1998).

    Args:
        scores: Of the model under test, as for :func:`win_rate`.
        groups: Of each pair; ``None`` where each is alone.
    """
    if not scores:
        return None
    if not have_groups(groups):
        return proportion_interval(math.fsum(scores), len(scores))
    size = effective_size(scores, groups)
    # One group tells nothing.
    return proportion_interval(math.fsum(scores) / len(scores) * size, size) if size else (0.0, 1.0)


def standard_error(
    scores: Sequence[float], groups: Sequence[Hashable] | None = None
) -> float | None:
    """Return the standard error of the win rate, in its unit; ``None`` for fewer than two pairs.

    As AlpacaEval reports it (there in percent): s / sqrt(n), s with n - 1 in the denominator. Of
    pairs in groups it is that of :func:`.ratio_error`.

    Args:
        scores: Of the model under test, as for :func:`win_rate`.
        groups: Of each pair; ``None`` where each is alone.
    """
    if have_groups(groups):
        return ratio_error(*totals(scores, groups))
    return statistics.stdev(scores) / math.sqrt(len(scores)) if len(scores) > 1 else None


def length_controlled(
    scores: Sequence[float], lengths: Sequence[int], lengths_against: Sequence[int]
) -> float | None:
    """Return the win rate that answers of equal length would have, 0 to 1; ``None`` without pairs.

    The logistic model of Dubois et al. (arXiv 2404.04475), as AlpacaEval's
    ``length_controlled_minimal`` has it: logit P = phi tanh(d) + theta, fitted to the scores as
    soft labels, where d is ``lengths_against - lengths`` over the standard deviation of that
    difference. The result is P at d = 0, which is the same for all pairs: 1 / (1 + exp(-theta)).
    So the sign of d, which phi takes on, does not matter. The deviation has n - 1 in the
    denominator, as pandas' has, which AlpacaEval computes it with.

    Where d, after tanh, is the same for all pairs, length cannot be told from quality: phi is left
    out, and the result is the win rate. It is also where all pairs are won, or all lost.

    Where one value of d parts all wins from all losses, no finite phi fits best, and theta could
    be much. There phi gets a normal prior of deviation 1, centred on no preference for length.
    Elsewhere it has one of deviation 1,000, which nobody sees and which keeps the steps finite.

    Args:
        scores: Of the model under test: 1 for a pair that it won, 0.5 for a tie, 0 for a loss.
        lengths: Of its answers, in characters.
        lengths_against: Of the answers it is compared with, in the same order.
    """
    if not scores:
        return None
    import numpy as np

    labels = np.asarray(scores, dtype=float)
    differences = np.asarray(lengths_against, dtype=float) - np.asarray(lengths, dtype=float)
    deviation = float(differences.std(ddof=1)) if len(scores) > 1 else 0.0
    terms = np.tanh(differences / deviation) if deviation > 0 else np.zeros_like(labels)
    if np.ptp(terms) <= _LEAST_SPREAD or labels.min() == 1 or labels.max() == 0:
        return win_rate(scores)
    won, lost = terms[labels > 0], terms[labels < 1]
    is_apart = won.max() <= lost.min() or lost.max() <= won.min()
    penalty = np.array([(_DEVIATION_APART if is_apart else _DEVIATION) ** -2, 0.0])
    design = np.column_stack([terms, np.ones_like(labels)])

    def loss(weights: np.ndarray) -> float:
        logits = design @ weights
        unlikely = np.logaddexp(0, logits) - labels * logits
        return float(unlikely.sum() + penalty @ weights**2 / 2)

    weights = np.zeros(2)
    for _ in range(_MOST_STEPS):
        # The logistic function, in a form that does not overflow.
        predicted = 0.5 * (1 + np.tanh(design @ weights / 2))
        gradient = design.T @ (labels - predicted) - penalty * weights
        certainty = predicted * (1 - predicted)
        hessian = (design.T * certainty) @ design + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        before = loss(weights)
        while loss(weights + step) > before and np.abs(step).max() > _SMALL_STEP:
            step = step / 2
        weights = weights + step
        if np.abs(step).max() <= _SMALL_STEP:
            break
    return float(0.5 * (1 + np.tanh(weights[1] / 2)))


def kappa(first: Sequence[str], second: Sequence[str]) -> PeopleAgreement | None:
    """Compare the winners that two raters gave to the same pairs; ``None`` without pairs.

    Cohen's kappa (1960) is (p_o - p_e) / (1 - p_e), p_o being the share of pairs with the same
    winner, and p_e what chance makes of it with either rater's own shares of winners. It is
    ``None`` where p_e is 1: both gave one and the same winner to all.

    Args:
        first: ``a``, ``b`` or ``tie`` for each pair.
        second: The same of the other rater, in the same order.
    """
    if not first:
        return None
    count = len(first)
    agreed = sum(one == other for one, other in zip(first, second, strict=True))
    ones, others = Counter(first), Counter(second)
    by_chance = sum(ones[winner] * others[winner] for winner in ones)
    # In whole numbers, so that what is exactly 1 is found to be.
    if by_chance == count * count:
        return PeopleAgreement(count, agreed / count, None)
    value = (agreed * count - by_chance) / (count * count - by_chance)
    return PeopleAgreement(count, agreed / count, value)


def majority(winners: Sequence[str]) -> str:
    """Return what most people prefer of one pair: ``a``, ``b`` or ``tie``.

    Args:
        winners: ``a``, ``b``, ``tie`` or ``both_bad``, one for each vote; the latter two prefer
            neither.
    """
    votes = Counter(winners)
    if votes["a"] == votes["b"]:
        return "tie"
    return "a" if votes["a"] > votes["b"] else "b"


def latest(votes: Iterable[Vote]) -> list[Vote]:
    """Return the last vote of each voter, in order; of votes without a voter all count.

    Args:
        votes: On one pair of answers.
    """
    last: dict[str | int, Vote] = {}
    for number, vote in enumerate(votes):
        key = vote.voter or number
        last.pop(key, None)
        last[key] = vote
    return list(last.values())
