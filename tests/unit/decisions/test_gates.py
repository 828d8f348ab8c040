"""Decisions over records and suites."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.data import Comparison, Entry, JudgeIdentity, Measure, Rule, Side
from pytest_llmjudge.decisions.comparison import compare
from pytest_llmjudge.decisions.gates import (
    Decision,
    decide_average,
    decide_baseline,
    decide_record,
    is_average_within_noise,
)
from pytest_llmjudge.kinds.judged import JUDGED

RULE = Rule()
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
            "average 85 over 4 records (95 % CI 78.5 to 91.5) is at least min_average 50",
        ),
        (
            [85, 90, 80, 85],
            86,
            (
                "average 85 over 4 records (95 % CI 78.5 to 91.5) is below min_average 86; "
                "the difference is within noise"
            ),
        ),
        ([70], 70, "average 70 over 1 record is at least min_average 70"),
        ([70, 70], None, "average 70 over 2 records (95 % CI 70 to 70), no min_average is set"),
        (
            [55, 55, 54] * 400 + [55],
            54.67,
            (
                "average 54.6669 over 1201 records (95 % CI 54.64 to 54.69) is below min_average "
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


def compared(*differences: int, measure: Measure = JUDGED.measure, rule: Rule = RULE) -> Comparison:
    """Compare a release at 60 points with one that differs so much."""
    ids = [f"r{number}" for number in range(len(differences))]
    before = tuple(Entry(name, "", 60, "") for name in ids)
    after = tuple(
        Entry(name, "", 60 + change, "") for name, change in zip(ids, differences, strict=True)
    )
    judge = JudgeIdentity("llama3", "ollama", "0.24.0", "d", {})
    old, new = (Side(measure, "s", entries, judge=judge) for entries in (before, after))
    return compare(old, new, rule)


def no_drop(max_drop: float) -> Rule:
    """Return the rule that the option for a drop stands for."""
    return Rule(margin=max_drop, option="--llm-judge-max-drop")


@pytest.mark.parametrize(
    ("differences", "max_drop", "passed", "reason"),
    [
        (
            [-8, 3, -6, 5, -2, 4, -1],
            0,
            True,
            (
                "no drop shown: -0.7 points (95 % CI -4.4 to +2.4, p = 0.38); this suite can show "
                "drops of 4.7 points or more"
            ),
        ),
        (
            [8, 3, 6, 5, 2, 4, 1],
            0,
            True,
            (
                "no drop shown: +4.1 points (95 % CI +2.6 to +6.0, p = 1); this suite can show "
                "drops of 2.3 points or more"
            ),
        ),
        (
            [-8, -3, -6, -5, -2, -4, -1],
            0,
            False,
            (
                "dropped by 4.14 points (95 % CI -6.0 to -2.6, p = 0.0078), more than "
                "--llm-judge-max-drop 0; this suite can show drops of 2.3 points or more"
            ),
        ),
        (
            [-8, -3, -6, -5, -2, -4, -1],
            4.5,
            True,
            (
                "dropped by 4.14 points (95 % CI -6.0 to -2.6, p = 0.0078), no more than "
                "--llm-judge-max-drop 4.5; this suite can show drops of 2.3 points or more"
            ),
        ),
        (
            [0] * 6,
            0,
            True,
            (
                "no drop shown: 0.0 points (95 % CI 0.0 to 0.0, p = 1); all scores are as before, "
                "which does not tell what drops this suite can show"
            ),
        ),
        (
            [-5] * 6,
            0,
            False,
            (
                "dropped by 5 points (95 % CI -5.0 to -5.0, p = 0.016), more than "
                "--llm-judge-max-drop 0; all scores moved alike, which does not tell what drops "
                "this suite can show"
            ),
        ),
        (
            [-100, -100, -100, -100, 0, 0, 0, 0, 0],
            0,
            True,
            (
                "no drop shown: -44.4 points (95 % CI -77.8 to -11.1, p = 0.062); this suite can "
                "show drops of 43.7 points or more where at least 5 scores change, and 4 did"
            ),
        ),
        (
            [-9, 0, 0, 0, 0],
            0,
            True,
            (
                "no drop shown: -1.8 points (95 % CI -7.2 to 0.0, p = 0.5); this suite can show "
                "drops of 4.5 points or more where at least 5 scores change, and one did"
            ),
        ),
        ([-50], 0, True, "no drop shown: -50.0 points (p = 0.5); one pair cannot show any drop"),
        (
            [-50, -40, -30, -50],
            0,
            True,
            (
                "no drop shown: -42.5 points (95 % CI -50.0 to -32.5, p = 0.062); 4 pairs cannot "
                "show any drop"
            ),
        ),
    ],
)
def test_sentences_about_a_baseline(
    differences: list[int], max_drop: float, *, passed: bool, reason: str
) -> None:
    """Failed only where the drop is real and more than is allowed; each says what can be seen."""
    decision = decide_baseline(compared(*differences, rule=no_drop(max_drop)))

    assert decision == Decision(passed, reason, None if passed else "worse")


def test_sentences_where_higher_is_worse() -> None:
    """The same decision over a loss: a rise fails, a fall does not, and both are in its unit."""
    loss = Measure("loss", unit="nats", higher_is_better=False)
    worse, better = compared(*[8] * 3, *[5] * 3, measure=loss), compared(*[-8] * 6, measure=loss)

    assert decide_baseline(worse) == Decision(
        passed=False,
        cause="worse",
        reason="rose by 6.5 nats (95 % CI +5.5 to +7.5, p = 0.016); this suite can show rises of "
        "1.7 nats or more",
    )
    assert decide_baseline(better) == Decision(
        passed=True,
        reason="no rise shown: -8.0 nats (95 % CI -8.0 to -8.0, p = 1); all scores moved alike, "
        "which does not tell what rises this suite can show",
    )


def test_what_does_not_compare_fails() -> None:
    """With the reason of the refusal."""
    comparison = replace(compared(*[0] * 6), refusal="they differ; do something")

    assert decide_baseline(comparison) == Decision(
        passed=False, reason="not compared: they differ; do something"
    )


@given(st.lists(st.integers(min_value=-60, max_value=40), min_size=1, max_size=12), SCORE)
def test_a_baseline_fails_for_a_real_and_too_large_drop(
    differences: list[int], max_drop: int
) -> None:
    """And for nothing else."""
    comparison = compared(*differences, rule=no_drop(max_drop))
    mean_difference = sum(differences) / len(differences)

    decision = decide_baseline(comparison)

    assert decision.passed == (not (-mean_difference > max_drop and (comparison.p or 1) < 0.05))


@pytest.mark.parametrize(
    ("scores", "minimum", "noise"),
    [([50, 60], 50, True), ([50] * 9, 40, False), ([50], 50, False), ([50, 60], None, False)],
)
def test_within_noise(scores: list[int], minimum: float | None, *, noise: bool) -> None:
    """A gate inside the interval may be passed or missed by chance."""
    assert is_average_within_noise(scores, minimum) is noise
