"""Numbers about scores; pure, no input or output."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Reach
from pytest_llmjudge.data.comparison import SIGNIFICANCE
from pytest_llmjudge.stats.groups import count_groups, have_groups, totals

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    import numpy as np

__all__ = [
    "LEAST_RESAMPLED",
    "MOST_ENUMERATED",
    "POWER",
    "auc",
    "confidence",
    "design_effect",
    "detectable_drop",
    "difference_interval",
    "effective_size",
    "groups_for",
    "mcnemar_test",
    "mean",
    "mean_interval",
    "points",
    "probability",
    "proportion_interval",
    "ratio_error",
    "ratio_interval",
    "reach_of",
    "records_needed",
    "share",
    "sign_flip_test",
    "signed",
    "spearman",
    "spread",
]

POWER = 0.8
"""How often a suite is to show the smallest drop that it can show."""

_PUBLISHED_GAIN = 1.8
_SEED = 123
_RESAMPLES = 10_000
LEAST_RESAMPLED = 1 / (1 + _RESAMPLES)
"""The smallest p of a test that resamples."""
MOST_ENUMERATED = 14
"""Pairs for which the sign-flip test tries all ways."""
# Numbers in memory at once: 10,000 resamples of 52,000 records would be 4 GB.
_LARGEST_BATCH = 2_000_000


def mean(scores: Sequence[float]) -> float | None:
    """Return the arithmetic mean; ``None`` without scores."""
    return math.fsum(scores) / len(scores) if scores else None


def mean_interval(
    scores: Sequence[float], groups: Sequence[Hashable] | None = None
) -> tuple[float, float] | None:
    """Return the 95 % Student t interval of the mean, in points; ``None`` for fewer than two.

    The half-width is t(0.975, n - 1) * s / sqrt(n), s with n - 1 in the denominator. Of scores in
    groups it is that of :func:`ratio_interval`.

    Args:
        scores: Of each record.
        groups: Of each record; ``None`` where each is alone.
    """
    if have_groups(groups):
        return ratio_interval(*totals(scores, groups))
    if len(scores) < 2:
        return None
    from scipy import special

    centre = math.fsum(scores) / len(scores)
    quantile = float(special.stdtrit(len(scores) - 1, 0.975))
    half = quantile * statistics.stdev(scores) / math.sqrt(len(scores))
    return centre - half, centre + half


def ratio_interval(
    sums: Sequence[float], counts: Sequence[int], groups: Sequence[Hashable] | None = None
) -> tuple[float, float] | None:
    """Return the 95 % interval of ``sum(sums) / sum(counts)``; ``None`` for fewer than two.

    That is the mean of all tokens of several texts, where texts and not tokens are drawn, and the
    mean of all records of several groups, where groups are. The half-width is t(0.975, n - 1) times
    :func:`ratio_error`.

    Args:
        sums: Of each text.
        counts: Of each text, above 0.
        groups: Of each text; ``None`` where each is alone.
    """
    if have_groups(groups):
        (sums, _), (tokens, _) = totals(sums, groups), totals(counts, groups)
        counts = [int(count) for count in tokens]
    error = ratio_error(sums, counts)
    if error is None:
        return None
    from scipy import special

    ratio = math.fsum(sums) / sum(counts)
    half = float(special.stdtrit(len(sums) - 1, 0.975)) * error
    return ratio - half, ratio + half


def ratio_error(sums: Sequence[float], counts: Sequence[int]) -> float | None:
    """Return the standard error of ``sum(sums) / sum(counts)``; ``None`` for fewer than two.

    It is sqrt(n * sum(d**2) / (n - 1)) / sum(counts) with d = sums - ratio * counts (Cochran,
    Sampling Techniques, 1977, 2.11 and 6.3).

    Args:
        sums: Of each text or group.
        counts: Of each, above 0.
    """
    size = len(sums)
    if size < 2:
        return None
    whole = sum(counts)
    ratio = math.fsum(sums) / whole
    squares = math.fsum(
        (total - ratio * count) ** 2 for total, count in zip(sums, counts, strict=True)
    )
    return math.sqrt(size * squares / (size - 1)) / whole


def design_effect(values: Sequence[float], groups: Sequence[Hashable] | None) -> float | None:
    """Return by what groups multiply the variance of the mean of as many independent values.

    L. Kish, Survey Sampling, 1965, 8.2: the square of :func:`ratio_error` over s**2 / n.

    Args:
        values: Of each record.
        groups: Of each record; ``None`` where each is alone.

    Returns:
        1 where each record is alone; ``None`` for fewer than two groups, and where all values are
        the same.
    """
    if not have_groups(groups):
        return 1.0
    error = ratio_error(*totals(values, groups))
    variance = statistics.variance(values)
    return error**2 * len(values) / variance if error is not None and variance else None


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


def _ranks(values: Sequence[float]) -> list[float]:
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sorted(values), 1):
        places.setdefault(value, []).append(place)
    return [math.fsum(places[value]) / len(places[value]) for value in values]


def proportion_interval(correct: float, total: float) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share; ``total`` is above 0.

    ``correct`` may hold halves, where a tie counts half; the variance of a share then is at most
    what is reckoned with. Its bounds are the shares p at which
    ``|correct / total - p| = z sqrt(p (1 - p) / total)`` (E. B. Wilson, 1927), z being the 0.975
    quantile of the normal distribution.
    """
    z = statistics.NormalDist().inv_cdf(0.975)
    share, weight = correct / total, z * z / total
    middle = share + weight / 2
    half = math.sqrt(weight * (share * (1 - share) + weight / 4))
    return max(0.0, (middle - half) / (1 + weight)), min(1.0, (middle + half) / (1 + weight))


