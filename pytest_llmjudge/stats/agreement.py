"""Measures how well a judge's scores agree with people's, with bootstrap intervals; pure."""

from __future__ import annotations

import functools
import math
from statistics import NormalDist
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Agreement
from pytest_llmjudge.stats.basics import spearman
from pytest_llmjudge.stats.groups import group_numbers

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    import numpy as np
    import numpy.typing as npt

    from pytest_llmjudge.data import RecordResult

    _Floats = npt.NDArray[np.float64]

__all__ = [
    "LEAST_GROUPS",
    "agreement_of",
    "measure_agreement",
    "resampled_figures",
]

LEAST_GROUPS = 3
"""Intervals need records of at least so many groups."""
_SEED = 123
_RESAMPLES = 10_000
_ALPHA = 0.05
# Numbers in memory at once: 10,000 resamples of 5,000 records would be 400 MB.
_LARGEST_BATCH = 500_000


def measure_agreement(
    judge: Sequence[float], people: Sequence[float], groups: Sequence[Hashable] | None = None
) -> Agreement | None:
    """Compare a judge's scores with people's, pair by pair; ``None`` without pairs.

    The intervals are 95 % bootstrap intervals, bias-corrected and accelerated (B. Efron, Journal of
    the American Statistical Association 82, 1987), from 10,000 resamples with seed 123. All three
    figures use the same resamples. A resample in which all scores of one side are the same has no
    rank correlation; it counts as -1 for the lower bound and as 1 for the upper one.

    Args:
        judge: Its scores, 0 to 100.
        people: Their scores of the same responses, 0 to 100.
        groups: The group of each pair; ``None`` if each pair is a group of its own. Groups are
            resampled whole.

    Returns:
        The intervals are ``None`` for fewer than three pairs or groups. That of the rank
        correlation is also ``None`` if leaving out one pair or group leaves no correlation.
    """
    if not judge:
        return None
    differences = [ours - theirs for ours, theirs in zip(judge, people, strict=True)]
    error_interval = bias_interval = spearman_interval = None
    owners = _numbered(groups, len(judge))
    if max(owners) + 1 >= LEAST_GROUPS:
        error_interval, bias_interval, spearman_interval = _intervals(
            tuple(judge), tuple(people), owners
        )
    return Agreement(
        count=len(differences),
        spearman=spearman(judge, people),
        mean_absolute_error=math.fsum(map(abs, differences)) / len(differences),
        bias=math.fsum(differences) / len(differences),
        spearman_interval=spearman_interval,
        error_interval=error_interval,
        bias_interval=bias_interval,
    )


def agreement_of(results: Iterable[RecordResult]) -> Agreement | None:
    """Compare the judge's scores with people's, over the results that have both."""
    both = [
        (result.score, result.human_score, result.record.group)
        for result in results
        if result.score is not None and result.human_score is not None
    ]
    judge, people, names = (
        [one[0] for one in both],
        [one[1] for one in both],
        [one[2] for one in both],
    )
    return measure_agreement(judge, people, group_numbers(names))


def resampled_figures(
    judge: Sequence[float], people: Sequence[float], groups: Sequence[Hashable] | None = None
) -> _Floats:
    """Return the figures of each resample that :func:`measure_agreement` uses.

    Two judges of the same responses get the same resamples, so that their figures can be subtracted
    resample by resample.

    Args:
        judge: Its scores, 0 to 100.
        people: Their scores of the same responses, 0 to 100.
        groups: The group of each pair; ``None`` if each pair is a group of its own.

    Returns:
        Shape (10,000, 3): mean absolute error, bias and rank correlation, which is NaN if all
        scores of one side are the same.
    """
    return _resampled(tuple(judge), tuple(people), _numbered(groups, len(judge)))


def _numbered(groups: Sequence[Hashable] | None, count: int) -> tuple[int, ...]:
    """Return the number of each pair's group, from 0."""
    if groups is None:
        return tuple(range(count))
    numbers: dict[Hashable, int] = {}
    return tuple(numbers.setdefault(group, len(numbers)) for group in groups)


# The gate, the summary and the files of a run ask for the intervals of the same scores.
@functools.lru_cache(maxsize=8)
def _intervals(
    judge: tuple[float, ...], people: tuple[float, ...], owners: tuple[int, ...]
) -> tuple[tuple[float, float] | None, ...]:
    """Return the intervals of mean absolute error, bias and rank correlation."""
    import numpy as np

    pairs, units = _Pairs(judge, people, owners), max(owners) + 1
    observed = pairs.figures(np.ones((1, units)))[0]
    resampled = _resampled(judge, people, owners)
    left_out = np.concatenate(
        [
            pairs.figures(1 - np.eye(min(pairs.batch, units - start), units, start))
            for start in range(0, units, pairs.batch)
        ]
    )
    return tuple(_interval(observed[k], resampled[:, k], left_out[:, k]) for k in range(3))


