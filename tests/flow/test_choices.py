"""Suites of questions with a choice of answers: items, gates, baseline and files like any suite's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.generation.families.gpt2.model import GPTConfig
from tests.support.project import Project
from tests.unit.generation.tiny import VOCABULARY, save_model

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIG = GPTConfig(VOCABULARY, context_length=384, emb_dim=64, n_heads=1, n_layers=2, qkv_bias=True)
TEST = """
import pytest

@pytest.mark.llm_choices({arguments})
def test_choices(choice):
    assert choice.prediction in "ABCD"
"""
REPORT = "--llm-judge-report=results.json"
CHECKPOINT = "--llm-judge-checkpoint=model.pth"
SUBJECTS = "law", "art"


def questions(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Make questions with ids ``q0``, ``q1``, … in two subjects, with two to four choices."""
    return [
        {
            "id": f"q{number}",
            "question": f"Which number is {number}?",
            "choices": [f"it is {number + step}" for step in range(2 + number % 3)],
            "answer": number % 2,
            "subject": SUBJECTS[number % 2],
        }
        for number in range(first, first + count)
    ]


def lines(rows: Sequence[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def write(project: Project, arguments: str, *, data: Sequence[dict[str, Any]] | None = None) -> None:
    project.write("own.jsonl", lines(questions(12) if data is None else data))
    project.write("test_choices.py", TEST.format(arguments=arguments))


@pytest.fixture
def suite(project: Project) -> Project:
    """Twelve questions, and a model with random weights."""
    write(project, '"own.jsonl", mode="continuation", min_accuracy=0')
    save_model(project.path / "model.pth", CONFIG)
    return project


def the_suite(project: Project, name: str = "results.json") -> dict[str, Any]:
    (suite,) = project.results(name)["suites"]
    assert isinstance(suite, dict)
    return suite


def test_it_runs(suite: Project) -> None:
    result = suite.run(CHECKPOINT, REPORT, "--llm-judge-markdown=report.md", "--llm-judge-html=report.html", "-v")
    print(json.dumps(the_suite(suite), indent=1)[:3000])
    print((suite.path / "report.md").read_text())
    result.assert_outcomes(passed=13)
