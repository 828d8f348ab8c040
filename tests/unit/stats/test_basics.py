"""Means and intervals, beside an independent implementation."""

from __future__ import annotations

import itertools
import math
import operator
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from pytest_llmjudge.stats.basics import (
    auc,
    detectable_drop,
    difference_interval,
    mcnemar_test,
    mean,
    mean_interval,
    probability,
    ratio_interval,
    reach_of,
    records_needed,
    sign_flip_test,
    signed,
    spearman,
)

SCORES = st.lists(st.integers(min_value=0, max_value=100), min_size=2, max_size=60)


@given(SCORES)
def test_the_mean_is_the_arithmetic_mean(scores: list[int]) -> None:
    """As the standard library computes it."""
    assert mean(scores) == pytest.approx(statistics.mean(scores), abs=1e-9)


@given(SCORES.filter(lambda scores: len(set(scores)) > 1))
def test_the_interval_is_students(scores: list[int]) -> None:
    """As SciPy's distribution gives it from the standard error."""
    expected = scipy_stats.t.interval(
        0.95, len(scores) - 1, loc=statistics.mean(scores), scale=scipy_stats.sem(scores)
    )

    assert mean_interval(scores) == pytest.approx(expected, abs=1e-9)


def test_a_published_half_width() -> None:
    """Tables give t(0.975, 109) = 1.98197: 110 scores of two values have a known interval."""
    scores = [40, 60] * 55
    half = 1.98197 * 10 * (110 / 109) ** 0.5 / 110**0.5

    assert mean_interval(scores) == pytest.approx((50 - half, 50 + half), abs=1e-4)


def test_the_interval_of_a_ratio() -> None:
    """Of texts of one length it is Student's over the texts, of others what resampling gives."""
    drawn = np.random.default_rng(3)
    counts = drawn.integers(5, 60, 200)
    sums = counts * drawn.normal(2.0, 0.5, 200)

    interval = ratio_interval(list(sums), [int(count) for count in counts])
    alike = ratio_interval(list(sums), [10] * 200)

    expected = scipy_stats.bootstrap(
        (sums, counts),
        lambda sums, counts, axis: sums.sum(axis) / counts.sum(axis),
        paired=True,
        method="percentile",
        random_state=np.random.default_rng(5),
    ).confidence_interval
    assert interval == pytest.approx(tuple(expected), abs=0.01)
    of_means = scipy_stats.t.interval(
        0.95, 199, loc=sums.mean() / 10, scale=scipy_stats.sem(sums / 10)
    )
    assert alike == pytest.approx(of_means)
    assert ratio_interval([1.0], [2]) is None


@pytest.mark.parametrize(("scores", "expected"), [([], None), ([7], None), ([7, 7], (7.0, 7.0))])
def test_few_scores(scores: list[int], expected: tuple[float, float] | None) -> None:
    """Fewer than two scores have no interval; equal ones have a point."""
    assert expected == mean_interval(scores)


def test_no_scores_have_no_mean() -> None:
    """Nothing averages to nothing, never to zero."""
    assert mean([]) is None


SIDE = st.lists(st.integers(0, 100), min_size=1, max_size=30)


@given(SIDE, SIDE)
def test_auc_is_mann_whitneys_u(high: list[int], low: list[int]) -> None:
    """The area under the curve is U over the number of pairs, as scipy computes it."""
    expected = scipy_stats.mannwhitneyu(high, low).statistic / (len(high) * len(low))

    assert auc(high, low) == pytest.approx(expected)


def test_auc_of_nothing() -> None:
    """Without a side there is no area."""
    assert auc([], [1]) is None
    assert auc([1], []) is None


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=30))
def test_spearman_is_scipys(pairs: list[tuple[int, int]]) -> None:
    """Ranks with ties correlate as scipy says; there is none where one side is constant."""
    first, second = [a for a, _ in pairs], [b for _, b in pairs]

    correlation = spearman(first, second)

    if len(set(first)) < 2 or len(set(second)) < 2:
        assert correlation is None
    else:
        assert correlation == pytest.approx(
            scipy_stats.spearmanr(first, second).statistic, abs=1e-9
        )


DIFFERENCES = st.lists(st.integers(min_value=-100, max_value=100), min_size=1, max_size=14)


@given(DIFFERENCES.filter(lambda values: len(values) <= 10))
def test_few_differences_are_tried_with_all_signs(differences: list[int]) -> None:
    """The p is the share of all 2^n ways that are as low, counted one by one."""
    ways = itertools.product((1, -1), repeat=len(differences))
    sums = [sum(map(operator.mul, differences, signs)) for signs in ways]
    expected = sum(total <= sum(differences) for total in sums) / len(sums)

    assert sign_flip_test(differences) == pytest.approx(expected)