# Judges that are compared are resampled once for their intervals and for their differences.
@functools.lru_cache(maxsize=8)
def _resampled(
    judge: tuple[float, ...], people: tuple[float, ...], owners: tuple[int, ...]
) -> _Floats:
    import numpy as np

    pairs, units = _Pairs(judge, people, owners), max(owners) + 1
    return np.concatenate([pairs.figures(drawn) for drawn in _draws(units, pairs.batch)])


def _draws(units: int, batch: int) -> Iterator[_Floats]:
    """Yield how often each unit is in each resample, one row a resample."""
    import numpy as np

    generator = np.random.default_rng(_SEED)
    for start in range(0, _RESAMPLES, batch):
        rows = min(batch, _RESAMPLES - start)
        drawn = generator.integers(0, units, (rows, units)) + units * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * units)
        yield counts.reshape(rows, units).astype(float)


class _Pairs:
    """Pairs of scores, whose figures can be computed for many resamples at once.

    Attributes:
        batch: How many resamples to compute at once.
    """

    def __init__(
        self, judge: Sequence[float], people: Sequence[float], owners: Sequence[int]
    ) -> None:
        import numpy as np

        self.batch = max(1, _LARGEST_BATCH // len(judge))
        self._owners = np.asarray(owners)
        self._differences = np.asarray(judge, dtype=float) - np.asarray(people, dtype=float)
        self._judge, self._people = _Levels(judge), _Levels(people)

    def figures(self, drawn: _Floats) -> _Floats:
        """Return mean absolute error, bias and rank correlation of each resample.

        The correlation is NaN if all scores of one side are the same.

        Args:
            drawn: How often each unit was drawn, one row a resample.
        """
        import numpy as np

        weights = np.take(drawn, self._owners, axis=1)
        sizes = weights.sum(axis=1)
        # A matrix product would start threads, which is slow when other processes use the cores.
        error = np.einsum("ij,j->i", weights, np.abs(self._differences)) / sizes
        bias = np.einsum("ij,j->i", weights, self._differences) / sizes
        ours, our_squares = self._judge.ranks(weights)
        theirs, their_squares = self._people.ranks(weights)
        products = self._people.sums(weights * np.take(ours, self._judge.of, axis=1)) * theirs
        with np.errstate(invalid="ignore"):
            correlation = products.sum(axis=1) / np.sqrt(our_squares * their_squares)
        # Sums in another order differ in their last digits, and a bound of 1 is to be 1.
        return np.round(np.column_stack([error, bias, correlation]), 12)


class _Levels:
    """The different scores of one side, in rising order.

    Attributes:
        of: Which of them each pair has.
    """

    def __init__(self, scores: Sequence[float]) -> None:
        import numpy as np

        _, self.of, counts = np.unique(scores, return_inverse=True, return_counts=True)
        self._order = np.argsort(self.of, kind="stable")
        self._starts = np.cumsum(counts) - counts

    def sums(self, values: _Floats) -> _Floats:
        """Return the sum over the pairs of each level; one row for each row of values."""
        import numpy as np

        sums: _Floats = np.add.reduceat(np.take(values, self._order, axis=1), self._starts, axis=1)
        return sums

    def ranks(self, weights: _Floats) -> tuple[_Floats, _Floats]:
        """Return the rank of each level minus the mean rank, and the sum of squares of pairs.

        The pairs of a level have their average rank.

        Args:
            weights: How often each pair counts, one row a resample.
        """
        import numpy as np

        counts = self.sums(weights)
        ranks = np.cumsum(counts, axis=1) - (counts + counts.sum(axis=1, keepdims=True)) / 2
        return ranks, (counts * ranks**2).sum(axis=1)


def _interval(observed: float, resampled: _Floats, left_out: _Floats) -> tuple[float, float] | None:
    """Return the bias-corrected and accelerated interval of a figure; ``None`` for none.

    B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, 14.3.

    Args:
        observed: The figure itself.
        resampled: Of each resample; NaN where it has none, which only a correlation has.
        left_out: With each unit left out.
    """
    import numpy as np

    if np.isnan(left_out).any():
        return None
    defined = resampled[~np.isnan(resampled)]
    normal = NormalDist()
    below = float(np.mean(defined < observed) + np.mean(defined <= observed)) / 2
    least = 1 / (2 * len(defined))
    correction = normal.inv_cdf(min(max(below, least), 1 - least))
    influence = left_out.mean() - left_out
    squares = float((influence**2).sum())
    acceleration = float((influence**3).sum()) / (6 * squares**1.5) if squares else 0.0

    def bound(tail: float, worst: float) -> float:
        z = correction + normal.inv_cdf(tail)
        adjusted = normal.cdf(correction + z / (1 - acceleration * z))
        return float(np.quantile(np.nan_to_num(resampled, nan=worst), adjusted))

    return bound(_ALPHA / 2, -1.0), bound(1 - _ALPHA / 2, 1.0)
