"""Bounds of a mean difference are those of independent computations, and honest in small suites."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from functools import cache

import numpy as np
import pytest
from scipy import optimize, stats

from pytest_llmjudge.stats.bounds import margin_to_tell, mean_bounds, records_to_tell

ENDS = {"lowest": -100.0, "highest": 100.0}


def bounds(differences: list[float], alpha: float = 0.05, **kwargs: object) -> tuple[float, float]:
    """Return bounds that there are."""
    settings = {"is_binary": False, **ENDS, **kwargs}
    both = mean_bounds(differences, alpha, **settings)  # type: ignore[arg-type]
    assert both is not None
    return both


def expanded(alpha: float, count: int) -> float:
    """Return Hesterberg's level for scores."""
    quantile = stats.t.ppf(alpha, count - 1) * math.sqrt(count / (count - 1))
    return float(stats.norm.cdf(quantile))


def answers(losses: int, wins: int, count: int) -> list[float]:
    """Return the differences of right and wrong answers."""
    return [-100.0] * losses + [100.0] * wins + [0.0] * (count - losses - wins)


@pytest.mark.parametrize("count", [2, 50, 110, 14_000])
@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.05 / 16])
def test_no_difference_at_all(count: int, alpha: float) -> None:
    """L is what a share of total losses may be of which n pairs had none with probability alpha."""
    low, high = bounds([0.0] * count, alpha, is_binary=True)

    assert low == pytest.approx(-100 * (1 - alpha ** (1 / count)), rel=1e-9)
    assert high == -low


def test_no_difference_of_scores() -> None:
    """It is the same with the level of scores, whatever scores have been seen."""
    low, _ = bounds([0.0] * 50)

    assert low == pytest.approx(-100 * (1 - expanded(0.05, 50) ** (1 / 50)), rel=1e-9)
    assert low < -5


@pytest.mark.parametrize(("losses", "count"), [(1, 50), (3, 50), (20, 110), (50, 50), (1, 2)])
def test_losses_alone_are_a_binomial(losses: int, count: int) -> None:
    """Without wins L is the exact bound of Clopper and Pearson."""
    exact = stats.binomtest(losses, count).proportion_ci(0.9, "exact").high

    low, _ = bounds(answers(losses, 0, count), is_binary=True)

    assert low == pytest.approx(-100 * exact, rel=1e-9)


@pytest.mark.parametrize(("losses", "wins", "count"), [(5, 3, 30), (1, 4, 30), (12, 12, 40)])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_all_outcomes_of_right_and_wrong_answers(
    losses: int, wins: int, count: int, alpha: float
) -> None:
    """At L all outcomes as good as the one seen have probability alpha together."""
    low, _ = bounds(answers(losses, wins, count), alpha, is_binary=True)

    def unlikely(won: float) -> float:
        chances = [won - low / 100, won, 1 - 2 * won + low / 100]
        return -float(
            stats.multinomial.logpmf([losses, wins, count - losses - wins], count, chances)
        )

    edges = (max(0.0, low / 100) + 1e-9, (1 + low / 100) / 2 - 1e-9)
    won = optimize.minimize_scalar(
        unlikely, bounds=edges, method="bounded", options={"xatol": 1e-12}
    ).x
    chances = [won - low / 100, won, 1 - 2 * won + low / 100]
    as_good = [
        [lost, gained, count - lost - gained]
        for lost, gained in itertools.product(range(count + 1), repeat=2)
        if lost + gained <= count and gained - lost >= wins - losses
    ]
    assert stats.multinomial.pmf(as_good, count, chances).sum() == pytest.approx(alpha, rel=1e-5)


