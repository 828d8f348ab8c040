"""Results of runs, made without running anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import (
    AgainstReference,
    CheckpointReference,
    Entry,
    JudgeIdentity,
    PairResult,
    PreferenceResult,
    Record,
    RecordResult,
    RunResult,
    SuiteResult,
)
from pytest_llmjudge.kinds.reports import run_pages, run_summary
from pytest_llmjudge.mmlu.results import ExamResult, QuestionResult, SubjectResult
from pytest_llmjudge.reporting.html import html_report
from pytest_llmjudge.stats.agreement import agreement_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmjudge.data import AnyResult
    from pytest_llmjudge.data.page import Row

__all__ = [
    "entry",
    "exam",
    "page",
    "pair",
    "preference",
    "record",
    "result",
    "rows",
    "run",
    "subject",
    "suite",
]

JUDGE = JudgeIdentity("llama3", "ollama", "0.24.0", "1ca99c7a9cf4", {"seed": 123}, "integer/1")
CHECKPOINT = CheckpointReference("candidate.pth", "f00dfeed" * 8, 124_000_000)


def record(name: str = "r0", **fields: object) -> Record:
    keywords: dict[str, Any] = {
        "instruction": f"Say {name} in words.",
        "input": "",
        "output": f"The word {name}.",
        **fields,
    }
    return Record(id=name, fields={}, **keywords)


def result(
    name: str = "r0", score: int | None = 90, *, of: Record | None = None, **fields: object
) -> RecordResult:
    keywords: dict[str, Any] = {
        "model_response": f"The word {name}.",
        "reply": None if score is None else str(score),
        "error": "llama3: it wrote no score; ask again" if score is None else None,
        "outcome": "error" if score is None else "passed" if score >= 50 else "failed",
        "cause": "record" if score is None else None,
        **fields,
    }
    return RecordResult(record=of or record(name), score=score, **keywords)


def suite(results: Sequence[RecordResult], **fields: object) -> SuiteResult:
    keywords: dict[str, Any] = {
        "name": "test_suite.py::test_instructions",
        "path": "data.json",
        "checkpoint": CHECKPOINT,
        "judge": JUDGE,
        "judge_label": "llama3 (ollama 0.24.0, digest 1ca99c7a9cf4)",
        "total": len(results),
        "gates": (),
        "min_score": 50,
        "min_average": 60.0,
        "outcome": "failed",
        "agreement": agreement_of(results),
        **fields,
    }
    return SuiteResult(records=tuple(results), **keywords)


def entry(name: str, score: float | None, response: str | None = None) -> Entry:
    return Entry(name, "", score, f"The word {name}." if response is None else response)


def subject(name: str, right: int, total: int, **fields: object) -> SubjectResult:
    questions = tuple(
        QuestionResult(
            f"{name}-{n}", "A", "A" if n < right else "B", (0.0,) * 4, shots=5, is_cut=False
        )
        for n in range(total)
    )
    keywords: dict[str, Any] = {"outcome": "passed", **fields}
    return SubjectResult(name, questions, **keywords)


def exam(subjects: Sequence[SubjectResult], **fields: object) -> ExamResult:
    keywords: dict[str, Any] = {
        "name": "test_mmlu.py::test_mmlu",
        "path": "data/mmlu",
        "checkpoint": CHECKPOINT,
        "mode": "letters",
        "shots": 5,
        "limit": None,
        "min_accuracy": 0.25,
        "min_subject_accuracy": None,
        "gates": (),
        "outcome": "passed",
        **fields,
    }
    return ExamResult(subjects=tuple(subjects), **keywords)


def pair(name: str, winner: str | None, **fields: object) -> PairResult:
    keywords: dict[str, Any] = {
        "model_response": f"The word {name}.",
        "against_response": f"A word, {name}.",
        "orders": {"a": ("A", "B"), "b": ("B", "A"), "tie": ("A", "A")}.get(winner or "", ()),
        "replies": ("A", "B"),
        "error": None if winner else "llama3: it chose nothing; ask again",
        "outcome": "passed" if winner else "error",
        **fields,
    }
    return PairResult(record=record(name), winner=winner, **keywords)


def preference(pairs: Sequence[PairResult], **fields: object) -> PreferenceResult:
    keywords: dict[str, Any] = {
        "name": "test_pairs.py::test_pairs",
        "path": "data.json",
        "checkpoint": CHECKPOINT,
        "against": AgainstReference("checkpoint", "released.pth", "beef" * 16),
        "votes": None,
        "judge": JUDGE,
        "judge_label": "llama3 (ollama 0.24.0, digest 1ca99c7a9cf4)",
        "total": len(pairs),
        "gates": (),
        "min_win_rate": 0.5,
        "outcome": "passed",
        **fields,
    }
    return PreferenceResult(pairs=tuple(pairs), **keywords)


def run(*results: AnyResult, **fields: object) -> RunResult:
    keywords: dict[str, Any] = {"created": "2026-11-25T10:00:00+00:00", **fields}
    return RunResult(results=results, **keywords)


def page(
    run: RunResult, before: Mapping[str, Mapping[str, Entry]] | None = None, version: str = "0.1.0"
) -> str:
    """Return the HTML page of a run, beside what its baseline holds."""
    summary = run_summary(run)
    return html_report(summary, run_pages(run, summary, before or {}), version)


def rows(run: RunResult, before: Mapping[str, Mapping[str, Entry]] | None = None) -> list[Row]:
    """Return the rows of that page."""
    pages = run_pages(run, run_summary(run), before or {})
    return [row for page in pages for row in page.rows]
