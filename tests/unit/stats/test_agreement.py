"""Agreement of a judge with people: the figures, and their intervals beside scipy's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from pytest_llmjudge.stats.agreement import measure_agreement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.data import Agreement


def _scores(count: int, seed: int) -> tuple[list[int], list[int]]:
    """Return scores of a judge and of people who give tens, alike but for noise."""
    generator = np.random.default_rng(seed)
    people = generator.integers(0, 11, count) * 10
    judge = np.clip(people + generator.integers(-40, 41, count), 0, 100)
    return judge.tolist(), people.tolist()


def _measured(
    judge: Sequence[float], people: Sequence[float], groups: Sequence[str] | None = None
) -> Agreement:
    agreement = measure_agreement(judge, people, groups)
    assert agreement is not None
    return agreement


@pytest.mark.parametrize("count", [3, 20, 110])
def test_figures_are_scipys(count: int) -> None:
    """Rank correlation with ties, mean absolute error, and judge minus people."""
    judge, people = _scores(count, count)

    agreement = _measured(judge, people)

    differences = np.subtract(judge, people)
    assert agreement.count == count
    assert agreement.spearman == pytest.approx(stats.spearmanr(judge, people).statistic, abs=1e-9)
    assert agreement.mean_absolute_error == pytest.approx(np.abs(differences).mean(), abs=1e-9)
    assert agreement.bias == pytest.approx(differences.mean(), abs=1e-9)


@pytest.mark.parametrize("count", [20, 60])
def test_intervals_are_scipys(count: int) -> None:
    """Those of ``scipy.stats.bootstrap``, over the same resamples."""
    judge, people = _scores(count, count)

    def rank(ours: np.ndarray, theirs: np.ndarray, axis: int) -> np.ndarray:
        ours, theirs = (stats.rankdata(side, axis=axis) for side in (ours, theirs))
        ours = ours - ours.mean(axis=axis, keepdims=True)
        theirs = theirs - theirs.mean(axis=axis, keepdims=True)
        squares = (ours**2).sum(axis=axis) * (theirs**2).sum(axis=axis)
        return np.asarray((ours * theirs).sum(axis=axis) / np.sqrt(squares))

    def error(ours: np.ndarray, theirs: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray(np.abs(ours - theirs).mean(axis=axis))

    def bias(ours: np.ndarray, theirs: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray((ours - theirs).mean(axis=axis))

    agreement = _measured(judge, people)

    for figure, interval in (
        (rank, agreement.spearman_interval),
        (error, agreement.error_interval),
        (bias, agreement.bias_interval),
    ):
        wanted = stats.bootstrap(
            (np.array(judge), np.array(people)),
            figure,
            paired=True,
            n_resamples=10_000,
            random_state=np.random.default_rng(123),
        ).confidence_interval
        assert interval == pytest.approx(tuple(wanted), abs=1e-9)


def test_groups_are_resampled_whole() -> None:
    """The same as scipy's bootstrap over groups, each with all of its pairs."""
    judge, people = _scores(60, 7)
    groups = [f"group {number % 17}" for number in range(60)]
    members = [[n for n in range(60) if n % 17 == group] for group in range(17)]
    ours, theirs = np.array(judge), np.array(people)

    def rank(drawn: np.ndarray) -> float:
        pairs = [pair for group in drawn for pair in members[int(group)]]
        return float(np.round(stats.spearmanr(ours[pairs], theirs[pairs]).statistic, 12))

    sums = np.array([(ours - theirs)[pairs].sum() for pairs in members])
    sizes = np.array([len(pairs) for pairs in members])

    def bias(drawn: np.ndarray, axis: int) -> np.ndarray:
        drawn = drawn.astype(int)
        return np.asarray(np.round(sums[drawn].sum(axis=axis) / sizes[drawn].sum(axis=axis), 12))

    agreement = _measured(judge, people, groups)

    draws = np.random.default_rng(123).integers(0, 17, (10_000, 17))[:400]
    assert agreement.bias_interval is not None
    wanted = stats.bootstrap(
        (np.arange(17),),
        bias,
        n_resamples=10_000,
        random_state=np.random.default_rng(123),
    ).confidence_interval
    assert agreement.bias_interval == pytest.approx(tuple(wanted), abs=1e-9)
    # Ranks of resamples take scipy long, so that some of them have to do.
    low, high = np.quantile([rank(drawn) for drawn in draws], [0.025, 0.975])
    assert agreement.spearman_interval == pytest.approx((low, high), abs=0.05)
    assert agreement.spearman_interval != _measured(judge, people).spearman_interval


def test_too_few_pairs_have_no_intervals() -> None:
    """Two pairs, or two groups, do not say how sure a figure is; none at all have no figure."""
    assert measure_agreement([], []) is None
    for agreement in (
        _measured([10, 50], [20, 40]),
        _measured([10, 50, 70], [20, 40, 60], ["a", "b", "b"]),
    ):
        assert agreement.spearman_interval is None
        assert agreement.error_interval is None
        assert agreement.bias_interval is None


def test_a_side_that_is_constant_or_nearly_so() -> None:
    """No correlation without differences, and no interval where one pair alone has them."""
    constant = _measured([10, 50, 90], [50, 50, 50])
    single = _measured([10, 20, 30, 40], [50, 50, 50, 60])

    assert constant.spearman is None
    assert constant.spearman_interval is None
    assert constant.error_interval is not None
    assert single.spearman == pytest.approx(stats.spearmanr([1, 2, 3, 4], [5, 5, 5, 6]).statistic)
    assert single.spearman_interval is None


def test_resamples_without_a_correlation_count_against_both_bounds() -> None:
    """With two pairs that differ among twenty, one resample in nine has no correlation."""
    agreement = _measured(range(20), [50] * 18 + [60, 60])

    assert agreement.spearman is not None
    assert agreement.spearman_interval == (-1, 1)


def test_pairs_that_all_agree() -> None:
    """There is nothing to resample: the interval is the figure, to the last digit."""
    agreement = _measured([10, 20, 30, 40, 40], [10.1, 20.1, 30.1, 40.1, 40.1])

    assert agreement == replace(
        agreement, spearman_interval=(1, 1), bias_interval=(-0.1, -0.1), error_interval=(0.1, 0.1)
    )