# Older versions of scipy say so on the way to the same result.
@pytest.mark.filterwarnings("ignore:Values in x were outside bounds:RuntimeWarning")
@pytest.mark.parametrize(
    "differences",
    [
        [-30, 10, 10, 0, 0, -10, 20, 0, 0, 10, 0, -20],
        [40, -80, 30, 0, 10, 20, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 10, 0],
    ],
)
def test_likeliest_distribution_of_scores(differences: list[float]) -> None:
    """At L the likeliest distribution makes a sum as high with the level of so many scores."""
    low, _ = bounds(differences)

    values, counts = np.unique([*differences, -100.0], return_counts=True)
    counts[0] -= 1
    count = len(differences)

    def unlikely(chances: np.ndarray) -> float:
        seen = counts > 0
        return -float(counts[seen] @ np.log(chances[seen]))

    fitted = optimize.minimize(
        unlikely,
        np.full(len(values), 1 / len(values)),
        bounds=[(1e-12, 1)] * len(values),
        constraints=[
            {"type": "eq", "fun": lambda chances: chances.sum() - 1},
            {"type": "eq", "fun": lambda chances: (chances @ values - low) / 100},
        ],
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    masses = np.zeros(21)
    masses[((values + 100) / 10).astype(int)] = fitted.x
    total = np.ones(1)
    for _ in range(count):
        total = np.convolve(total, masses)
    least = round((sum(differences) + 100 * count) / 10)

    assert total[least:].sum() == pytest.approx(expanded(0.05, count), rel=0.005)


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_close_to_student_and_bootstrap_where_many_differ(share: float) -> None:
    """With hundreds of pairs that differ the bounds are those of the usual intervals."""
    lots = np.random.default_rng(123)
    differences = lots.normal(-1, 25, 800).clip(-100, 100) * (lots.random(800) < share)
    mean, error = differences.mean(), differences.std(ddof=1) / math.sqrt(800)
    student = stats.t.interval(0.9, 799, mean, error)
    bootstrap = stats.bootstrap(
        (differences,), np.mean, confidence_level=0.9, n_resamples=5000, random_state=lots
    ).confidence_interval

    both = bounds(differences.tolist())

    assert both == pytest.approx(student, abs=0.05 * error)
    assert both == pytest.approx(tuple(bootstrap), abs=0.1 * error)


@cache
def low_of_answers(losses: int, wins: int, count: int, alpha: float) -> float:
    """Return L of so many right and wrong answers."""
    return bounds(answers(losses, wins, count), alpha, is_binary=True)[0]


def chance_above(worse: float, differ: float, count: int, alpha: float, mean: float) -> float:
    """Return the probability that L is above ``mean``, over all outcomes that are likely."""
    losses, wins = (number.ravel() for number in np.indices((count + 1, count + 1)))
    lost = (1 + worse / (100 * differ)) / 2
    chances = stats.binom.pmf(losses + wins, count, differ)
    chances *= stats.binom.pmf(losses, losses + wins, lost)
    return sum(
        float(chance)
        for number, others, chance in zip(losses, wins, chances, strict=True)
        if chance > 1e-5 and low_of_answers(int(number), int(others), count, alpha) > mean + 1e-9
    )


@pytest.mark.parametrize("differ", [0.02, 0.05, 0.1, 0.2, 0.4])
def test_exact_coverage_of_right_and_wrong_answers(differ: float) -> None:
    """A model that is exactly M worse passes no more often than alpha."""
    for worse in (0, 2, 5, 10):
        if worse <= 100 * differ:
            assert chance_above(worse, differ, 20, 0.05, -worse) <= 0.05


@pytest.mark.parametrize("is_binary", [True, False])
def test_groups_of_one(*, is_binary: bool) -> None:
    """Each record its own group: the same to the last digit."""
    differences = random.Random(1).choices([-100.0, 0.0, 100.0], [1, 8, 2], k=110)  # noqa: S311

    alone = bounds(differences, is_binary=is_binary, groups=[f"r{n}" for n in range(110)])

    assert alone == bounds(differences, is_binary=is_binary)


@pytest.mark.parametrize("copies", [2, 3])
def test_copies_in_groups_are_no_more_records(copies: int) -> None:
    """Records that stand there several times say what they say once."""
    lots = random.Random(2)  # noqa: S311
    differences = [lots.choice([0.0, 0.0, round(lots.gauss(0, 20), 1)]) for _ in range(60)]
    groups = [number for number in range(60) for _ in range(copies)]

    grouped = bounds([differences[number] for number in groups], groups=groups)

    assert grouped == pytest.approx(bounds(differences), rel=1e-9)
    independent = bounds([differences[number] for number in groups])
    assert grouped[0] < independent[0] < independent[1] < grouped[1]


def test_an_unseen_group_may_be_as_large_as_the_largest() -> None:
    """Groups of different sizes without a difference: a share of large ones that lost all."""
    groups = [*"aaaaabbbcdefghi", *"jklmnopqrst"]
    share = 1 - expanded(0.05, 20) ** (1 / 20)

    low, high = bounds([0.0] * len(groups), groups=groups)

    mean_size = len(groups) / 20
    assert low == pytest.approx(-100 * 5 * share / (5 * share + mean_size * (1 - share)), rel=1e-6)
    assert high == -low


@pytest.mark.parametrize("seed", range(20))
def test_bounds_hold_the_mean_and_mirror(seed: int) -> None:
    """L <= mean <= U, within what is possible; with losses and wins exchanged they are mirrored."""
    lots = random.Random(seed)  # noqa: S311
    count = lots.randint(2, 40)
    differences = [lots.choice([0.0, -100.0, 37.5, lots.uniform(-90, 90)]) for _ in range(count)]

    low, high = bounds(differences)

    assert -100 <= low <= statistics.fmean(differences) <= high <= 100
    mirrored = bounds([-difference for difference in differences])
    assert mirrored == pytest.approx((-high, -low), abs=0.3)
    strict = bounds(differences, 0.01)
    assert strict[0] <= low
    assert high <= strict[1]


def test_all_alike() -> None:
    """The worst there can be is its own bound; what all pairs say is not all there may be."""
    assert bounds([-100.0] * 50)[0] == -100
    assert bounds([100.0] * 50)[1] == 100
    low, high = bounds([5.0] * 50)
    share = 1 - expanded(0.05, 50) ** (1 / 50)
    assert (low, high) == pytest.approx((5 - 105 * share, 5 + 95 * share), rel=1e-9)


def test_nothing_bounds_a_difference() -> None:
    """Then an unseen loss is larger than any seen, by the mean that exponential ones may have."""
    differences = [0.02, -0.01, 0.0, 0.03, -0.02, 0.01, 0.0, -0.04, 0.0, 0.01]
    further = 2 * sum(map(abs, differences)) / stats.chi2.ppf(0.05, 14)

    unbounded = bounds(differences, lowest=-math.inf, highest=math.inf)

    end = 0.04 + further
    assert unbounded == pytest.approx(bounds(differences, lowest=-end, highest=end), rel=1e-9)


@pytest.mark.parametrize(
    ("differences", "groups", "end"),
    [
        ([], None, 100.0),
        ([-5.0], None, 100.0),
        ([1.0, 2.0, 3.0], "aaa", 100.0),
        ([0.0] * 50, None, math.inf),
    ],
)
def test_nothing_can_be_said(differences: list[float], groups: str | None, end: float) -> None:
    """Fewer than two pairs or groups, and equal scores of a measure without bounds."""
    both = mean_bounds(differences, 0.05, is_binary=False, groups=groups, lowest=-end, highest=end)

    assert both is None


def test_records_to_tell_have_the_power() -> None:
    """With so many right and wrong answers an equal model passes in 80 %, and hardly more."""
    count = records_to_tell(100 * math.sqrt(0.2), 20, 0.05)

    assert 0.78 < chance_above(0, 0.2, count, 0.05, -20) < 0.86


@pytest.mark.parametrize("margin", [2, 5])
def test_records_to_tell_of_equal_scores(margin: int) -> None:
    """Where no score differs it is the smallest suite that passes."""
    count = records_to_tell(0, margin, 0.05)

    assert bounds([0.0] * count)[0] > -margin
    assert bounds([0.0] * (count - 1))[0] <= -margin


@pytest.mark.parametrize("alpha", [0.01, 0.05 / 16])
def test_records_to_tell_are_enough_at_other_levels(alpha: float) -> None:
    """They are more than needed, by less than half."""
    count = records_to_tell(0, 5, alpha)

    assert bounds([0.0] * (2 * count // 3), alpha)[0] < -5 < bounds([0.0] * count, alpha)[0]


def test_records_to_tell_of_large_suites() -> None:
    """Where many records are needed it is the usual formula, a few records apart."""
    usual = ((1.6448536 + 0.8416212) * 30 / 1) ** 2

    assert records_to_tell(30, 1, 0.05) == pytest.approx(usual, rel=0.02)
    assert records_to_tell(30, 1, 0.05, power=0.9) > records_to_tell(30, 1, 0.05)
    assert records_to_tell(30, 100, 0.05) >= 2


def test_records_to_tell_where_nothing_bounds_a_loss() -> None:
    """Held-out loss is in nats: the usual formula, with the level of so many records."""
    count = records_to_tell(0.1, 0.05, 0.05, furthest=math.inf)

    level = stats.norm.ppf(expanded(0.05, count))
    assert count == math.ceil(((0.8416212 - level) * 0.1 / 0.05) ** 2)


@pytest.mark.parametrize("furthest", [100, math.inf])
@pytest.mark.parametrize(("deviation", "margin"), [(30, 3), (30, 9), (0.5, 4)])
def test_the_margin_of_so_many_records(deviation: float, margin: float, furthest: float) -> None:
    """What a suite can prove is the margin for which it has just enough records."""
    count = records_to_tell(deviation, margin, 0.05, furthest=furthest)

    least = margin_to_tell(deviation, count, 0.05, furthest=furthest)

    assert least <= margin
    assert records_to_tell(deviation, least, 0.05, furthest=furthest) == count
    assert records_to_tell(deviation, 0.98 * least, 0.05, furthest=furthest) >= count


@pytest.mark.parametrize("alpha", [0.3, 0.45, 0.49, 0.499])
def test_a_level_near_one_half(alpha: float) -> None:
    """A bound that ties put beyond the mean is the mean."""
    differences = [-100.0, *[0.0] * 19]

    low, high = bounds(differences, alpha, is_binary=True)

    assert low <= statistics.fmean(differences) <= high
    assert bounds([-10, 100, 0, 50, 100, 100, -10, -5], 0.499)[0] <= 40.625


def test_a_level_below_what_is_computed() -> None:
    """No bound is narrower than one that rounding decides over."""
    low, high = bounds([100.0] * 8, 1e-300, is_binary=True)

    assert low == pytest.approx(100 - 200 * (1 - 1e-12 ** (1 / 8)))
    assert high == 100


def test_whole_numbers_that_are_far_apart() -> None:
    """They take no more room than any others."""
    low, high = bounds([0.0, -738933.944742062, 0.0], 1e-9, lowest=-math.inf, highest=math.inf)

    assert low < -738933 < 738933 < high
