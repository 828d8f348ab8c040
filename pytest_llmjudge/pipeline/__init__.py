"""The only place that joins generation, judging and storage."""

from __future__ import annotations

from pytest_llmjudge.pipeline.mmlu import MMLURun
from pytest_llmjudge.pipeline.parts import (
    JudgeLike,
    ModelLike,
    Outcome,
    fingerprint_of,
    judge_fingerprint,
)
from pytest_llmjudge.pipeline.run import SuiteRun
from pytest_llmjudge.pipeline.team import Slots, Team

__all__ = [
    "JudgeLike",
    "MMLURun",
    "ModelLike",
    "Outcome",
    "Slots",
    "SuiteRun",
    "Team",
    "fingerprint_of",
    "judge_fingerprint",
]
