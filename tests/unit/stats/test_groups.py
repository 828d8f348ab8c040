"""Numbers of records in groups: beside independent computations, and unchanged without groups."""

from __future__ import annotations

import itertools
import math
import operator
import random
import statistics
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from pytest_llmjudge.data import Rule
from pytest_llmjudge.decisions.comparison import compare
from pytest_llmjudge.decisions.gates import decide_average, decide_baseline
from pytest_llmjudge.decisions.sample_size import too_few
from pytest_llmjudge.decisions.win_rate import decide_win_rate, summarise
from pytest_llmjudge.decisions.worst_case import why_it_cannot_fail
from pytest_llmjudge.reporting.power import power_lines
from pytest_llmjudge.stats.basics import (
    design_effect,
    detectable_drop,
    difference_interval,
    mean_interval,
    ratio_interval,
    reach_of,
    records_needed,
    sign_flip_test,
    spread,
)
from pytest_llmjudge.stats.bounds import mean_bounds, records_to_tell
from pytest_llmjudge.stats.groups import group_numbers, in_groups, totals
from pytest_llmjudge.stats.preference import standard_error, win_rate_interval
from pytest_llmjudge.stats.unpaired import unpaired_test
from tests.unit.decisions.test_comparison import JUDGED, exam, side

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from pytest_llmjudge.data import Side

SIZES = (1, 3, 2, 5, 1, 1, 4, 2, 3, 2)
GROUPS = [group for group, size in enumerate(SIZES) for _ in range(size)]
VALUES = st.lists(st.integers(0, 100), min_size=1, max_size=20)


def drawn(seed: int, groups: Sequence[int] = GROUPS, *, mean: float = 60) -> list[int]:
    """Draw scores that a group shares to a large part."""
    lots = random.Random(seed)  # noqa: S311  # for numbers that repeat
    common = [lots.gauss(mean, 20) for _ in range(max(groups) + 1)]
    return [round(min(100, max(0, common[group] + lots.gauss(0, 8)))) for group in groups]


def in_these(made: Side, groups: Sequence[Hashable]) -> Side:
    """Put the records of a side into groups."""
    entries = (
        replace(entry, group=str(group)) for entry, group in zip(made.entries, groups, strict=True)
    )
    return replace(made, entries=tuple(entries))


def clustered_error(values: Sequence[float], groups: Sequence[int]) -> float:
    """Return the cluster-robust standard error of a mean, as statistics packages compute it.

    That is least squares on a constant with the sandwich of C. Hansen, Econometrics, 2022, 4.22,
    times G / (G - 1).
    """
    design = np.ones((len(values), 1))
    bread = np.linalg.inv(design.T @ design)
    residuals = np.asarray(values, dtype=float) - np.mean(values)
    meat = np.zeros((1, 1))
    for group in set(groups):
        own = np.asarray(groups) == group
        score = design[own].T @ residuals[own]
        meat += np.outer(score, score)
    number = len(set(groups))
    return float(np.sqrt((bread @ meat @ bread)[0, 0] * number / (number - 1)))


def test_groups_are_numbered_as_they_appear() -> None:
    """One without a name is alone; where all are, nothing is grouped."""
    assert group_numbers(["b", None, "a", "b", None]) == [0, 1, 2, 0, 3]
    assert group_numbers(["b", "a", None]) is None
    assert group_numbers([]) is None
    assert (in_groups([0, 1, 1]), in_groups(1), in_groups(None)) == (
        " in 2 groups",
        " in 1 group",
        "",
    )


@settings(max_examples=30, deadline=None)
@given(VALUES, st.randoms(use_true_random=False))
def test_groups_of_one_change_no_digit(scores: list[int], lots: random.Random) -> None:
    """Each function gives what it gives without groups."""
    groups = list(range(len(scores)))
    lots.shuffle(groups)
    signed = [score - 50 for score in scores]
    rates = [(0.0, 0.5, 1.0)[score % 3] for score in scores]
    counts = [1 + score for score in scores]
    pairs = [(float(score), float(100 - score)) for score in scores]
    order = [*groups, len(groups)]

    assert mean_interval(scores, groups) == mean_interval(scores)
    assert ratio_interval(scores, counts, groups) == ratio_interval(scores, counts)
    assert sign_flip_test(signed, groups) == sign_flip_test(signed)
    assert design_effect(scores, groups) == 1
    assert win_rate_interval(rates, groups) == win_rate_interval(rates)
    assert standard_error(rates, groups) == standard_error(rates)
    assert reach_of(scores, 9.0, 4, drop=5, power=0.8, groups=groups, effect=3.0) == reach_of(
        scores, 9.0, 4, drop=5, power=0.8
    )
    assert difference_interval(signed, groups) == difference_interval(signed)
    assert unpaired_test(
        pairs, [50.0], [40.0], groups_before=order, groups_after=order
    ) == unpaired_test(pairs, [50.0], [40.0])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=20))
