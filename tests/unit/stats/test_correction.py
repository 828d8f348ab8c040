"""The corrected mean is that of other implementations, and behaves at its edges."""

from __future__ import annotations

import statistics
import sys
import types
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_llmjudge.stats.basics import mean_interval, ratio_interval
from pytest_llmjudge.stats.correction import Corrected, corrected_mean, published_interval

if TYPE_CHECKING:
    from collections.abc import Callable

Scores = list[float]
Labels = list[float | None]


def scores_of(labels: int, others: int, people: Callable[[int], float]) -> tuple[Scores, Labels]:
    """Return scores of a judge that are spread over all there are, and people's of the first."""
    judge = [float(37 * place * place % 101) for place in range(labels + others)]
    theirs = [min(100.0, max(0.0, people(place))) for place in range(labels)]
    return judge, [*theirs, *[None] * others]


def near(place: int) -> float:
    """Score a record as the judge does, but for 30 points or less."""
    return 37 * place * place % 101 * 0.7 + 13 * place % 30


def against(place: int) -> float:
    """Score a record high where the judge scores it low."""
    return 100.0 - 37 * place * place % 101


def steeper(place: int) -> float:
    """Score a record four times as high as the judge does."""
    return 4.0 * (37 * place * place % 101)


@pytest.fixture
def ppi_python(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Return the package ``ppi-python``, without the compiler that its other functions need."""
    compiler = types.ModuleType("numba")
    compiler.njit = lambda function: function  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "numba", compiler)
    package: types.ModuleType = pytest.importorskip("ppi_py")
    return package


# What ppi-python 0.2.3 says: ppi_mean_pointestimate, and ppi_mean_ci with alpha=0.05.
KNOWN = [
    ((20, 90, near), 48.85108582420358, (43.02144257412303, 54.68072907428413)),
    ((40, 70, near), 48.76871897417821, (43.91113194369313, 53.6263060046633)),
    ((30, 10, against), 49.46666666666667, (38.75708463043726, 60.176248702896075)),
    ((25, 100, steeper), 88.77405971058496, (80.00397750748087, 97.54414191368906)),
]


@pytest.mark.parametrize(("case", "estimate", "interval"), KNOWN)
def test_figures_of_ppi_python(
    case: tuple[int, int, Callable[[int], float]], estimate: float, interval: tuple[float, float]
) -> None:
    """Estimate and interval are those that another implementation gave."""
    judge, people = scores_of(*case)

    assert corrected_mean(judge, people).estimate == pytest.approx(estimate, abs=1e-9)
    assert published_interval(judge, people) == pytest.approx(interval, abs=1e-9)


def test_ppi_python(ppi_python: types.ModuleType) -> None:
    """It is the same for scores of any shape, beside the package itself."""
    lots = np.random.default_rng(123)
    for _ in range(60):
        labels, others = int(lots.integers(2, 60)), int(lots.integers(1, 200))
        judge = lots.integers(0, 101, labels + others).astype(float)
        noise = lots.normal(lots.uniform(-40, 40), 20, labels)
        people = np.clip(judge[:labels] * lots.uniform(-1, 1.5) + noise, 0, 100)
        theirs = people, judge[:labels], judge[labels:]
        ours = judge.tolist(), [*people.tolist(), *[None] * others]

        estimate = ppi_python.ppi_mean_pointestimate(*theirs)
        interval = ppi_python.ppi_mean_ci(*theirs, alpha=0.05)

        assert corrected_mean(*ours).estimate == pytest.approx(estimate.item(), abs=1e-9)
        expected = [bound.item() for bound in interval]
        assert published_interval(*ours) == pytest.approx(expected, abs=1e-9)


def plain_estimate(judge: Scores, people: Labels) -> float:
    """Return the estimate as the regression estimator of surveys, its slope held within bounds."""
    labelled = np.array([score is not None for score in people])
    y = np.array([score for score in people if score is not None])
    f = np.array(judge)
    if labelled.all():
        return float(y.mean())
    slope = np.cov(y, f[labelled], ddof=0)[0, 1] / f.var(ddof=1) if f.var() else 0.0
    slope = float(np.clip(slope, 0, len(f) / (~labelled).sum()))
    return float(y.mean() + slope * (f.mean() - f[labelled].mean()))


@pytest.mark.parametrize("case", [case for case, _, _ in KNOWN])
def test_interval_by_leaving_out(case: tuple[int, int, Callable[[int], float]]) -> None:
    """The interval has the jackknife's error, computed by leaving out one record after another."""
    judge, people = scores_of(*case)
    count = len(judge)
    without = [
        plain_estimate(judge[:out] + judge[out + 1 :], people[:out] + people[out + 1 :])
        for out in range(count)
    ]
    error = np.sqrt((count - 1) * np.var(without))
    half = stats.t.ppf(0.975, case[0] - 1) * error
    estimate = plain_estimate(judge, people)

    corrected = corrected_mean(judge, people)

    assert corrected.estimate == pytest.approx(estimate, abs=1e-9)
    assert corrected.error == pytest.approx(error, rel=1e-9)
    assert corrected.interval == pytest.approx((estimate - half, estimate + half), abs=1e-8)
    expected = [count * estimate - (count - 1) * one for one in without]
    assert corrected.pseudo_values == pytest.approx(expected, abs=1e-6)


def test_groups_are_left_out_whole() -> None:
    """Of records in groups whole groups are left out, and those with a label count."""
    judge, people = scores_of(30, 60, near)
    groups = [place // 3 if place < 30 else place % 40 for place in range(90)]
    names = list(dict.fromkeys(groups))
    without = []
    for name in names:
        kept = [place for place in range(90) if groups[place] != name]
        without.append(plain_estimate([judge[at] for at in kept], [people[at] for at in kept]))
    error = np.sqrt((len(names) - 1) * np.var(without))

    corrected = corrected_mean(judge, people, groups)

    assert corrected.estimate == pytest.approx(plain_estimate(judge, people), abs=1e-9)
    assert corrected.error == pytest.approx(error, rel=1e-9)
    assert corrected.degrees == len(set(groups[:30])) - 1


def test_groups_of_one() -> None:
    """Records that are each alone in their group count as records without groups."""
    judge, people = scores_of(20, 30, near)

    assert corrected_mean(judge, people, list(range(50))) == corrected_mean(judge, people)


def test_records_that_are_copies() -> None:
    """Ten records three times over, as groups, are no more certain than ten records."""
    judge, people = scores_of(10, 20, near)

    once = corrected_mean(judge, people)
    thrice = corrected_mean(3 * judge, 3 * people, 3 * list(range(30)))
    independent = corrected_mean(3 * judge, 3 * people)

    assert thrice.error == pytest.approx(once.error, rel=0.02)
    assert independent.error < 0.65 * once.error


@pytest.mark.parametrize("groups", [None, [place // 2 for place in range(40)]])
def test_all_labelled(groups: list[int] | None) -> None:
    """With a label for each record it is the mean of the labels, with the interval of a mean."""
    judge, people = scores_of(40, 0, near)
    labels = [score for score in people if score is not None]

    corrected = corrected_mean(judge, people, groups)

    assert corrected.estimate == pytest.approx(statistics.fmean(labels), abs=1e-9)
    assert corrected.weight == 0
    expected = mean_interval(labels)
    if groups is not None:
        sums = [labels[at] + labels[at + 1] for at in range(0, 40, 2)]
        expected = ratio_interval(sums, [2] * 20)
    assert corrected.interval == pytest.approx(expected)


@pytest.mark.parametrize("score", [0.0, 37.3, 100.0])
def test_constant_judge(score: float) -> None:
    """A judge that gives one score to all has no weight, and people's mean stands."""
    _, people = scores_of(20, 90, near)
    labels = [one for one in people if one is not None]

    corrected = corrected_mean([score] * 110, people)

    assert corrected.weight == 0
    assert corrected.estimate == pytest.approx(statistics.fmean(labels), abs=1e-9)
    # The jackknife divides by all records less one, an interval of the labels by labels less one.
    low, high = mean_interval(labels) or (0.0, 0.0)
    assert corrected.interval == pytest.approx((low, high), rel=0.03)


def test_constant_people() -> None:
    """People who give one score to all are certain of it, whatever the judge says."""
    judge, _ = scores_of(20, 90, near)

    corrected = corrected_mean(judge, [*[70.0] * 20, *[None] * 90])

    assert corrected.weight == 0
    assert (corrected.estimate, corrected.interval) == (70.0, (70.0, 70.0))


@pytest.mark.parametrize(
    ("people", "weight"), [(against, 0.0), (steeper, 1.0)], ids=["against", "steeper"]
)
def test_weight_is_held_within_0_and_1(people: Callable[[int], float], weight: float) -> None:
    """A judge that ranks against people does not count, and none counts more than once."""
    judge, labels = scores_of(20, 90, people)

    assert corrected_mean([score / 4 for score in judge], labels).weight == weight


@pytest.mark.parametrize("groups", [None, [0, 0, 1, 2]])
def test_too_few_labels(groups: list[int] | None) -> None:
    """One label, or labels of one group, have an estimate and no interval."""
    people: Labels = [50.0, 60.0 if groups else None, None, None]

    corrected = corrected_mean([10.0, 20.0, 30.0, 40.0], people, groups)

    assert corrected.interval is None
    assert corrected.pseudo_values == ()


@given(
    scores=st.lists(
        st.tuples(st.integers(0, 100), st.none() | st.integers(0, 100)), min_size=4, max_size=60
    ),
    shift=st.integers(-50, 50),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_properties(scores: list[tuple[int, int | None]], shift: int, data: st.DataObject) -> None:
    """No order counts, a judge's constant bias is taken out, and people's is kept."""
    scores = [*scores, (10, 20), (80, 60)]
    judge = [float(one) for one, _ in scores]
    people: Labels = [label for _, label in scores]
    corrected = corrected_mean(judge, people)

    def same(other: Corrected, by: float = 0.0) -> None:
        assert other.estimate == pytest.approx(corrected.estimate + by, abs=1e-6)
        assert other.weight == pytest.approx(corrected.weight, abs=1e-6)
        expected = [bound + by for bound in corrected.interval or ()]
        assert other.interval == pytest.approx(expected, abs=1e-5)

    order = data.draw(st.permutations(range(len(scores))))
    same(corrected_mean([judge[at] for at in order], [people[at] for at in order]))
    same(corrected_mean([score + shift for score in judge], people))
    moved = [None if score is None else score + shift for score in people]
    same(corrected_mean(judge, moved), shift)
    assert 0 <= corrected.weight <= 1
    assert corrected.estimate == pytest.approx(
        plain_estimate(judge, people),
        abs=1e-6,
    )
