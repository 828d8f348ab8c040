"""What passes and what fails: a subject of MMLU, and all subjects together, by accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.decisions.accuracy import Share, decide_share
from pytest_llmjudge.decisions.gates import Decision, listed
from pytest_llmjudge.mmlu.accuracy import pool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmjudge.mmlu.accuracy import Counted

__all__ = ["decide_accuracy", "decide_subject"]

_NOUN = "question"


def decide_subject(correct: int, total: int, minimum: float | None) -> Decision:
    """Decide over one subject of MMLU: its accuracy is at least ``minimum``, where one is set."""
    return decide_share(Share(correct, total), minimum, limit="min_subject_accuracy", noun=_NOUN)


def decide_accuracy(
    results: Sequence[Counted], causes: Mapping[str, str], minimum: float | None
) -> Decision:
    """Decide over all subjects of an exam: every one has a result, and the accuracy is enough.

    Args:
        results: Of the subjects that have one.
        causes: Why a subject has none, by its name.
        minimum: Least accuracy, 0 to 1.
    """
    if not causes:
        return decide_share(pool(results), minimum, noun=_NOUN)
    verb, subjects = "has" if len(causes) == 1 else "have", len(results) + len(causes)
    reason = (
        f"{len(causes)} of {subjects} subjects {verb} no result, so there is no accuracy: "
        f"{listed(list(causes))}\n"
        f"first cause: {next(iter(causes.values()))}"
    )
    return Decision(passed=False, reason=reason)
