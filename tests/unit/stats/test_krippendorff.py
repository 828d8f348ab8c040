"""Krippendorff's alpha beside the public package, and its bootstrap interval."""

from __future__ import annotations

import itertools
import math

import krippendorff
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_llmjudge.stats.krippendorff import alpha, alpha_interval

SCORES = st.one_of(st.none(), st.integers(0, 100))
TABLES = st.integers(2, 5).flatmap(
    lambda people: st.lists(
        st.lists(SCORES, min_size=people, max_size=people), min_size=2, max_size=30
    )
)


def _units(table: list[list[int | None]]) -> list[list[int]]:
    return [[score for score in row if score is not None] for row in table]


@given(TABLES)
def test_alpha_is_that_of_the_public_package(table: list[list[int | None]]) -> None:
    """Also where people did not score everything, and where somebody scored nothing."""
    pairable = [unit for unit in _units(table) if len(unit) > 1]
    assume(len({score for unit in pairable for score in unit}) > 1)
    data = np.array([[np.nan if score is None else score for score in row] for row in table]).T

    expected = krippendorff.alpha(reliability_data=data, level_of_measurement="interval")

    assert alpha(_units(table)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "units", [[], [[]], [[50], [70]], [[50, 50], [50, 50]], [[50, 50], [70]], [[0, 0, 0]]]
)
def test_where_there_is_no_alpha(units: list[list[int]]) -> None:
    """Without a pair of scores, and without two different ones that have a pair."""
    assert alpha(units) is None
    assert alpha_interval(units) is None


def test_a_single_pair() -> None:
    """It has an alpha and no interval, for nothing can be drawn again."""
    assert alpha([[0, 100]]) == pytest.approx(0.0)
    assert alpha_interval([[0, 100], [30]]) is None


def test_full_agreement_has_no_width() -> None:
    """All resamples that have an alpha have 1."""
    units = [[10, 10], [90, 90], [50, 50]]

    assert alpha(units) == pytest.approx(1.0)
    assert alpha_interval(units) == pytest.approx((1.0, 1.0))


def test_the_interval_is_that_of_all_resamples() -> None:
    """Of four units, beside the quantiles over all 4**4 ways to draw them."""
    units = [[0, 10], [40, 70, 60], [90, 80], [100, 95]]
    drawn = itertools.product(units, repeat=4)
    every = [value for sample in drawn if (value := alpha(sample)) is not None]

    expected = np.percentile(every, [2.5, 97.5])

    interval = alpha_interval(units)
    assert interval == pytest.approx(tuple(expected), abs=0.02)
    assert interval == alpha_interval([*units, [3]])


def test_the_interval_covers_alpha() -> None:
    """Nominal 95 %: of 60 draws of 40 responses with three labelers at least 88 %."""
    generator = np.random.default_rng(7)

    def draw(count: int) -> list[list[float]]:
        true = generator.choice([0, 10, 30, 60, 85, 100], size=(count, 1))
        scores = np.clip(true + generator.normal(0, 15, size=(count, 3)), 0, 100)
        rounded: list[list[float]] = np.round(scores, -1).tolist()
        return rounded

    truth = alpha(draw(5_000))
    assert truth is not None
    intervals = [alpha_interval(draw(40)) for _ in range(60)]

    covered = [one is not None and one[0] <= truth <= one[1] for one in intervals]
    assert math.fsum(covered) / len(covered) > 0.88
