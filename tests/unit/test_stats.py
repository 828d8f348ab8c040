"""Means and intervals, beside an independent implementation."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from pytest_llmjudge.stats import agreement, auc, mean, mean_interval, spearman

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

    found = spearman(first, second)

    if len(set(first)) < 2 or len(set(second)) < 2:
        assert found is None
    else:
        assert found == pytest.approx(scipy_stats.spearmanr(first, second).statistic, abs=1e-9)


def test_agreement() -> None:
    """Bias is judge minus people."""
    found = agreement([10, 50, 90], [20, 40, 60])

    assert found is not None
    assert found.count == 3
    assert found.spearman == pytest.approx(1)
    assert found.mean_absolute_error == pytest.approx(50 / 3)
    assert found.bias == pytest.approx(10)
    assert agreement([], []) is None
