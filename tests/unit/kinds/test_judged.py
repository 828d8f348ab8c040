"""What a judged record's result says on its way from the item to the reports."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.data import JudgeIdentity, Verdict
from pytest_llmjudge.decisions.gates import Decision
from pytest_llmjudge.kinds.base import Gathered, Marked, Sample, SampleReport
from pytest_llmjudge.kinds.judged import JUDGED, _Scored
from pytest_llmjudge.settings import read_settings

if TYPE_CHECKING:
    from pathlib import Path

JUDGE = JudgeIdentity("llama3", "ollama", "1", "abc", {})
PARTS = (("polite", 80), ("short", 40))


@pytest.fixture(name="suite")
def load_suite(tmp_path: Path) -> Any:  # noqa: ANN401  # what suites keep of a sample is their own
    record = {"id": "r0", "instruction": "Say it.", "output": "It.", "model_response": "It."}
    (tmp_path / "data.json").write_text(json.dumps([record]), "utf-8")
    keywords = {"responses": "model_response", "min_score": 70}
    settings = read_settings({}, tmp_path, tmp_path, "pytest.ini")
    return JUDGED.load(Marked("s", ["data.json"], keywords, tmp_path), settings)


def sample(suite: Any, verdict: Verdict, thoughts: str = "") -> Sample[Any]:  # noqa: ANN401
    return Sample("r0", _Scored(suite.record("r0"), "It.", verdict, thoughts))


def test_parts_and_thoughts_arrive(suite: Any) -> None:  # noqa: ANN401
    """As they were, through JSON; and the suite's averages are made of them."""
    made = sample(suite, Verdict(60, "60", parts=PARTS), "Hm.")
    row = json.loads(json.dumps(suite.row(made)))
    judge = {**asdict(JUDGE), "label": "llama3"}
    facts = {**suite.facts(None), "checkpoint": None, "judge": judge}
    report = SampleReport("r0", row, is_reported=True, outcome="failed")

    result = JUDGED.result(
        Gathered("s", facts, {"r0": report}, (), lambda _: None), suite, whole=True
    )

    (record,) = result.records
    assert (record.parts, record.thoughts) == (PARTS, "Hm.")
    assert [(part.name, part.whole) for part in result.parts] == [
        ("polite", (80,)),
        ("short", (40,)),
    ]


def test_a_row_without_them(suite: Any) -> None:  # noqa: ANN401
    """Most records have neither, and say nothing of them."""
    assert not {"parts", "thoughts"} & suite.row(sample(suite, Verdict(60, "60"))).keys()


def test_why_a_record_failed(suite: Any) -> None:  # noqa: ANN401
    """Its scores by part are on one line, its thoughts on another, of which the start is shown."""
    made = sample(suite, Verdict(60, "60", parts=PARTS), "One\nstep, " * 100)

    lines = suite.failure_text(made, Decision(passed=False, reason="too low")).splitlines()

    assert lines[0] == "too low"
    assert "scores:        polite 80, short 40" in lines
    (thoughts,) = [line for line in lines if line.startswith("thoughts:")]
    assert thoughts.startswith("thoughts:      One step, One step, ")
    assert thoughts.endswith("…")
    assert len(thoughts) == 215
