"""The only place that joins generation, judging and storage."""

from __future__ import annotations

from pytest_llmjudge.pipeline.judge_pool import JudgePool, Slots
from pytest_llmjudge.pipeline.pairs import SavedResponses
from pytest_llmjudge.pipeline.protocols import (
    JudgeLike,
    ModelLike,
    Outcome,
    Pair,
    fingerprint_of,
    judge_fingerprint,
)
from pytest_llmjudge.pipeline.run import Run
from pytest_llmjudge.pipeline.suite_runs import (
    ScoredRun,
    field_source,
    model_source,
    suite_source,
)

__all__ = [
    "JudgeLike",
    "JudgePool",
    "ModelLike",
    "Outcome",
    "Pair",
    "Run",
    "SavedResponses",
    "ScoredRun",
    "Slots",
    "field_source",
    "fingerprint_of",
    "judge_fingerprint",
    "model_source",
    "suite_source",
]
