"""Near misses of real records: how many there are, by which rules, and that they stay as they were read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_llmjudge.judging.near.misses import NearMisses
from pytest_llmjudge.records.loading import load_records

if TYPE_CHECKING:
    from pathlib import Path

DATA = "instructions/instruction-data-with-response.json"


def test_near_misses_of_the_test_records(real_data: Path) -> None:
    """Each of them was read, and is wrong; a rule that makes others has to be read again."""
    records = load_records(real_data / DATA)
    misses = NearMisses(records)

    found = {record.instruction: misses.of(record) for record in records}

    made = {asked: miss for asked, miss in found.items() if miss is not None}
    assert Counter(miss.rule for miss in made.values()) == {
        "negation": 37, "number": 14, "option": 5, "name": 4, "form": 4, "digits": 3,
    }  # fmt: skip
    assert (
        made["Convert 5 miles to kilometers."].text == "5 miles is approximately 7.05 kilometers."
    )
    assert made["What is the chemical symbol for zinc?"].text == "Hg."
    assert "Rewrite the sentence using a simile." not in made
    assert "List five different types of vegetables." not in made
