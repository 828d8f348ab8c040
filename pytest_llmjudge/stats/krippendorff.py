"""Krippendorff's alpha: how far people who score the same things agree; pure, no I/O."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

__all__ = ["alpha", "alpha_interval"]

_SEED = 123
_RESAMPLES = 10_000
# Numbers in memory at once, as in basics.py.
_LARGEST_BATCH = 2_000_000


def alpha(units: Iterable[Sequence[float]]) -> float | None:
    """Return Krippendorff's alpha for interval data.

    1 is full agreement, 0 what chance alone would give. It is 1 - D_o / D_e with squared
    differences (K. Krippendorff, Content Analysis, 4th edition, 2018, chapter 12). The mean squared
    difference over all pairs of scores is twice their variance, so D_e is computed as the variance
    of all scores, and D_o as the mean of the units' variances, each weighted by its number of
    scores.

    Args:
        units: The scores of each unit, such as those of one response, whoever gave them; a unit
            with fewer than two does not count.

    Returns:
        ``None`` when no unit has two scores, and when all scores are the same.
    """
    pairable = [unit for unit in units if len(unit) > 1]
    scores = [score for unit in pairable for score in unit]
    if len(set(scores)) < 2:
        return None
    return 1 - math.fsum(map(_within, pairable)) / len(scores) / statistics.variance(scores)


def alpha_interval(units: Iterable[Sequence[float]]) -> tuple[float, float] | None:
    """Return the 95 % percentile bootstrap interval of :func:`alpha`.

    Units are drawn with replacement, 10,000 times, seed 123. A resample in which all scores are the
    same has no alpha and is left out.

    Args:
        units: As of :func:`alpha`.

    Returns:
        ``None`` where alpha is, and for fewer than two units with two scores.
    """
    pairable = [unit for unit in units if len(unit) > 1]
    if len(pairable) < 2 or alpha(pairable) is None:
        return None
    import numpy as np

    # About their mean, so that little is lost where squares are subtracted.
    centre = statistics.fmean(score for unit in pairable for score in unit)
    sums = np.array(
        [
            (
                len(unit),
                _within(unit),
                math.fsum(score - centre for score in unit),
                math.fsum((score - centre) ** 2 for score in unit),
            )
            for unit in pairable
        ]
    )
    generator = np.random.default_rng(_SEED)
    size = len(pairable)
    batch = max(1, _LARGEST_BATCH // size)
    values = [
        _alphas(sums[generator.integers(size, size=(min(batch, _RESAMPLES - start), size))])
        for start in range(0, _RESAMPLES, batch)
    ]
    low, high = np.percentile(np.concatenate(values), [2.5, 97.5])
    return float(low), float(high)


def _within(unit: Sequence[float]) -> float:
    return len(unit) * statistics.variance(unit)


def _alphas(drawn: np.ndarray) -> np.ndarray:
    """Return alpha of each resample that has one.

    Args:
        drawn: Resample by unit by four: count, m * variance, sum, and sum of squares.
    """
    count, within, total, squares = drawn.sum(axis=1).T
    spread = squares - total * total / count
    has_one = spread > 1e-9
    count, within, spread = count[has_one], within[has_one], spread[has_one]
    values: np.ndarray = 1 - within / count * (count - 1) / spread
    return values
