"""Numbers about scores; pure, no input or output."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Agreement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.data import SuiteResult

__all__ = [
    "agreement",
    "auc",
    "mean",
    "mean_interval",
    "points",
    "proportion_interval",
    "spearman",
    "suite_agreement",
]


def mean(scores: Sequence[int]) -> float | None:
    """Return the arithmetic mean; ``None`` without scores."""
    return math.fsum(scores) / len(scores) if scores else None


def mean_interval(scores: Sequence[int]) -> tuple[float, float] | None:
    """Return the 95 % Student t interval of the mean, in points; ``None`` for fewer than two.

    The half-width is t(0.975, n - 1) * s / sqrt(n), s with n - 1 in the denominator.
    """
    if len(scores) < 2:
        return None
    from scipy import special

    centre = math.fsum(scores) / len(scores)
    quantile = float(special.stdtrit(len(scores) - 1, 0.975))
    half = quantile * statistics.stdev(scores) / math.sqrt(len(scores))
    return centre - half, centre + half


def auc(high: Sequence[float], low: Sequence[float]) -> float | None:
    """Return the probability that one of ``high`` is above one of ``low``, ties counted half.

    That is the area under the ROC curve, and the Mann-Whitney U statistic over the number of
    pairs. ``None`` when a side is empty.
    """
    if not high or not low:
        return None
    wins = sum((a > b) + (a == b) / 2 for a in high for b in low)
    return wins / (len(high) * len(low))


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation, ties with their average rank.

    ``None`` for fewer than two pairs, and when one side has the same value throughout.
    """
    if len(first) < 2 or len(set(first)) < 2 or len(set(second)) < 2:
        return None
    return statistics.correlation(_ranks(first), _ranks(second))


def agreement(judge: Sequence[int], people: Sequence[int]) -> Agreement | None:
    """Compare scores of a judge with those of people, pair by pair; ``None`` without pairs."""
    if not judge:
        return None
    differences = [ours - theirs for ours, theirs in zip(judge, people, strict=True)]
    return Agreement(
        count=len(differences),
        spearman=spearman(judge, people),
        mean_absolute_error=math.fsum(map(abs, differences)) / len(differences),
        bias=math.fsum(differences) / len(differences),
    )


def suite_agreement(suite: SuiteResult) -> Agreement | None:
    """Compare the judge's scores of a suite with those of people, where records have both."""
    both = [
        (result.score, result.human_score)
        for result in suite.records
        if result.score is not None and result.human_score is not None
    ]
    return agreement([ours for ours, _ in both], [theirs for _, theirs in both])


def _ranks(values: Sequence[float]) -> list[float]:
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sorted(values), 1):
        places.setdefault(value, []).append(place)
    return [math.fsum(places[value]) / len(places[value]) for value in values]


def proportion_interval(correct: int, total: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share; ``total`` is at least 1.

    Its bounds are the shares p at which ``|correct / total - p| = z sqrt(p (1 - p) / total)``
    (E. B. Wilson, 1927), z being the 0.975 quantile of the normal distribution.
    """
    z = statistics.NormalDist().inv_cdf(0.975)
    share, weight = correct / total, z * z / total
    middle = share + weight / 2
    half = math.sqrt(weight * (share * (1 - share) + weight / 4))
    return max(0.0, (middle - half) / (1 + weight)), min(1.0, (middle + half) / (1 + weight))


def points(value: float, beside: float | None = None) -> str:
    """Write a figure with two decimals, with more when it would look equal to ``beside``."""
    digits = 2
    while digits < 6 and beside is not None and beside != value and _same(value, beside, digits):
        digits += 2
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


def _same(value: float, other: float, digits: int) -> bool:
    return round(value, digits) == round(other, digits)
