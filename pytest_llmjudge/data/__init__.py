"""The plain values that flow between the layers; all frozen, none knows how it was made."""

from __future__ import annotations

from pytest_llmjudge.data.comparison import Comparison, Entry, Flip, Measure, Reach, Side
from pytest_llmjudge.data.contexts import Context
from pytest_llmjudge.data.exams import ExamResult, MMLUQuestion, QuestionResult, SubjectResult
from pytest_llmjudge.data.gates import GateResult
from pytest_llmjudge.data.preference import (
    AgainstReference,
    Choice,
    PairCheck,
    PairResult,
    PairSummary,
    PeopleAgreement,
    Preference,
    PreferenceResult,
    Vote,
)
from pytest_llmjudge.data.rating import Outcome, Rating, Ratings, Standing, Unscored
from pytest_llmjudge.data.records import (
    CheckpointReference,
    Completion,
    JudgeIdentity,
    Record,
    Verdict,
)
from pytest_llmjudge.data.results import (
    Agreement,
    JudgeCheck,
    RecordResult,
    RunResult,
    SuiteResult,
)

__all__ = [
    "AgainstReference",
    "Agreement",
    "CheckpointReference",
    "Choice",
    "Comparison",
    "Completion",
    "Context",
    "Entry",
    "ExamResult",
    "Flip",
    "GateResult",
    "JudgeCheck",
    "JudgeIdentity",
    "MMLUQuestion",
    "Measure",
    "Outcome",
    "PairCheck",
    "PairResult",
    "PairSummary",
    "PeopleAgreement",
    "Preference",
    "PreferenceResult",
    "QuestionResult",
    "Rating",
    "Ratings",
    "Reach",
    "Record",
    "RecordResult",
    "RunResult",
    "Side",
    "Standing",
    "SubjectResult",
    "SuiteResult",
    "Unscored",
    "Verdict",
    "Vote",
]