def interval_by_scipy(differences: list[float]) -> tuple[float, float]:
    """The BCa interval for the seed 123, all resamples at once."""
    interval = scipy_stats.bootstrap(
        (differences,),
        np.mean,
        n_resamples=10_000,
        method="BCa",
        random_state=np.random.default_rng(123),
    ).confidence_interval
    return interval.low, interval.high


@pytest.mark.parametrize("count", [14, 15, 110])
def test_signs_and_resamples_are_scipys(count: int) -> None:
    """For the seed 123, all ways for 14 pairs, 10,000 above."""
    differences = np.random.default_rng(count).normal(-3, 20, count).tolist()
    tested = scipy_stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        alternative="less",
        n_resamples=2**14 if count == 14 else 10_000,
        random_state=np.random.default_rng(123),
    )

    assert sign_flip_test(differences) == tested.pvalue
    assert difference_interval(differences) == interval_by_scipy(differences)
    assert len(tested.null_distribution) == (2**14 if count == 14 else 10_000)


@given(DIFFERENCES)
def test_every_list_of_differences_has_an_interval(differences: list[int]) -> None:
    """Ends in order, around the mean, also where nothing varies."""
    interval = difference_interval(differences)

    if len(differences) < 2:
        assert interval is None
    else:
        assert interval is not None
        assert min(differences) <= interval[0] <= interval[1] <= max(differences)


@given(st.integers(min_value=0, max_value=60), st.integers(min_value=0, max_value=60))
def test_mcnemar_is_a_binomial_test(losses: int, wins: int) -> None:
    """Of losses among all that turned; the tail is summed up here by hand."""
    turned = losses + wins
    expected = sum(math.comb(turned, k) for k in range(losses, turned + 1)) / 2**turned

    assert mcnemar_test(losses, wins) == pytest.approx(expected)
    if turned:
        tested = scipy_stats.binomtest(losses, turned, alternative="greater")
        assert mcnemar_test(losses, wins) == tested.pvalue


def test_many_differences_fit_into_memory() -> None:
    """In batches the figures are the same ones."""
    # From 201 on, 10,000 resamples are no longer drawn at once.
    differences = np.random.default_rng(1).normal(0, 20, 300).tolist()

    assert difference_interval(differences) == interval_by_scipy(differences)


def test_what_a_suite_can_show() -> None:
    """Published: 110 records whose differences deviate by 31.7 show drops of 7.5 points."""
    assert detectable_drop(31.7, 110) == pytest.approx(7.515, abs=0.001)
    assert records_needed(31.7, 7.516) == 110
    assert records_needed(31.7, 3) == 691
    assert records_needed(0.001, 50) == 2


@given(st.floats(min_value=0.1, max_value=60), st.floats(min_value=0.1, max_value=100))
def test_the_records_needed_show_the_drop(deviation: float, drop: float) -> None:
    """The two formulas are each other's inverse."""
    needed = records_needed(deviation, drop)

    assert detectable_drop(deviation, needed) <= drop * (1 + 1e-9)
    assert needed == 2 or detectable_drop(deviation, needed - 1) > drop * (1 - 1e-9)


def test_reach_is_measured_where_pairs_are_known() -> None:
    """Else it is assumed from the scores' own spread; without spread nothing is known."""
    scores = [20.0, 40.0, 60.0, 80.0]
    own = statistics.stdev(scores)

    measured = reach_of(scores, 10.0, 4, drop=5, power=0.8)
    assumed = reach_of(scores, None, 0, drop=5, power=0.8)
    unknown = reach_of([50.0] * 4, 0.0, 4, drop=5, power=0.8)

    assert (measured.deviation, measured.pairs, measured.needed) == (10, 4, 25)
    assert assumed.deviation == pytest.approx(own * (2 / 1.8) ** 0.5)
    assert assumed.pairs == 0
    assert (unknown.spread, unknown.needed, unknown.detectable) == (0, None, None)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(-0.8, "-0.8"), (1.44, "+1.4"), (0, "0.0"), (-0.04, "-0.04"), (0.0001, "+0.0001")],
)
def test_changes_are_written_with_their_sign(value: float, shown: str) -> None:
    """And with enough digits to be seen."""
    assert signed(value) == shown


@pytest.mark.parametrize(
    ("p", "shown"),
    [
        (1.0, "= 1"),
        (0.239, "= 0.24"),
        (0.05, "= 0.05"),
        (0.0496, "= 0.0496"),
        (0.049996, "= 0.049996"),
        (0.0312, "= 0.031"),
        (0.0003, "= 0.0003"),
        (0.00009, "< 0.0001"),
    ],
)
def test_a_real_drop_is_never_written_as_chance(p: float, shown: str) -> None:
    """What is below 5 % is not shown as 5 %."""
    assert probability(p) == shown
