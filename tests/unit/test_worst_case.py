"""What can fail at all beside a baseline, by the tests that decide."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_llmjudge.comparison import compare
from pytest_llmjudge.data import Measure
from pytest_llmjudge.extremes import fewest_falls, least_p
from pytest_llmjudge.gates import decide_baseline
from pytest_llmjudge.worst_case import why_it_cannot_fail
from tests.unit.test_comparison import exam, side


@pytest.mark.parametrize("is_binary", [False, True])
def test_how_many_it_takes(*, is_binary: bool) -> None:
    """One in 2^n, so five at 5 %."""
    least = [least_p(number, is_binary=is_binary) for number in (1, 2, 4, 5)]

    assert fewest_falls(is_binary=is_binary) == 5
    assert least == [1 / 2, 1 / 4, 1 / 16, 1 / 32]


@pytest.mark.parametrize("max_drop", [0, 60, 100])
@pytest.mark.parametrize("zeros", [0, 3])
@pytest.mark.parametrize("count", [1, 4, 5, 15])
def test_beside_the_gate_itself(count: int, zeros: int, max_drop: float) -> None:
    """It can fail exactly where the gate fails a model that scores 0 everywhere."""
    old = side(*[80] * count, *[0] * zeros)
    worst = side(*[0] * (count + zeros))

    why = why_it_cannot_fail(old, [(one.id, one.content) for one in old.entries], max_drop)

    assert (why is None) is not decide_baseline(compare(old, worst), max_drop).passed


@pytest.mark.parametrize("right", ["x", "xxxx....", "xxxxx...", "........", "x" * 30])
def test_exams_beside_the_gate_itself(right: str) -> None:
    """The same of questions that are right or wrong."""
    old, worst = exam(right), exam("." * len(right))

    why = why_it_cannot_fail(old, [(one.id, one.content) for one in old.entries], 0)

    assert (why is None) is not decide_baseline(compare(old, worst), 0).passed


def test_what_is_not_compared_fails() -> None:
    """A baseline without these records is refused by the gate, which so can fail."""
    old = side(*[80] * 3)

    assert why_it_cannot_fail(replace(old, entries=()), [("r0", "")], 0) is None
    assert why_it_cannot_fail(old, [("other", "")], 0) is None


def test_where_higher_is_worse() -> None:
    """Nothing bounds a rise, so only too few records keep the gate from failing."""
    few, enough = (
        replace(side(*[80] * count), measure=Measure("loss", unit="nats", higher_is_better=False))
        for count in (4, 5)
    )

    assert why_it_cannot_fail(enough, [(f"r{n}", "") for n in range(5)], 100) is None
    assert why_it_cannot_fail(few, [(f"r{n}", "") for n in range(4)], 0) == (
        (
            "only 4 of its records can score higher than in the baseline, which shows no rise: "
            "p = 0.062 at best, and p < 0.05 is needed"
        ),
        "give it 5 such records or more",
    )
