"""The plain values that flow between the layers; all frozen, none knows how it was made."""

from __future__ import annotations

from pytest_llmjudge.data.comparison import (
    Comparison,
    Entry,
    Flip,
    Grouped,
    Measure,
    Reach,
    Rule,
    Side,
)
from pytest_llmjudge.data.contexts import Context
from pytest_llmjudge.data.gates import GateResult, Ruling
from pytest_llmjudge.data.labels import Design, Label, LabelsFile
from pytest_llmjudge.data.overlap import Duplicate, Overlap, TrainingFile
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
    Criterion,
    Explanation,
    FollowUp,
    JudgeIdentity,
    Prompt,
    Record,
    Turn,
    Verdict,
)
from pytest_llmjudge.data.results import (
    Agreement,
    AnyResult,
    CategoryResult,
    JudgeCheck,
    RecordResult,
    RunResult,
    SuiteResult,
)

__all__ = [
    "AgainstReference",
    "Agreement",
    "AnyResult",
    "CategoryResult",
    "CheckpointReference",
    "Choice",
    "Comparison",
    "Completion",
    "Context",
    "Criterion",
    "Design",
    "Duplicate",
    "Entry",
    "Explanation",
    "Flip",
    "FollowUp",
    "GateResult",
    "Grouped",
    "JudgeCheck",
    "JudgeIdentity",
    "Label",
    "LabelsFile",
    "Measure",
    "Outcome",
    "Overlap",
    "PairCheck",
    "PairResult",
    "PairSummary",
    "PeopleAgreement",
    "Preference",
    "PreferenceResult",
    "Prompt",
    "Rating",
    "Ratings",
    "Reach",
    "Record",
    "RecordResult",
    "Rule",
    "Ruling",
    "RunResult",
    "Side",
    "Standing",
    "SuiteResult",
    "TrainingFile",
    "Turn",
    "Unscored",
    "Verdict",
    "Vote",
]
