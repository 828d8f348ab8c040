"""What the reports of all processes say of exams, gathered into their results."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import (
    CheckpointReference,
    ExamResult,
    GateResult,
    QuestionResult,
    SubjectResult,
)
from pytest_llmjudge.gates import decide_subject, whole_outcome
from pytest_llmjudge.plugin.cases import EXAM_ATTRIBUTE, GATES
from pytest_llmjudge.plugin.ledger import NOT_RUN, broken, with_break
from pytest_llmjudge.plugin.reports import comparison_from_plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

    from pytest_llmjudge.data import Comparison

__all__ = ["ExamLedger"]


@dataclass(slots=True)
class _Page:
    facts: dict[str, Any]
    rows: dict[str, list[Any]] = field(default_factory=dict)
    outcomes: dict[str, tuple[str, str]] = field(default_factory=dict)
    gates: dict[str, GateResult] = field(default_factory=dict)
    comparison: Comparison | None = None
    causes: dict[str, str] = field(default_factory=dict)


class ExamLedger:
    """Gathers what reports carry; kept by the process that owns the terminal."""

    def __init__(self) -> None:
        self._pages: dict[str, _Page] = {}
        self._broken: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._pages)

    def add(self, report: pytest.TestReport) -> None:
        """Take note of one report; a later one on the same item wins."""
        payload = getattr(report, EXAM_ATTRIBUTE, None)
        if payload is None:
            reason = broken(report)
            if reason is not None:
                self._broken[report.nodeid] = reason
            return
        facts = payload["exam"]
        page = self._pages.setdefault(facts["name"], _Page(facts))
        if facts["checkpoint"][1]:
            page.facts = facts
        for row in payload["rows"]:
            page.rows[row[0]] = row
        page.causes |= payload["causes"]
        told = payload["outcome"], payload["reason"]
        if payload["subject"] is None:
            page.gates[payload["gate"]] = GateResult(payload["gate"], *told)
            if payload["comparison"] is not None:
                page.comparison = comparison_from_plain(payload["comparison"])
        else:
            page.outcomes[payload["subject"]] = told

    def results(self, planned: Mapping[str, dict[str, Any]]) -> tuple[ExamResult, ...]:
        """Return what became of each exam.

        Args:
            planned: What is known of each beforehand, also of those that were never reached.
        """
        pages = {name: _Page(facts) for name, facts in planned.items()} | self._pages
        return tuple(
            _exam_result(self._whole(page, planned.get(name, page.facts)["due"]))
            for name, page in pages.items()
        )

    def _whole(self, page: _Page, due: Sequence[str]) -> _Page:
        """Add what became of items that did not report, or broke afterwards."""
        name = page.facts["name"]
        outcomes, gates = dict(page.outcomes), dict(page.gates)
        for subject in page.facts["subjects"]:
            reason = self._broken.get(f"{name}[{subject}]")
            if reason is not None and outcomes.get(subject, ("",))[0] != "failed":
                outcomes[subject] = ("error", reason)
        for gate in GATES:
            reason = self._broken.get(f"{name}[{gate}]")
            if reason is not None:
                gates[gate] = with_break(gates.get(gate), gate, reason)
        for gate in due:
            gates.setdefault(gate, GateResult(gate, "not run", NOT_RUN))
        return replace(page, outcomes=outcomes, gates=gates)


def _exam_result(page: _Page) -> ExamResult:
    facts = page.facts
    subjects = tuple(_subject_result(page, subject) for subject in facts["subjects"])
    gates = tuple(page.gates.values())
    return ExamResult(
        name=facts["name"],
        path=facts["path"],
        checkpoint=CheckpointReference(*facts["checkpoint"]),
        mode=facts["mode"],
        shots=facts["shots"],
        limit=facts["limit"],
        min_accuracy=facts["min_accuracy"],
        min_subject_accuracy=facts["min_subject_accuracy"],
        subjects=subjects,
        gates=gates,
        outcome=_outcome(facts, subjects, gates),
        comparison=page.comparison,
    )


def _subject_result(page: _Page, subject: str) -> SubjectResult:
    row = page.rows.get(subject)
    if row is None:
        told = ("not run", page.causes.get(subject, NOT_RUN))
        outcome, reason = page.outcomes.get(subject, told)
        return SubjectResult(subject, outcome=outcome, error=reason)
    _, accuracy_norm, questions = row
    answered = tuple(
        QuestionResult(name, answer, prediction, tuple(logprobs), shots, is_cut)
        for name, answer, prediction, logprobs, shots, is_cut in questions
    )
    found = SubjectResult(subject, answered, accuracy_norm)
    # One whose item was deselected is still worth no more than its accuracy.
    decided = decide_subject(found.correct, found.total, page.facts["min_subject_accuracy"])
    told = ("passed" if decided.passed else "failed", decided.reason)
    outcome, reason = page.outcomes.get(subject, told)
    return replace(found, outcome=outcome, error=reason if outcome == "error" else None)


def _outcome(
    facts: dict[str, Any], subjects: Sequence[SubjectResult], gates: Sequence[GateResult]
) -> str:
    if any(not subject.questions for subject in subjects):
        return "incomplete"
    # An exam whose gate was deselected is still worth no more than its accuracy.
    minimum = facts["min_accuracy"]
    total = sum(subject.total for subject in subjects)
    low = minimum is not None and sum(subject.correct for subject in subjects) / total < minimum
    outcomes = {subject.outcome for subject in subjects} - {"passed", "not run"}
    return whole_outcome(outcomes | {gate.outcome for gate in gates}, low=low)