def effective_size(scores: Sequence[float], groups: Sequence[Hashable] | None) -> float:
    """Return how many records that are alone tell as much of a share as these; 0 for one group.

    That is n over the design effect, which counts as 1 where it is less, times (z / t)**2 with the
    0.975 quantiles of the normal distribution and of Student's with a degree of freedom less than
    groups. Where all scores are the same nothing shows how far those of a group agree, and they are
    taken to agree wholly, for which the design effect is sum(sizes**2) / n.

    Args:
        scores: Of each record, 0 to 1.
        groups: Of each record; ``None`` where each is alone.
    """
    _, sizes = totals(scores, groups)
    if len(sizes) < 2:
        return 0.0
    from scipy import special

    effect = design_effect(scores, groups)
    if effect is None:
        effect = sum(size * size for size in sizes) / len(scores)
    z = statistics.NormalDist().inv_cdf(0.975)
    return len(scores) / max(1.0, effect) * (z / float(special.stdtrit(len(sizes) - 1, 0.975))) ** 2


def points(value: float, beside: float | None = None) -> str:
    """Write a figure with two decimals, with more when it would look equal to ``beside``."""
    digits = 2
    while digits < 6 and beside is not None and beside != value and _same(value, beside, digits):
        digits += 2
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


def share(value: float, beside: float | None = None) -> str:
    """Write a share with four decimals, with eight when it would look equal to ``beside``."""
    shown = f"{value:.4f}"
    return f"{value:.8f}" if value != beside and shown == f"{beside or 0:.4f}" else shown


def confidence(alpha: float) -> str:
    """Write 1 - alpha in percent with four digits, with more when it would look certain."""
    percent = 100 * (1 - alpha)
    shown = f"{percent:.4g}"
    return f"{percent:.10g}" if shown == "100" else shown


def signed(value: float) -> str:
    """Write a change with its sign and one decimal, with more when that would hide it."""
    shown = f"{value:+.1f}"
    if float(shown) == 0:
        return f"{value:+.1g}" if value else "0.0"
    return shown


