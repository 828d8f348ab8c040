"""What passes and what fails: a subject of MMLU, and all subjects together, by accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.gates import NOISE, Decision, is_within_noise, listed
from pytest_llmjudge.stats import proportion_interval, share

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["decide_accuracy", "decide_subject", "is_accuracy_within_noise"]


def decide_subject(correct: int, total: int, minimum: float | None) -> Decision:
    """Decide over one subject of MMLU: its accuracy is at least ``minimum``, where one is set."""
    return _decide(correct, total, "min_subject_accuracy", minimum)


def decide_accuracy(
    correct: int, total: int, minimum: float | None, causes: Mapping[str, str], subjects: int
) -> Decision:
    """Decide over all subjects of an exam: every one has a result, and the accuracy is enough.

    Args:
        correct: Right answers to all questions together.
        total: Questions of all subjects together.
        minimum: Least accuracy, 0 to 1.
        causes: Why there is no result, by subject.
        subjects: How many subjects there are.
    """
    if not causes:
        return _decide(correct, total, "min_accuracy", minimum)
    verb = "has" if len(causes) == 1 else "have"
    reason = (
        f"{len(causes)} of {subjects} subjects {verb} no result, so there is no accuracy: "
        f"{listed(list(causes))}\n"
        f"first cause: {next(iter(causes.values()))}"
    )
    return Decision(passed=False, reason=reason)


def _decide(correct: int, total: int, name: str, minimum: float | None) -> Decision:
    low, high = proportion_interval(correct, total)
    accuracy = correct / total
    noun = "question" if total == 1 else "questions"
    figures = (
        f"accuracy {share(accuracy, minimum)} ({correct} of {total} {noun}, 95 % CI {low:.4f} to "
        f"{high:.4f})"
    )
    if minimum is None:
        return Decision(passed=True, reason=f"{figures}, no {name} is set")
    noise = NOISE if is_accuracy_within_noise(correct, total, minimum) else ""
    if accuracy < minimum:
        return Decision(passed=False, reason=f"{figures} is below {name} {minimum:g}{noise}")
    return Decision(passed=True, reason=f"{figures} is at least {name} {minimum:g}{noise}")


def is_accuracy_within_noise(correct: int, total: int, minimum: float | None) -> bool:
    """Say whether an accuracy may be on the other side of its gate by chance alone."""
    return is_within_noise(proportion_interval(correct, total), minimum)
