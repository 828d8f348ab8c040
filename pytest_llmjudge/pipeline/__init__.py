"""The only place that joins generation, judging and storage."""

from __future__ import annotations

from pytest_llmjudge.pipeline.judge_pool import JudgePool, Slots
from pytest_llmjudge.pipeline.mmlu import MMLURun
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
from pytest_llmjudge.pipeline.suite_runs import PairRun, SuiteRun, field_source, model_source
from pytest_llmjudge.pipeline.vote_judgements import VoteJudgements

__all__ = [
    "JudgeLike",
    "JudgePool",
    "MMLURun",
    "ModelLike",
    "Outcome",
    "Pair",
    "PairRun",
    "Run",
    "SavedResponses",
    "Slots",
    "SuiteRun",
    "VoteJudgements",
    "field_source",
    "fingerprint_of",
    "judge_fingerprint",
    "model_source",
]
