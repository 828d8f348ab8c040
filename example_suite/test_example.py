"""Suites to copy: instructions, MMLU, questions with choices, and exact answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_llmjudge import ChoiceAnswer, ExactAnswer, MMLUResult, Record, Verdict


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


@pytest.mark.llm_choices(
    "capitals.jsonl",
    checkpoint="../checkpoints/example.pth",
    mode="continuation",
    # Who guesses gets a quarter right, and six or more of ten in 2 % of all cases.
    min_accuracy=0.6,
)
def test_capitals(choice: ChoiceAnswer) -> None:
    """The accuracy decides, and a question passes whether its answer is right or wrong."""
    assert not choice.is_cut, "the prompt lost its beginning"


@pytest.mark.llm_exact(
    "conversions.json",
    checkpoint="../checkpoints/example.pth",
    extract="last-number",
    # It has learnt to multiply by 1,000, and not by 60.
    min_accuracy={"all": 0.5, "length": 0.8},
)
def test_conversions(exact: ExactAnswer) -> None:
    """The number at the end of each answer counts; the lengths have a gate of their own."""
    assert exact.extracted is not None, "the answer has no number"
