"""A suite to copy: one marked function, one item for each record, and the average."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_llmjudge import Record, Verdict


@pytest.mark.llm_judge(
    "instruction-data.json", checkpoint="../checkpoints/example.pth", min_average=80
)
def test_instructions(record: Record, response: str, verdict: Verdict) -> None:
    """The average decides; whatever else must hold of every answer is asserted here."""
    assert len(response) < 10 * len(record.output), f"it rambles, and scores {verdict.score}"
