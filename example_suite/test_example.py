"""Suites to copy: instructions, one item for each record, and MMLU, one for each subject."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_llmjudge import MMLUResult, Record, Verdict


@pytest.mark.llm_judge(
    "instruction-data.json", checkpoint="../checkpoints/example.pth", min_average=80
)
def test_instructions(record: Record, response: str, verdict: Verdict) -> None:
    """The average decides; whatever else must hold of every answer is asserted here."""
    assert len(response) < 10 * len(record.output), f"it rambles, and scores {verdict.score}"


@pytest.mark.llm_mmlu(
    "mmlu",
    checkpoint="../checkpoints/example.pth",
    # Of the third subject there, kitchen science, the model was taught nothing.
    subjects=["number_facts", "world_capitals"],
    mode="continuation",
    shots=1,
    min_accuracy=0.3,
)
def test_mmlu(mmlu_result: MMLUResult) -> None:
    """The accuracy over all subjects decides; chance is a quarter."""
    assert mmlu_result.cut == 0, "a prompt lost its beginning"
