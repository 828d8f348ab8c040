"""Results of runs, made without running anything."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import (
    AgainstReference,
    CheckpointReference,
    Comparison,
    Flip,
    GateResult,
    JudgeIdentity,
    PairResult,
    PreferenceResult,
    Record,
    RecordResult,
    RunResult,
    SuiteResult,
)
from pytest_llmjudge.kinds.judged import JUDGED
from pytest_llmjudge.kinds.reports import run_summary
from pytest_llmjudge.mmlu.results import ExamResult, QuestionResult, SubjectResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.data import AnyResult
    from pytest_llmjudge.data.summary import RunSummary

__all__ = ["compared", "exam", "gate", "pair", "pairs", "run", "scored", "subject", "suite"]

JUDGE = JudgeIdentity("llama3", "ollama", "0.24.0", "abc", {})
MODEL = CheckpointReference("new.pth", "0123456789abcdef", 124_000_000)


def run(*results: AnyResult, **more: Any) -> RunSummary:  # noqa: ANN401  # its fields
    """Make a run of suites, as reports show it."""
    return run_summary(RunResult("2026-01-02T03:04:05+00:00", results, **more))


def gate(
    name: str, outcome: str = "failed", reason: str = "it is so", cause: str | None = None
) -> GateResult:
    """Make a gate, by default one that failed."""
    return GateResult(name, outcome, reason, cause)


def scored(
    name: str,
    score: int | None,
    outcome: str = "passed",
    **more: Any,  # noqa: ANN401  # its fields
) -> RecordResult:
    """Make a record that was answered and scored, or not."""
    record = Record(name, f"Say {name}.", "", f"It is {name}.", {})
    given: dict[str, Any] = {"error": None if score is not None else "it was not run"}
    return RecordResult(
        record,
        **{
            "model_response": f"I say {name}.",
            "score": score,
            "reply": str(score),
            "outcome": outcome,
            **given,
            **more,
        },
    )


def suite(
    records: Sequence[RecordResult],
    outcome: str = "passed",
    **more: Any,  # noqa: ANN401  # its fields
) -> SuiteResult:
    """Make a judged suite that has no more than these records."""
    made = SuiteResult(
        name="test_a.py::test_a",
        path="a.json",
        checkpoint=MODEL,
        judge=JUDGE,
        judge_label="llama3 (ollama 0.24.0)",
        total=len(records),
        records=tuple(records),
        gates=(),
        min_score=50,
        min_average=None,
        outcome=outcome,
    )
    return replace(made, **more)


def compared(
    difference: float | None = -16.3,
    flips: Sequence[tuple[str, str]] = (("r3", "no"),),
    **more: Any,  # noqa: ANN401  # its fields
) -> Comparison:
    """Make a comparison; ``flips`` are the ids and answers of what lost most."""
    made = Comparison(
        measure=JUDGED.measure,
        refusal=None,
        paired=6,
        added=0,
        removed=0,
        unscored_before=0,
        unscored_after=0,
        before=84.67,
        after=68.33,
        difference=difference,
        interval=(-24.7, -7.5),
        p=0.031,
        deviation=12.0,
        detectable=9.0,
        losses=2,
        wins=0,
        mcnemar_p=0.25,
        flips=tuple(Flip(name, 90.0, 12.0, True, "yes", answer) for name, answer in flips),  # noqa: FBT003
    )
    return replace(made, **more)


def subject(name: str, right: int, total: int, outcome: str = "passed") -> SubjectResult:
    """Make a subject of MMLU; one without questions was not asked."""
    questions = tuple(
        QuestionResult(f"{name}-{place}", "A", "A" if place < right else "B", (0.0,) * 4, 5, False)  # noqa: FBT003
        for place in range(total)
    )
    error = None if questions else f"{name}: it cannot be read; look at it"
    return SubjectResult(name, questions, None, outcome, error)


def exam(
    subjects: Sequence[SubjectResult],
    outcome: str = "passed",
    **more: Any,  # noqa: ANN401  # its fields
) -> ExamResult:
    """Make an exam of these subjects."""
    made = ExamResult(
        name="test_m.py::test_mmlu",
        path="mmlu",
        checkpoint=MODEL,
        mode="letters",
        shots=5,
        limit=None,
        min_accuracy=0.25,
        min_subject_accuracy=None,
        subjects=tuple(subjects),
        gates=(),
        outcome=outcome,
    )
    return replace(made, **more)


def pair(
    name: str,
    winner: str | None,
    outcome: str = "passed",
    **more: Any,  # noqa: ANN401  # its fields
) -> PairResult:
    """Make a pair that was decided by a judge, or not."""
    record = Record(name, f"Say {name}.", "", f"It is {name}.", {})
    made = PairResult(
        record, "this one", "that", winner, ("A", "B"), ("A", "B"), None, outcome, None
    )
    return replace(made, **more)


def pairs(
    results: Sequence[PairResult],
    outcome: str = "passed",
    **more: Any,  # noqa: ANN401  # its fields
) -> PreferenceResult:
    """Make a suite of these pairs."""
    made = PreferenceResult(
        name="test_p.py::test_pairs",
        path="a.json",
        checkpoint=MODEL,
        against=AgainstReference("field", "human", ""),
        votes=None,
        judge=JUDGE,
        judge_label="llama3 (ollama 0.24.0)",
        total=len(results),
        pairs=tuple(results),
        gates=(),
        min_win_rate=0.5,
        outcome=outcome,
    )
    return replace(made, **more)
