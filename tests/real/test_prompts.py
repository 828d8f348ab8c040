"""The prompts of 110 recorded requests to a real judge, byte for byte."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pytest_llmjudge.data import Record
from pytest_llmjudge.judging.questions import integer_prompt
from pytest_llmjudge.records.prompts import clean_response
from pytest_llmjudge.scoring import parse_integer

DATA = os.environ.get("LLMJUDGE_REAL_DATA", "")
pytestmark = pytest.mark.skipif(not DATA, reason="needs LLMJUDGE_REAL_DATA")


def read_recorded() -> list[dict[str, Any]]:
    path = Path(DATA, "recorded-judge", "qwen2.5-coder-1.5b.jsonl")
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def read_entries() -> list[dict[str, str]]:
    path = Path(DATA, "instructions", "instruction-data-with-response.json")
    entries: list[dict[str, str]] = json.loads(path.read_bytes())
    return entries


def test_recorded_judge_prompts_are_reproduced() -> None:
    """All 110 published records give the very prompts that the real judge was asked."""
    expected = [line["request"]["messages"][0]["content"] for line in read_recorded()]

    prompts = [
        integer_prompt(
            Record(str(index), entry["instruction"], entry["input"], entry["output"], entry),
            clean_response(entry["model_response"]),
        )
        for index, entry in enumerate(read_entries())
    ]

    assert len(expected) == 110
    assert expected == prompts


def test_recorded_replies_average_82() -> None:
    """All 110 replies of the real judge parse, and their average is the known one."""
    scores = [parse_integer(line["response"]["message"]["content"]) for line in read_recorded()]

    known = [score for score in scores if score is not None]
    assert len(known) == 110
    assert sum(known) / len(known) == pytest.approx(82.4182, abs=0.00005)
