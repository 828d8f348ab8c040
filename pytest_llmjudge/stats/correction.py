"""Estimates the mean of people's scores from labels of some records and a judge's scores of all."""

from __future__ import annotations

import functools
import math
import operator
import statistics
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.stats.basics import mean_interval

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = ["Corrected", "corrected_mean", "published_interval"]

_CONSTANT = 1e-12


@dataclass(frozen=True, slots=True)
class Corrected:
    """A prediction-powered mean.

    Attributes:
        estimate: Of the mean of people's scores, in the unit of the scores.
        interval: Its 95 % interval; ``None`` if fewer than two groups have a label.
        weight: Of the judge's scores, from 0 (they are ignored) to 1.
        pseudo_values: The jackknife's, one for each record, or for each group in order of first
            appearance. Empty without an interval.
        degrees: Degrees of freedom of ``error``.
    """

    estimate: float
    interval: tuple[float, float] | None
    weight: float
    pseudo_values: tuple[float, ...]
    degrees: int

    @property
    def error(self) -> float:
        """Jackknife standard error of the estimate; needs pseudo-values."""
        return math.sqrt(statistics.variance(self.pseudo_values) / len(self.pseudo_values))


def corrected_mean(
    judge: Sequence[float],
    people: Sequence[float | None],
    groups: Sequence[Hashable] | None = None,
) -> Corrected:
    """Return the power-tuned prediction-powered estimate of the mean of people's scores.

    The estimate is ``w * mean_U(f) + mean_L(y - w * f)``: f are the judge's scores, y people's, L
    the records with a label, which are a random sample, and U the others. The weight is
    ``w = cov_L(y, f) / ((1 + |L| / |U|) var(f))``, clipped to 0 to 1, with the variance over all
    records (A. N. Angelopoulos, S. Bates, C. Fannjiang, M. I. Jordan, T. Zrnic, Science 382, 2023,
    arXiv 2301.09633; A. N. Angelopoulos, J. C. Duchi, T. Zrnic, arXiv 2311.01453).

    The interval is for the population that the records are a sample of, like that of
    :func:`~pytest_llmjudge.stats.basics.mean_interval`. Its half-width is Student's t(0.975, k - 1)
    times the jackknife standard error, which leaves out one record at a time and computes the
    weight again (J. W. Tukey, 1958; B. Efron and C. Stein, Annals of Statistics 9, 1981); k is the
    number of labelled records. With groups the jackknife leaves out whole groups, and k is the
    number of groups with a label. The papers' normal interval, :func:`published_interval`, treats
    the weight as known and is too narrow with few labels.

    If all records have a label, the estimate is the mean of the labels, with the interval of
    ``mean_interval``.

    Args:
        judge: The judge's score of each record.
        people: People's score of each record, ``None`` for one without a label; not all ``None``.
        groups: The group of each record; ``None`` if each record is a group of its own.
    """
    labels = [score for score in people if score is not None]
    base, parts = _parts(judge, people, groups)
    whole = functools.reduce(_Sums.plus, parts)
    estimate, weight = _estimate(whole)
    labelled = sum(part.labels > 0 for part in parts)
    if labelled < 2:
        return Corrected(base + estimate, None, weight, (), 0)
    size = len(parts)
    values = [size * estimate - (size - 1) * _estimate(whole.minus(part))[0] for part in parts]
    corrected = Corrected(
        base + estimate, None, weight, tuple(base + value for value in values), labelled - 1
    )
    if len(labels) == len(people):
        return replace(corrected, interval=mean_interval(labels, groups))
    from scipy import special

    half = float(special.stdtrit(labelled - 1, 0.975)) * corrected.error
    return replace(corrected, interval=(base + estimate - half, base + estimate + half))


def published_interval(
    judge: Sequence[float], people: Sequence[float | None]
) -> tuple[float, float]:
    """Return the papers' normal 95 % interval, which treats the weight as known, to compare with.

    The variance is ``w**2 var_U(f) / |U| + var_L(y - w * f) / |L|`` with population variances; see
    :func:`corrected_mean`.

    Args:
        judge: The judge's score of each record.
        people: People's score of each record, ``None`` for one without a label; at least one is.
    """
    base, parts = _parts(judge, people, None)
    estimate, weight = _estimate(functools.reduce(_Sums.plus, parts))
    rest, missed = [], []
    for ours, theirs in zip(judge, people, strict=True):
        if theirs is None:
            rest.append(weight * ours)
        else:
            missed.append(theirs - weight * ours)
    variance = sum(statistics.pvariance(part) / len(part) for part in (rest, missed))
    half = statistics.NormalDist().inv_cdf(0.975) * math.sqrt(variance)
    return base + estimate - half, base + estimate + half


class _Sums(NamedTuple):
    """Sums over labelled, over unlabelled and over all records, of which the estimate is made."""

    labels: float = 0.0
    others: float = 0.0
    people: float = 0.0
    judge_labelled: float = 0.0
    judge_others: float = 0.0
    products: float = 0.0
    squares: float = 0.0

    def plus(self, other: _Sums) -> _Sums:
        return _Sums._make(map(operator.add, self, other))

    def minus(self, other: _Sums) -> _Sums:
        return _Sums._make(map(operator.sub, self, other))


def _parts(
    judge: Sequence[float], people: Sequence[float | None], groups: Sequence[Hashable] | None
) -> tuple[float, list[_Sums]]:
    """Return the mean of the labels, which the sums are centred at, and the sums of each group."""
    labels = [score for score in people if score is not None]
    # Without centring, subtracting sums of squares would lose digits.
    base, judge_base = statistics.fmean(labels), statistics.fmean(judge)
    records = [
        _sums(ours - judge_base, None if theirs is None else theirs - base)
        for ours, theirs in zip(judge, people, strict=True)
    ]
    if groups is None:
        return base, records
    parts: dict[Hashable, _Sums] = {}
    for record, group in zip(records, groups, strict=True):
        parts[group] = parts.get(group, _Sums()).plus(record)
    return base, list(parts.values())


def _sums(judge: float, people: float | None) -> _Sums:
    if people is None:
        return _Sums(0.0, 1.0, 0.0, 0.0, judge, 0.0, judge**2)
    return _Sums(1.0, 0.0, people, judge, 0.0, judge * people, judge**2)


def _estimate(sums: _Sums) -> tuple[float, float]:
    """Return the estimate and the weight, of at least one label."""
    labels, others = sums.labels, sums.others
    mean = sums.people / labels
    if not others:
        return mean, 0.0
    judge_labelled, judge_others = sums.judge_labelled / labels, sums.judge_others / others
    count = labels + others
    covariance = sums.products / labels - mean * judge_labelled
    average = (sums.judge_labelled + sums.judge_others) / count
    variance = (sums.squares - count * average**2) / (count - 1)
    # The variance of a constant judge may differ from 0 by rounding.
    is_constant = variance <= _CONSTANT * (sums.squares / count + 1)
    weight = 0.0 if is_constant else covariance / ((1 + labels / others) * variance)
    weight = min(1.0, max(0.0, weight))
    return mean + weight * (judge_others - judge_labelled), weight