def test_a_comparison_with_groups_of_one(pairs: list[tuple[int, int]]) -> None:
    """It is that without groups, whatever the baseline's file calls them."""
    old, new = side(*(was for was, _ in pairs)), side(*(now for _, now in pairs), passes_at=50)

    assert compare(in_these(old, [0] * len(pairs)), in_these(new, range(len(pairs)))) == compare(
        old, new
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_interval_of_a_mean(seed: int) -> None:
    """Student's with the cluster-robust standard error, and a degree of freedom less than groups."""
    scores = drawn(seed)
    expected = scipy_stats.t.interval(
        0.95, len(SIZES) - 1, loc=np.mean(scores), scale=clustered_error(scores, GROUPS)
    )

    assert mean_interval(scores, GROUPS) == pytest.approx(expected)
    assert design_effect(scores, GROUPS) == pytest.approx(
        clustered_error(scores, GROUPS) ** 2 / scipy_stats.sem(scores) ** 2
    )
    assert standard_error(scores, GROUPS) == pytest.approx(clustered_error(scores, GROUPS))


def test_the_interval_of_a_loss() -> None:
    """All tokens of a group count as those of one text."""
    lots = np.random.default_rng(1)
    counts = [int(count) for count in lots.integers(5, 60, len(GROUPS))]
    sums = [float(count * lots.normal(2, 0.5)) for count in counts]
    whole = [
        (
            math.fsum(total for total, group in zip(sums, GROUPS, strict=True) if group == one),
            sum(count for count, group in zip(counts, GROUPS, strict=True) if group == one),
        )
        for one in range(len(SIZES))
    ]

    assert ratio_interval(sums, counts, GROUPS) == ratio_interval(*zip(*whole, strict=True))


def bca(differences: Sequence[float], groups: Sequence[int]) -> tuple[float, float]:
    """Return the BCa interval of the mean where groups are drawn, step by step (B. Efron, 1987)."""
    lots = np.random.default_rng(7)
    number = max(groups) + 1
    members = [np.asarray(differences)[np.asarray(groups) == one] for one in range(number)]
    means = np.sort(
        [
            np.concatenate([members[one] for one in lots.integers(number, size=number)]).mean()
            for _ in range(10_000)
        ]
    )
    mean, normal = np.mean(differences), scipy_stats.norm
    below = (np.mean(means < mean) + np.mean(means <= mean)) / 2
    left_out = np.array(
        [np.concatenate([*members[:one], *members[one + 1 :]]).mean() for one in range(number)]
    )
    apart = left_out.mean() - left_out
    acceleration = (apart**3).sum() / (6 * (apart**2).sum() ** 1.5)
    bounds = []
    for share in (0.025, 0.975):
        z = normal.ppf(below) + normal.ppf(share)
        level = normal.cdf(normal.ppf(below) + z / (1 - acceleration * z))
        bounds.append(float(np.quantile(means, level)))
    return bounds[0], bounds[1]


@pytest.mark.parametrize("seed", range(2))
def test_whole_groups_are_resampled(seed: int) -> None:
    """As a bootstrap written out step by step does, within what 10,000 resamples allow."""
    groups = [*GROUPS, *(len(SIZES) + group for group in GROUPS)]
    differences = drawn(seed, groups, mean=0)

    interval = difference_interval(differences, groups)
    alone = difference_interval(differences)

    assert interval is not None
    assert alone is not None
    assert interval == pytest.approx(bca(differences, groups), abs=0.4)
    assert interval[1] - interval[0] > 1.2 * (alone[1] - alone[0])


def test_groups_that_all_moved_alike() -> None:
    """There is nothing to resample, though records of a group differ."""
    assert difference_interval([-3, 3, -3, 3], [0, 0, 1, 1]) == (0, 0)
    assert difference_interval([1, 3, 2], [0, 0, 1]) == (2, 2)
    assert difference_interval([1, 3, 2], [0, 0, 0]) is None


@pytest.mark.parametrize("seed", range(4))
def test_whole_groups_are_flipped(seed: int) -> None:
    """All 2^G ways of flipping all differences of a group together, counted one by one."""
    differences = [score - 55 for score in drawn(seed)]
    ways = [
        sum(map(operator.mul, differences, (signs[group] for group in GROUPS)))
        for signs in itertools.product((1, -1), repeat=len(SIZES))
    ]
    expected = sum(total <= sum(differences) for total in ways) / len(ways)

    assert sign_flip_test(differences, GROUPS) == pytest.approx(expected)


def every_draw(pieces: Sequence[Sequence[float]], number: int) -> list[float]:
    """Return how far the mean of each choice of so many pieces is above that of the others."""
    apart = []
    for chosen in itertools.combinations(range(len(pieces)), number):
        inside, outside = (
            [s for place, own in enumerate(pieces) if (place in chosen) is side for s in own]
            for side in (True, False)
        )
        apart.append(statistics.fmean(inside) - statistics.fmean(outside))
    return apart


@pytest.mark.parametrize("seed", range(3))
def test_whole_groups_do_not_pair_up(seed: int) -> None:
    """The drawn p is that of all choices there are, within what 10,000 draws allow."""
    lots = random.Random(seed)  # noqa: S311  # for numbers that repeat
    # The last group was replaced, and of the one before it the last record.
    groups, number = [0, 0, 0, 1, 1, 2, 3, 3, 4, 3, 5, 5, 5], 4
    parts = [[0, 1, 2], [3, 4], [5], [6, 7], [8], [9], [10, 11, 12]]
    before, after = ([float(lots.randint(0, 100)) for _ in groups] for _ in range(2))
    paired = list(zip(before[:-number], after[:-number], strict=True))
    was, now = (
        statistics.fmean(pool[-number:]) - statistics.fmean(pool[:-number])
        for pool in (before, after)
    )
    ways = [
        every_draw([[pool[place] for place in part] for part in parts], 2)
        for pool in (before, after)
    ]
    differences = np.subtract.outer(ways[1], ways[0])
    expected = float((differences <= now - was + 1e-9).mean())

    p = unpaired_test(
        paired,
        before[-number:],
        after[-number:],
        groups_before=groups,
        groups_after=groups,
    )

    assert p == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_the_interval_of_a_win_rate(seed: int) -> None:
    """The shares p with |rate - p| = t sqrt(effect p (1 - p) / n), t of Student's distribution."""
    scores = [(0.0, 0.5, 1.0)[min(2, score // 30)] for score in drawn(seed)]
    effect = clustered_error(scores, GROUPS) ** 2 / scipy_stats.sem(scores) ** 2
    width = scipy_stats.t.ppf(0.975, len(SIZES) - 1) ** 2 * max(1, effect) / len(scores)
    rate = statistics.fmean(scores)
    expected = sorted(np.roots([1 + width, -2 * rate - width, rate**2]))

    assert win_rate_interval(scores, GROUPS) == pytest.approx(expected)


def test_what_no_pair_of_groups_tells() -> None:
    """Pairs that were all won count as groups; one group tells nothing."""
    won, groups = [1.0] * 30, [place // 3 for place in range(30)]
    t = scipy_stats.t.ppf(0.975, 9)

    low, high = win_rate_interval(won, groups) or (0, 0)

    assert (low, high) == pytest.approx((1 / (1 + t * t / 10), 1))
    assert win_rate_interval(won, [0] * 30) == (0, 1)
    assert win_rate_interval([1.0, 0.0], [0, 0]) == (0, 1)


def test_figures_of_a_comparison() -> None:
    """Groups of the new side count, whatever the old file has; McNemar's test is not made."""
    was, now = drawn(1), [score - 20 for score in drawn(2)]
    old, new = side(*was), side(*now, passes_at=50)
    differences = [after - before for before, after in zip(was, now, strict=True)]
    turned = [(after >= 50) - (before >= 50) for before, after in zip(was, now, strict=True)]

    comparison = compare(in_these(old, range(len(was))), in_these(new, GROUPS))

    # Ids, and with them pairs, are in the order of texts: r0, r1, r10, r11, …
    effect = design_effect(differences, GROUPS)
    assert effect is not None
    assert comparison.p == sign_flip_test(differences, GROUPS)
    assert comparison.mcnemar_p == sign_flip_test(turned, GROUPS)
    assert comparison.detectable == pytest.approx(
        detectable_drop(spread(differences) or 0, len(was), effect=effect)
    )
    changed = sum(total != 0 for total in totals(differences, GROUPS)[0])
    assert comparison.grouped is not None
    assert comparison.grouped.design_effect == pytest.approx(effect)
    assert (comparison.grouped.groups, comparison.grouped.changed) == (len(SIZES), changed)
    assert replace(comparison, grouped=None) != compare(old, new)


def test_groups_that_are_gone() -> None:
    """A comparison says that only the baseline has them; none of its figures goes by groups."""
    old, new = side(*drawn(1)), side(*drawn(2))

    gone = compare(in_these(old, GROUPS), new)

    assert gone.note == (
        "the baseline's records are in groups and this run's are not: each counts for itself"
    )
    assert replace(gone, note="") == compare(old, new)


def test_what_a_gate_says_of_groups() -> None:
    """How many there are, and that too few cannot show anything, however many records they have."""
    few = [place // 10 for place in range(40)]
    old, new = side(*[80] * 40), side(*[0] * 40)

    decision = decide_baseline(compare(old, in_these(new, few)))

    assert decision.passed
    assert decision.reason.endswith("; 4 groups cannot show any drop")
    scores = {str(place): 10 * (place % 3) for place in range(6)}
    groups = {str(place): str(place % 3) for place in range(6)}
    assert decide_average(scores, None, {}, groups).reason == (
        "average 10 over 6 records in 3 groups (95 % CI 0 to 34.84), no min_average is set"
    )
    pairs = [("a", (), "x", "y"), ("b", (), "x", "y"), ("a", (), "x", "y")]
    assert decide_win_rate(summarise(pairs, ["1", "1", "2"]), 0.5, {}, 3).reason.startswith(
        "win rate 0.6667 (2 won, 0 tied, 1 lost of 3 pairs in 2 groups, 95 % CI "
    )


@pytest.mark.parametrize(("number", "size"), [(4, 10), (5, 2), (20, 3)])
def test_what_cannot_fail_beside_the_gate(number: int, size: int) -> None:
    """It can fail exactly where the gate fails a model that scores 0 everywhere."""
    names = [str(place // size) for place in range(number * size)]
    old = side(*[80] * len(names))
    worst = in_these(side(*[0] * len(names)), names)

    why = why_it_cannot_fail(old, [(one.id, one.content) for one in old.entries], Rule(), names)

    assert (why is None) is not decide_baseline(compare(old, worst)).passed
    if number == 4:
        assert why == (
            (
                "only 4 of its groups can score lower than in the baseline, which shows no drop: "
                "p = 0.062 at best, and p < 0.05 is needed"
            ),
            "give it 5 such groups or more",
        )


def test_questions_in_groups() -> None:
    """Where an answer is right or wrong, flips of groups' sums take the place of McNemar's test."""
    old, new = exam("x" * 12), exam("." * 12)
    threes = [place // 3 for place in range(12)]

    assert compare(old, new).p == pytest.approx(2**-12)
    assert compare(old, in_these(new, threes)).p == pytest.approx(2**-4)


def test_what_a_grouped_suite_can_show() -> None:
    """Records and groups are needed by the design effect; the scores' own where none is known."""
    scores = drawn(3)
    effect = design_effect(scores, GROUPS)
    assert effect is not None

    measured = reach_of(scores, 10.0, 24, drop=5, power=0.8, groups=GROUPS, effect=2.0)
    assumed = reach_of(scores, None, 0, drop=5, power=0.8, groups=GROUPS, effect=2.0)
    one = reach_of(scores, 10.0, 24, drop=5, power=0.8, groups=[0] * len(scores))

    # (1.645 + 0.842)**2 * 10**2 * 2 / 5**2, and 10 groups have 24 records.
    assert (measured.needed, measured.groups, measured.groups_needed) == (50, 10, 21)
    assert measured.detectable == pytest.approx(10 * 2.4865 * math.sqrt(2 / 24), rel=1e-4)
    assert assumed.design_effect == pytest.approx(effect)
    assert assumed.needed == records_needed(assumed.deviation or 0, 5, effect=effect)
    assert (one.groups, one.needed, one.detectable) == (1, None, None)
    assert list(power_lines("s", measured, Rule(margin=5), 0.8, JUDGED)) == [
        (
            "s: 50 records in 21 groups show a drop of 5 points in 80 % of all releases that have "
            "it, with at most 5 % false alarms"
        ),
        "  its 24 scored records in 10 groups show drops of 7.2 points or more",
        "  measured: the differences of 24 pairs have a standard deviation of 10.0 points",
        (
            "  that is 2.0 times as many records as where each is alone (the design effect of its "
            "groups)"
        ),
    ]
    assert list(power_lines("s", one, Rule(margin=5), 0.8, JUDGED)) == [
        "s: nothing is known of its spread, with 24 scores in 1 group"
    ]


def test_not_worse_with_groups() -> None:
    """Bounds are those of whole groups, and so many groups are needed as if each were a record."""
    groups = [place // 3 for place in range(60)]
    was = drawn(4, groups)
    # All records of a group change alike.
    now = [score + (5, -5, 3, -3)[group % 4] for score, group in zip(was, groups, strict=True)]
    old, new, rule = side(*was), in_these(side(*now), groups), Rule("not-worse", margin=2)

    alone, comparison = compare(old, side(*now), rule), compare(old, new, rule)
    differences = [after - before for before, after in zip(was, now, strict=True)]
    # Pairs are in the order of their ids.
    order = sorted(range(60), key=lambda place: f"r{place}")

    bounds = mean_bounds(
        [differences[place] for place in order],
        0.05,
        is_binary=False,
        groups=[groups[place] for place in order],
        lowest=-100,
        highest=100,
    )
    assert bounds is not None
    assert comparison.bounds == pytest.approx(bounds)
    assert comparison.bounds is not None
    assert alone.bounds is not None
    assert comparison.bounds[0] < alone.bounds[0]
    effect = design_effect(differences, groups)
    assert effect is not None
    deviation = spread(differences) or 0
    # What is drawn are 20 groups, whose means deviate by so much.
    number = records_to_tell(deviation * math.sqrt(effect / 3), 2, 0.05)
    needed, within = 3 * number, f" in {number} groups"
    assert (
        f"; {needed} records{within} would tell in 80 % of all cases "
        in decide_baseline(comparison).reason
    )
    keys = [(one.id, one.content) for one in old.entries]
    warning = too_few(
        old, keys, rule, deviation, 60, effect=effect, names=[str(group) for group in groups]
    )
    assert warning is not None
    assert warning.startswith("its 60 records in 20 groups are too few for a margin of 2 points: ")
    assert f"it takes {needed}{within} to prove in 80 % of all cases" in warning


@pytest.mark.parametrize("shares", [0.0, 1.0])
def test_the_groups_that_would_tell(shares: float) -> None:
    """With so many an equal model is proved in 80 %, or more, whether groups agree or not."""
    lots = np.random.default_rng(123)
    values, chances = [-100.0, 0.0, 100.0], [0.025, 0.95, 0.025]
    effect = 1 + 2 * shares
    records = records_to_tell(100 * math.sqrt(0.05), 10, 0.05, size=3, effect=effect)
    groups = [place // 3 for place in range(records)]
    proved = 0
    for _ in range(200):
        own = lots.choice(values, records, p=chances)
        differences = own[[3 * group for group in groups]] if shares else own
        low, _ = mean_bounds(
            differences.tolist(), 0.05, is_binary=True, groups=groups, lowest=-100, highest=100
        ) or (-100, 0)
        proved += low > -10

    # Within two standard deviations of 80 %.
    assert proved >= 149


def test_how_often_the_interval_misses() -> None:
    """Of 20 groups of 3 that share their score: 5 % of the time, and 26 % without groups."""
    lots = np.random.default_rng(123)
    groups = [place // 3 for place in range(60)]
    misses = [0, 0]
    for _ in range(2000):
        scores = np.repeat(lots.normal(50, 10, 20), 3).tolist()
        for place, own in enumerate((groups, None)):
            low, high = mean_interval(scores, own) or (0, 0)
            misses[place] += not low <= 50 <= high

    # Within three standard deviations of a binomial.
    assert 71 <= misses[0] <= 129
    assert misses[1] > 400


def test_false_alarms() -> None:
    """Of equal models on 20 groups of 3 that share their difference.

    At most 5 % with groups, and about 18 % where each record counts for itself, as
    ``benchmarks/gate_power.py --part groups`` measures with 10,000 suites; here there are 30.
    """
    lots = np.random.default_rng(123)
    groups = [place // 3 for place in range(60)]
    alarms = [0, 0]
    for _ in range(30):
        differences = np.repeat(lots.normal(0, 20, 20), 3).tolist()
        for place, own in enumerate((groups, None)):
            alarms[place] += sign_flip_test(differences, own) < 0.05

    assert alarms[0] <= 3 < alarms[1]
