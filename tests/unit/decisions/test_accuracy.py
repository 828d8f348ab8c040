"""Shares of right answers: their intervals beside other code's, and what is said of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from pytest_llmjudge.decisions.accuracy import Share, decide_share, share_of
from pytest_llmjudge.stats.basics import design_effect, proportion_interval


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_answers_that_are_alone(right: list[bool]) -> None:
    """The interval is scipy's of Wilson."""
    share = share_of(right, list(range(len(right))))

    assert share == Share(sum(right), len(right))
    expected = binomtest(sum(right), len(right)).proportion_ci(method="wilson")
    assert share.interval == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_answers_in_groups() -> None:
    """Groups that agree wholly count as one answer each, with Student's quantile for so few."""
    right = [number // 4 % 2 == 0 for number in range(40)]
    groups = [number // 4 for number in range(40)]

    share = share_of(right, groups)

    assert share is not None
    assert (share.correct, share.total, share.groups) == (20, 40, 10)
    effect = design_effect(right, groups) or 0
    size = 40 / effect * (1.959964 / 2.262157) ** 2
    assert share.interval == pytest.approx(proportion_interval(size / 2, size), abs=1e-5)
    low, high = Share(20, 40).interval
    assert share.interval[0] < low
    assert share.interval[1] > high


def test_a_single_group() -> None:
    """It tells nothing; neither does nothing."""
    share, nothing = (share_of(right, [0] * len(right)) for right in ([True, False], []))

    assert nothing is None
    assert share is not None
    assert share.interval == (0, 1)


@pytest.mark.parametrize(
    ("share", "minimum", "reason", "passed"),
    [
        (Share(1, 1), None, "accuracy 1.0000 (1 of 1 record, 95 % CI 0.2065 to 1.0000)", True),
        (
            Share(3, 4),
            0.1,
            (
                "accuracy 0.7500 (3 of 4 records, 95 % CI 0.3006 to 0.9544) is at least "
                "min_accuracy 0.1"
            ),
            True,
        ),
        (
            Share(3, 4, 2, 4.0),
            0.8,
            (
                "accuracy 0.7500 (3 of 4 records in 2 groups, 95 % CI 0.3006 to 0.9544) is below "
                "min_accuracy 0.8; the difference is within noise"
            ),
            False,
        ),
    ],
)
def test_decisions(share: Share, minimum: float | None, reason: str, passed: bool) -> None:  # noqa: FBT001
    """They name the figures, the limit, and whether chance may have decided."""
    decision = decide_share(share, minimum)

    expected = f"{reason}, no min_accuracy is set" if minimum is None else reason
    assert (decision.reason, decision.passed) == (expected, passed)
