"""What can fail at all beside a baseline, by the tests that decide."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scipy.stats import binomtest

from pytest_llmjudge.data import Measure, Rule, Side
from pytest_llmjudge.decisions.comparison import compare
from pytest_llmjudge.decisions.gates import decide_baseline
from pytest_llmjudge.decisions.worst_case import why_it_cannot_fail
from pytest_llmjudge.stats.basics import mcnemar_test, sign_flip_test
from pytest_llmjudge.stats.extremes import fewest_falls, least_p
from tests.unit.decisions.test_comparison import exam, side


@pytest.mark.parametrize("is_binary", [False, True])
def test_how_many_it_takes(*, is_binary: bool) -> None:
    """One in 2^n, so five at 5 %."""
    least = [least_p(number, number, is_binary=is_binary) for number in (1, 2, 4, 5)]

    assert fewest_falls() == 5
    assert least == [1 / 2, 1 / 4, 1 / 16, 1 / 32]


@pytest.mark.parametrize("alpha", [0.05, 0.05 / 4, 0.05 / 16, 0.001, 0.0001])
def test_how_many_it_takes_at_other_levels(alpha: float) -> None:
    """The first number at which McNemar's exact test is below the level where all are lost."""
    by_test = next(n for n in range(1, 40) if binomtest(n, n, alternative="greater").pvalue < alpha)

    assert fewest_falls(alpha) == by_test


@pytest.mark.parametrize(("falls", "pairs"), [(1, 1), (9, 9), (14, 14), (15, 15), (40, 40)])
def test_the_smallest_p_beside_the_tests(falls: int, pairs: int) -> None:
    """Up to 14 pairs in one of 2^n ways; beyond, 10,000 resamples have no p below 1 / 10,001."""
    flipped = sign_flip_test([-1.0] * falls + [0.0] * (pairs - falls))

    assert least_p(falls, pairs, is_binary=False) == pytest.approx(flipped)
    assert least_p(falls, pairs, is_binary=True) == pytest.approx(mcnemar_test(falls, 0))


def keys(old: Side) -> list[tuple[str, str]]:
    return [(one.id, one.content) for one in old.entries]


@pytest.mark.parametrize("max_drop", [0, 60, 100])
@pytest.mark.parametrize("zeros", [0, 3])
@pytest.mark.parametrize("count", [1, 4, 5, 15])
@pytest.mark.parametrize("suites", [1, 16])
def test_beside_the_gate_itself(count: int, zeros: int, max_drop: float, suites: int) -> None:
    """It can fail exactly where the gate fails a model that scores 0 everywhere."""
    old = side(*[80] * count, *[0] * zeros)
    worst = side(*[0] * (count + zeros))
    rule = Rule(margin=max_drop, option="--llm-judge-max-drop", suites=suites)

    why = why_it_cannot_fail(old, keys(old), rule)

    assert (why is None) is not decide_baseline(compare(old, worst, rule)).passed


@pytest.mark.parametrize(
    ("inconclusive", "count", "max_drop", "can_fail"),
    [("fail", 4, 60, True), ("fail", 4, 80, False), ("warn", 4, 60, False), ("warn", 5, 60, True)],
)
def test_what_is_to_be_proved(
    inconclusive: str, count: int, max_drop: float, *, can_fail: bool
) -> None:
    """Too few records fail as inconclusive, unless that only warns; a margin may be too large."""
    old = side(*[80] * count)
    rule = Rule("not-worse", max_drop, "--llm-judge-max-drop", inconclusive)

    assert (why_it_cannot_fail(old, keys(old), rule) is None) is can_fail


def test_a_level_below_that_of_resampling() -> None:
    """More than 14 pairs have no p below 1 / 10,001, however many fall."""
    old, rule = side(*[80] * 30), Rule(alpha=0.001, suites=12)

    assert why_it_cannot_fail(old, keys(old), rule) == (
        "p < 8.33e-05 is needed, and a test of 10,000 resamples has 1 / 10,001 at best",
        "compare fewer suites in one run, or raise alpha",
    )
    assert decide_baseline(compare(old, side(*[0] * 30), rule)).passed


@pytest.mark.parametrize("right", ["x", "xxxx....", "xxxxx...", "........", "x" * 30])
def test_exams_beside_the_gate_itself(right: str) -> None:
    """The same of questions that are right or wrong."""
    old, worst = exam(right), exam("." * len(right))

    why = why_it_cannot_fail(old, keys(old), Rule())

    assert (why is None) is not decide_baseline(compare(old, worst)).passed


def test_nothing_to_lose() -> None:
    """A baseline that is at 0 allows no fewer points to be lost."""
    old = exam("." * 8)

    assert why_it_cannot_fail(old, keys(old), Rule()) == (
        "the baseline scored 0 points, which leaves nothing to lose",
        "ask what its model can answer",
    )


def test_what_is_not_compared_fails() -> None:
    """A baseline without these records is refused by the gate, which so can fail."""
    old = side(*[80] * 3)

    assert why_it_cannot_fail(replace(old, entries=()), [("r0", "")], Rule()) is None
    assert why_it_cannot_fail(old, [("other", "")], Rule()) is None


def test_where_higher_is_worse() -> None:
    """Nothing bounds a rise, so only too few records keep the gate from failing."""
    few, enough = (
        replace(side(*[80] * count), measure=Measure("loss", unit="nats", higher_is_better=False))
        for count in (4, 5)
    )

    assert why_it_cannot_fail(enough, [(f"r{n}", "") for n in range(5)], Rule(margin=100)) is None
    assert why_it_cannot_fail(few, [(f"r{n}", "") for n in range(4)], Rule()) == (
        (
            "only 4 of its records can score higher than in the baseline, which shows no rise: "
            "p = 0.062 at best, and p < 0.05 is needed"
        ),
        "give it 5 such records or more",
    )