def probability(p: float, alpha: float = SIGNIFICANCE) -> str:
    """Write ``= 0.24``, with more digits where two would show it on the other side of ``alpha``."""
    if p < 0.0001 <= alpha:
        return "< 0.0001"
    digits = 2
    while True:
        shown = f"{p:.{digits}g}" if p < 0.1 else f"{p:.{digits}f}".rstrip("0").rstrip(".")
        if (float(shown) < alpha) == (p < alpha):
            return f"= {shown}"
        digits += 1


def _same(value: float, other: float, digits: int) -> bool:
    return round(value, digits) == round(other, digits)


def spread(values: Sequence[float]) -> float | None:
    """Return the standard deviation, n - 1 in the denominator; ``None`` for fewer than two."""
    return statistics.stdev(values) if len(values) > 1 else None


def difference_interval(
    differences: Sequence[float], groups: Sequence[Hashable] | None = None
) -> tuple[float, float] | None:
    """Return the 95 % bootstrap interval of the mean difference; ``None`` for fewer than two.

    Bias-corrected and accelerated (B. Efron, 1987), 10,000 resamples, seed 123. Groups are drawn
    whole. Where all differences, or the means of all groups, are the same there is nothing to
    resample, and the interval is that one number.

    Args:
        differences: Of each pair.
        groups: Of each pair; ``None`` where each is alone.
    """
    sums, counts = totals(differences, groups)
    if len(sums) < 2:
        return None
    means = differences
    if have_groups(groups):
        means = [total / count for total, count in zip(sums, counts, strict=True)]
    if len(set(means)) == 1:
        return means[0], means[0]
    import numpy as np
    from scipy import stats

    samples: tuple[np.ndarray, ...] = (np.asarray(sums, dtype=float),)
    statistic: Callable[..., np.ndarray] = np.mean
    if have_groups(groups):
        samples, statistic = (*samples, np.asarray(counts, dtype=float)), _ratio
    interval = stats.bootstrap(
        samples,
        statistic,
        n_resamples=_RESAMPLES,
        batch=_batch(len(sums) * len(samples)),
        vectorized=True,
        paired=len(samples) > 1,
        method="BCa",
        random_state=np.random.default_rng(_SEED),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _ratio(sums: np.ndarray, counts: np.ndarray, axis: int) -> np.ndarray:
    ratio: np.ndarray = sums.sum(axis=axis) / counts.sum(axis=axis)
    return ratio


def sign_flip_test(differences: Sequence[float], groups: Sequence[Hashable] | None = None) -> float:
    """Return the one-sided p of the mean difference: how often chance makes one as low.

    If two releases are equally good, each difference might as well have the other sign, and all
    differences of a group together. All 2^n ways are tried for n <= 14 differences or groups, else
    10,000 random ones, seed 123 (R. A. Fisher, 1935). ``p`` is 1 without differences.

    Args:
        differences: Of each pair.
        groups: Of each pair; ``None`` where each is alone.
    """
    # The number of pairs stays, so that the sums of groups decide.
    differences, _ = totals(differences, groups)
    if len(differences) < 2:
        return 0.5 if differences and differences[0] < 0 else 1.0
    import numpy as np
    from scipy import stats

    count = len(differences)
    # Older versions of scipy reckon first how many arrangements there are, and warn of infinity.
    with np.errstate(over="ignore"):
        result = stats.permutation_test(
            (np.asarray(differences, dtype=float),),
            np.mean,
            permutation_type="samples",
            alternative="less",
            vectorized=True,
            n_resamples=2**count if count <= MOST_ENUMERATED else _RESAMPLES,
            batch=_batch(count),
            random_state=np.random.default_rng(_SEED),
        )
    return float(result.pvalue)


def mcnemar_test(losses: int, wins: int) -> float:
    """Return the one-sided p of McNemar's exact test: how often chance makes as many losses.

    Args:
        losses: Pairs that passed before and fail now.
        wins: Pairs that failed before and pass now.
    """
    if losses + wins == 0:
        return 1.0
    from scipy import stats

    return float(stats.binomtest(losses, losses + wins, 0.5, alternative="greater").pvalue)


def detectable_drop(
    deviation: float,
    count: int,
    power: float = POWER,
    alpha: float = SIGNIFICANCE,
    *,
    effect: float = 1.0,
) -> float:
    """Return the smallest drop that a suite shows with ``power``, in points.

    That is (1.645 + 0.842) sd(d) sqrt(effect / n) for 80 % at 5 %.

    Args:
        deviation: Standard deviation of the differences.
        count: Pairs, at least one.
        power: Chance that such a drop is shown, between 0 and 1.
        alpha: How often chance alone may seem to be a drop.
        effect: The :func:`design_effect` of their groups.
    """
    return _reach(power, alpha) * deviation / math.sqrt(count) * math.sqrt(effect)


def records_needed(
    deviation: float,
    drop: float,
    power: float = POWER,
    alpha: float = SIGNIFICANCE,
    *,
    effect: float = 1.0,
) -> int:
    """Return how many pairs show a drop with ``power``; the above, solved for n.

    Args:
        deviation: Standard deviation of the differences, in points.
        drop: In points, above 0.
        power: Chance that such a drop is shown, between 0 and 1.
        alpha: How often chance alone may seem to be a drop.
        effect: The :func:`design_effect` of groups of the same sizes.
    """
    return max(2, math.ceil((_reach(power, alpha) * deviation / drop) ** 2 * effect))


def reach_of(
    scores: Sequence[float],
    deviation: float | None,
    pairs: int,
    *,
    drop: float,
    power: float,
    alpha: float = SIGNIFICANCE,
    groups: Sequence[Hashable] | None = None,
    effect: float | None = None,
) -> Reach:
    """Say how many records a suite needs to show a drop.

    Args:
        scores: Of one release.
        deviation: Standard deviation of the differences between two releases. Without one, that of
            ``scores`` is taken times sqrt(2 / 1.8): with the published scores of two releases,
            pairing needs 1.8 times fewer records.
        pairs: How many pairs ``deviation`` comes from.
        drop: In points, above 0.
        power: Chance that such a drop is shown, between 0 and 1.
        alpha: How often chance alone may seem to be a drop.
        groups: Of the scores; ``None`` where each record is alone.
        effect: The :func:`design_effect` of the groups on those differences; that on ``scores``
            where ``deviation`` is not known, or nothing is known of it.
    """
    own = spread(scores)
    measured = bool(deviation)
    if not measured:
        deviation, effect = None if own is None else own * math.sqrt(2 / _PUBLISHED_GAIN), None
    if not have_groups(groups):
        effect = 1.0
    elif effect is None:
        effect = design_effect(scores, groups)
    number = count_groups(groups) if groups is not None and have_groups(groups) else None
    needed = detectable = None
    if deviation and effect:
        needed = records_needed(deviation, drop, power, alpha, effect=effect)
        detectable = detectable_drop(deviation, len(scores), power, alpha, effect=effect)
    return Reach(
        records=len(scores),
        spread=own,
        deviation=deviation,
        pairs=pairs if measured else 0,
        needed=needed,
        detectable=detectable,
        groups=number,
        groups_needed=groups_for(needed, number, len(scores)),
        design_effect=None if number is None else effect,
    )


def groups_for(needed: int | None, groups: int | None, records: int) -> int | None:
    """Return how many groups have as many records, where groups are as large as those there are.

    Args:
        needed: So many records; ``None`` where that is not known.
        groups: How many there are; ``None`` where each record is alone.
        records: How many they have.
    """
    if needed is None or groups is None:
        return None
    return max(2, math.ceil(needed * groups / records))


def _reach(power: float, alpha: float) -> float:
    normal = statistics.NormalDist()
    return normal.inv_cdf(1 - alpha) + normal.inv_cdf(power)


def _batch(count: int) -> int:
    return max(1, _LARGEST_BATCH // count)
