"""Decisions over records and suites."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.gates import decide_average, decide_record

SCORE = st.integers(min_value=0, max_value=100)


@given(SCORE, SCORE)
def test_a_record_passes_at_its_threshold(score: int, threshold: int) -> None:
    """The threshold itself is enough."""
    assert decide_record(score, threshold).passed == (score >= threshold)


@given(SCORE)
def test_without_a_threshold_every_score_passes(score: int) -> None:
    """A suite may be gated by its average alone."""
    assert decide_record(score, None).passed


@given(st.lists(SCORE, min_size=1), st.floats(min_value=0, max_value=100))
def test_an_average_passes_at_its_threshold(scores: list[int], threshold: float) -> None:
    """Decided by the number, whatever the noise."""
    named = {str(index): score for index, score in enumerate(scores)}
    expected = sum(scores) >= threshold * len(scores)
    exact = abs(sum(scores) / len(scores) - threshold) > 1e-9

    decision = decide_average(named, threshold, {})

    assert decision.passed == expected or not exact


@given(st.lists(SCORE), st.integers(min_value=1, max_value=30))
def test_an_unscored_record_fails_any_average(scores: list[int], unscored: int) -> None:
    """However good the others are, and ten ids are named."""
    named: dict[str, int | None] = {f"s{index}": score for index, score in enumerate(scores)}
    named |= {f"u{index}": None for index in range(unscored)}

    decision = decide_average(named, 0, {"u0": "timeout"})

    assert not decision.passed
    assert decision.reason.startswith(f"{unscored} of {len(named)} records")
    assert ("and 1 more" in decision.reason) == (unscored == 11)
    assert decision.reason.endswith("first cause: timeout")


@pytest.mark.parametrize(
    ("scores", "threshold", "reason"),
    [
        (
            [85, 90, 80, 85],
            50,
            "average 85 of 4 records (95 % CI 78.5 to 91.5) is at least min_average 50",
        ),
        (
            [85, 90, 80, 85],
            86,
            (
                "average 85 of 4 records (95 % CI 78.5 to 91.5) is below min_average 86; "
                "the difference is within noise"
            ),
        ),
        ([70], 70, "average 70 of 1 record is at least min_average 70"),
        ([70, 70], None, "average 70 of 2 records (95 % CI 70 to 70), no min_average is set"),
        (
            [55, 55, 54] * 400 + [55],
            54.67,
            (
                "average 54.6669 of 1201 records (95 % CI 54.64 to 54.69) is below min_average "
                "54.67; the difference is within noise"
            ),
        ),
    ],
)
def test_the_reason_is_a_sentence(scores: list[int], threshold: float | None, reason: str) -> None:
    """Average, size, interval, threshold, and whether noise could have decided."""
    named = {str(index): score for index, score in enumerate(scores)}

    assert reason == decide_average(named, threshold, {}).reason


def test_unscored_records_are_named() -> None:
    """Up to ten ids, and the first cause."""
    named = {f"r{index}": None if index < 12 else 80 for index in range(20)}

    decision = decide_average(named, 50, {"r0": "http://x: is not answering; start it"})

    ids = ", ".join(f"r{index}" for index in range(10))
    assert decision.reason == (
        f"12 of 20 records are unscored, so there is no average: {ids} and 2 more\n"
        "first cause: http://x: is not answering; start it"
    )
