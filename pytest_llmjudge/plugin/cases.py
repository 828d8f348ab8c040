"""What an item of a suite is about, and where the plugin keeps what it knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_llmjudge.data import Comparison, JudgeCheck, PairCheck, Preference, Record, Verdict
    from pytest_llmjudge.gates import Decision
    from pytest_llmjudge.mmlu.exam import Exam
    from pytest_llmjudge.pipeline import Outcome, Pair, PairRun, SuiteRun
    from pytest_llmjudge.plugin.session import LlmSession
    from pytest_llmjudge.suites import Suite

__all__ = [
    "AVERAGE",
    "BASELINE",
    "EXAM_ATTRIBUTE",
    "EXAM_FIXTURE",
    "EXAM_MARKER",
    "FIXTURE",
    "GATES",
    "JUDGE_CHECK",
    "MARKER",
    "PAIR_MARKER",
    "READY",
    "SESSION",
    "WIN_RATE",
    "Case",
    "ExamCase",
    "PairReady",
    "Ready",
    "case_of",
    "exam_case_of",
]

AVERAGE = "average"
JUDGE_CHECK = "judge-check"
BASELINE = "baseline"
WIN_RATE = "win-rate"
GATES = (JUDGE_CHECK, AVERAGE, BASELINE, WIN_RATE)
"""Items of a suite that are no records."""
FIXTURE = "_llm_judge_case"
MARKER = "llm_judge"
PAIR_MARKER = "llm_compare"
EXAM_FIXTURE = "_llm_mmlu_case"
EXAM_MARKER = "llm_mmlu"
EXAM_ATTRIBUTE = "llm_mmlu"
"""Name of what a report carries of an exam."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One item of a suite: a record, or a gate when ``record`` is ``None``.

    Attributes:
        suite: Whose item it is.
        record: What is judged.
        gate: Name of the gate.
        index: Position among the suite's records.
    """

    suite: Suite
    record: Record | None
    gate: str = ""
    index: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class ExamCase:
    """One item of an exam: a subject, or a gate over all when ``subject`` is ``None``.

    Attributes:
        exam: Whose item it is.
        subject: What is asked.
        gate: Name of the gate.
    """

    exam: Exam
    subject: str | None
    gate: str = ""


@dataclass(slots=True, eq=False)
class Ready:
    """An item of a suite of scored responses whose setup is done.

    Attributes:
        outcome: A record's.
        check: What the judge made of known answers, where this item asked for it.
        decision: A gate's, once it was called.
        comparison: With the baseline, once that gate was called.
    """

    case: Case
    run: SuiteRun
    outcome: Outcome[str, Verdict] | None = None
    check: JudgeCheck | None = None
    decision: Decision | None = None
    comparison: Comparison | None = None


@dataclass(slots=True, eq=False)
class PairReady:
    """An item of a suite of pairs whose setup is done; see :class:`Ready`."""

    case: Case
    run: PairRun
    outcome: Outcome[Pair, Preference] | None = None
    check: PairCheck | None = None
    decision: Decision | None = None


READY: pytest.StashKey[Ready | PairReady] = pytest.StashKey()
SESSION: pytest.StashKey[LlmSession] = pytest.StashKey()
"""Where the run is kept on pytest's config; it is there only with ``--llm-judge``."""


def exam_case_of(item: pytest.Item) -> ExamCase | None:
    """Return what ``item`` is about; ``None`` when it is no item of an exam."""
    callspec = getattr(item, "callspec", None)
    found = callspec.params.get(EXAM_FIXTURE) if callspec is not None else None
    return found if isinstance(found, ExamCase) else None


def case_of(item: pytest.Item) -> Case | None:
    """Return what ``item`` is about; ``None`` when it is no item of a suite."""
    callspec = getattr(item, "callspec", None)
    found = callspec.params.get(FIXTURE) if callspec is not None else None
    return found if isinstance(found, Case) else None
