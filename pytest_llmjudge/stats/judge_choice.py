"""Finds which of several judges agrees best with people, and which of them differ; pure."""

from __future__ import annotations

import math
from itertools import combinations
from statistics import NormalDist
from typing import TYPE_CHECKING

from pytest_llmjudge.data.comparison import SIGNIFICANCE
from pytest_llmjudge.data.judges import ERROR, JudgeChoice, JudgeDifference, JudgeStanding
from pytest_llmjudge.stats.agreement import LEAST_GROUPS, measure_agreement, resampled_figures
from pytest_llmjudge.stats.basics import POWER
from pytest_llmjudge.stats.groups import group_numbers
from pytest_llmjudge.stats.labels import LEAST_LABELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from pytest_llmjudge.data import Agreement
    from pytest_llmjudge.data.judges import LabelledScores

    _Floats = npt.NDArray[np.float64]

__all__ = ["choose_judge", "holm"]

_ERROR_COLUMN, _SPEARMAN_COLUMN = 0, 2


def choose_judge(scores: LabelledScores, by: str = ERROR) -> JudgeChoice:
    """Compare every pair of judges, over the labelled responses that all judges scored.

    The bootstrap is paired: all judges get the same resamples. The interval of a difference is the
    expanded percentile interval (T. C. Hesterberg, What Teachers Should Know About the Bootstrap,
    The American Statistician 69, 2015), because the plain one is too narrow with few labels. The p
    is the level at which that interval would end at 0, corrected for the number of pairs by Holm's
    method (S. Holm, Scandinavian Journal of Statistics 6, 1979).

    Args:
        scores: Of at least one response that all judges scored.
        by: The figure that decides, ``ERROR`` or ``AGREEMENT``.
    """
    groups = group_numbers(scores.groups)
    standings = []
    for one in scores.judges:
        agreement = measure_agreement(one.scores, scores.people, groups)
        assert agreement is not None  # noqa: S101  # there is a response
        standings.append(JudgeStanding(one, agreement))
    figures = [_figure(one.agreement, by) for one in standings]
    # Of an error less is better.
    ranked = sorted(
        (place for place, figure in enumerate(figures) if figure is not None),
        key=lambda place: (figures[place] or 0) * (1 if by == ERROR else -1),
    )
    best = ranked[0] if ranked else None
    differences: tuple[JudgeDifference, ...] = ()
    if len(scores.people) >= LEAST_LABELS and scores.units >= LEAST_GROUPS:
        differences = tuple(_differences(scores, groups, figures, by))
    rivals = tuple(
        one.second if one.first == best else one.first
        for one in differences
        if best in {one.first, one.second} and one.difference is not None and one.p >= SIGNIFICANCE
    )
    return JudgeChoice(by, tuple(standings), differences, best, rivals)


def holm(values: Sequence[float]) -> list[float]:
    """Correct p values for their number by Holm's method."""
    corrected = [0.0] * len(values)
    largest = 0.0
    for done, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min(1.0, (len(values) - done) * values[place]))
        corrected[place] = largest
    return corrected


def _figure(agreement: Agreement, by: str) -> float | None:
    return agreement.mean_absolute_error if by == ERROR else agreement.spearman


def _differences(
    scores: LabelledScores,
    groups: Sequence[int] | None,
    figures: Sequence[float | None],
    by: str,
) -> list[JudgeDifference]:
    column = _ERROR_COLUMN if by == ERROR else _SPEARMAN_COLUMN
    resampled = [
        resampled_figures(one.scores, scores.people, groups)[:, column] for one in scores.judges
    ]
    pairs = list(combinations(range(len(figures)), 2))
    compared = [
        _compared(figures[one], figures[other], resampled[one] - resampled[other], scores.units)
        for one, other in pairs
    ]
    corrected = holm([p for _, _, p, _ in compared])
    differences = []
    for pair, (value, interval, _, error), p in zip(pairs, compared, corrected, strict=True):
        needed = None
        if value and p >= SIGNIFICANCE:
            needed = _needed(error / abs(value), len(scores.people), len(pairs))
        differences.append(JudgeDifference(*pair, value, interval, p, needed))
    return differences


def _compared(
    first: float | None, second: float | None, resampled: _Floats, units: int
) -> tuple[float | None, tuple[float, float] | None, float, float]:
    """Return a difference, its interval, the p before any correction, and its standard error.

    Args:
        first: A figure.
        second: Another judge's.
        resampled: Their difference in each resample. NaN, if one has no figure, counts against
            both bounds.
        units: Number of responses, or of groups of responses, that were resampled.
    """
    if first is None or second is None:
        return None, None, 1.0, 0.0
    import numpy as np
    from scipy import special

    value = first - second
    is_known = ~np.isnan(resampled)
    if not resampled[is_known].any():
        # The two are always equally far off, as when they give the same scores.
        return value, (value, value), 1.0, 0.0
    normal = NormalDist()
    wider = math.sqrt(units / (units - 1))
    tail = normal.cdf(wider * float(special.stdtrit(units - 1, SIGNIFICANCE / 2)))
    low, high = (
        float(np.quantile(np.where(is_known, resampled, worst), share))
        for share, worst in ((tail, -2.0), (1 - tail, 2.0))
    )
    size = len(resampled)
    sides = [(np.sum(~(sign * resampled > 0)) + 1) / (size + 1) for sign in (1, -1)]
    z = normal.inv_cdf(min(0.5, float(min(sides))))
    p = 2 * float(special.stdtr(units - 1, z / wider))
    return value, (low, high), p, wider * float(np.std(resampled[is_known]))


def _needed(relative_error: float, count: int, comparisons: int) -> int:
    """Return about how many labels show a difference of this size with a power of 80 %.

    Args:
        relative_error: Standard error of the difference, divided by the difference.
        count: Number of labels that there are.
        comparisons: Number of differences that are tested, by which the level is divided.
    """
    normal = NormalDist()
    wanted = normal.inv_cdf(1 - SIGNIFICANCE / 2 / comparisons) + normal.inv_cdf(POWER)
    return math.ceil(count * (wanted * relative_error) ** 2)
