"""Predictions, their ties, and the figures that are made of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from pytest_llmjudge.decisions.accuracy import Share
from pytest_llmjudge.mmlu.accuracy import (
    MMLUAnswer,
    MMLUResult,
    by_category,
    macro_average,
    pool,
    pooled_stderr,
)
from pytest_llmjudge.mmlu.results import MMLUQuestion

CHOICES = ("a", "bb", "cccc", "dddddddd")


def answer(*logprobs: float, right: int = 0, shots: int = 5, cut: bool = False) -> MMLUAnswer:
    return MMLUAnswer(MMLUQuestion("q", "?", CHOICES, right), logprobs, shots, cut)


def result(subject: str, right: int, total: int) -> MMLUResult:
    answers = [answer(-1, -2, -3, -4, right=0 if number < right else 1) for number in range(total)]
    return MMLUResult(subject, "letters", 5, tuple(answers))


@pytest.mark.parametrize(
    ("logprobs", "letter"),
    [
        ((-4, -3, -2, -1), "D"),
        ((-1, -1, -1, -1), "A"),
        ((-2, -1, -1, -2), "B"),
        ((-3, -2, -1, -1), "C"),
        ((-1e9, -1e9, -1e9, -1e8), "D"),
    ],
)
def test_predictions(logprobs: tuple[float, ...], letter: str) -> None:
    """The likeliest choice; of equals the earlier letter."""
    assert answer(*logprobs).prediction == letter


def test_length_counts_in_characters() -> None:
    """A long choice is not less right for being long."""
    subject = MMLUResult("s", "continuation", 0, (answer(-1, -3, -5, -6, right=3),))

    assert (subject.predictions, subject.accuracy, subject.accuracy_norm) == (["A"], 0, 1)
    assert result("s", 1, 1).accuracy_norm is None


def test_a_subject() -> None:
    """All figures of one subject."""
    answers = (
        answer(-1, -2, -3, -4),
        answer(-1, -2, -3, -4, right=2, shots=3),
        answer(-2, -1, -3, -4, right=1, shots=0, cut=True),
        answer(-2, -1, -3, -4, right=0),
    )
    subject = MMLUResult("anatomy", "letters", 5, answers)

    assert (subject.total, subject.correct, subject.accuracy) == (4, 2, 0.5)
    assert subject.predictions == ["A", "A", "B", "B"]
    assert subject.cut == 1
    assert subject.interval == pytest.approx((0.1500, 0.8500), abs=1e-4)


@given(st.integers(1, 2000), st.data())
def test_the_interval_is_wilsons(total: int, data: st.DataObject) -> None:
    """As scipy computes it."""
    correct = data.draw(st.integers(0, total))

    expected = binomtest(correct, total).proportion_ci(0.95, method="wilson")

    assert Share(correct, total).interval == pytest.approx(tuple(expected), abs=1e-9)


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=30), min_size=1, max_size=6))
def test_the_pooled_standard_error(subjects: list[list[bool]]) -> None:
    """As the harness has it: each subject's standard error, weighted by its degrees of freedom."""
    results = [
        result(f"subject_{number}", sum(one), len(one)) for number, one in enumerate(subjects)
    ]
    whole = sum(map(len, subjects))
    free = whole - len(subjects)
    # The standard error of a single question is none, and has no weight.
    errors = [(len(one), np.std(one, ddof=1) / len(one) ** 0.5) for one in subjects if len(one) > 1]
    expected = sum((n - 1) * n * error**2 for n, error in errors) / free / whole if free else None

    stderr = pooled_stderr(results)

    assert (stderr is None) == (expected is None)
    assert expected is None or stderr == pytest.approx(expected**0.5, abs=1e-12)


def test_many_subjects() -> None:
    """Each question counts the same in the micro average, each subject in the macro average."""
    results = [
        result("abstract_algebra", 10, 20),
        result("anatomy", 1, 4),
        result("astronomy", 8, 8),
        result("of_my_own", 0, 8),
    ]

    assert pool(results) == Share(19, 40)
    assert pool(results).accuracy == 0.475
    assert macro_average(results) == pytest.approx((0.5 + 0.25 + 1 + 0) / 4)
    assert by_category(results) == {"stem": Share(18, 28), "other": Share(1, 4)}
