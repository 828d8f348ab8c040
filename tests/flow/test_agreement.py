"""Labels of people in a run, and the gate over how the judge agrees with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.agreement import measure_agreement
from pytest_llmjudge.data import Label
from pytest_llmjudge.labels import response_digest
from pytest_llmjudge.storage.labels import append_label
from tests.support.project import Project

if TYPE_CHECKING:
    from collections.abc import Sequence

SUITE = "test_suite.py::test_instructions"
REPORT = "--llm-judge-report=results.json"
ARGUMENTS = 'responses="model_response", labels="labels.jsonl"'
WORDS = [
    "The",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "the",
    "lazy",
    "dog",
    "near",
    "the",
    "old",
    "river",
    "bank",
    "today",
]


def texts(count: int) -> list[dict[str, str]]:
    """Return records with responses that are the more of the reference the later they come."""
    return [
        {
            "id": f"r{number}",
            "instruction": f"Say sentence {number}.",
            "output": " ".join([*WORDS, str(number)]),
            "model_response": " ".join(WORDS[: 1 + number * len(WORDS) // count]),
        }
        for number in range(count)
    ]


def label(
    project: Project, content: Sequence[dict[str, str]], scores: Sequence[int], by: str = "ana"
) -> None:
    """Write labels of the first records."""
    for record, score in zip(content, scores, strict=False):
        digest = response_digest(record["model_response"])
        append_label(project.path / "labels.jsonl", Label(record["id"], digest, score, by))


def errors(result: pytest.RunResult) -> list[str]:
    """Return the lines of a usage error."""
    return [line for line in result.errlines + result.outlines if line.startswith("ERROR: ")]


def test_a_judge_that_agrees(project: Project, dist: tuple[str, ...]) -> None:
    """The gate passes over the mean of all labelers; the figures are those of the records."""
    content = texts(24)
    project.suite(content, f"{ARGUMENTS}, min_agreement=0.8, max_judge_error=40")
    scores = [100 * number // 24 for number in range(24)]
    label(project, content, scores)
    label(project, content, [score + 3 for score in scores[:4]], by="bob")

    result = project.run(REPORT, *dist)

    result.assert_outcomes(passed=26)
    (suite,) = project.results()["suites"]
    people = [(one["human_score"], one["labelers"]) for one in suite["records"]]
    assert people[:5] == [(1.5, 2), (5.5, 2), (9.5, 2), (13.5, 2), (16, 1)]
    assert [gate["name"] for gate in suite["gates"]] == ["average", "agreement"]
    agreement = measure_agreement(
        [one["score"] for one in suite["records"]], [one for one, _ in people]
    )
    assert agreement is not None
    assert agreement.spearman is not None
    assert agreement.spearman_interval is not None
    low, high = agreement.spearman_interval
    assert suite["agreement"]["spearman_interval"] == [round(low, 4), round(high, 4)]
    assert suite["gates"][1]["reason"].startswith(
        f"Spearman {agreement.spearman:.2f} (95 % CI {low:.2f} to {high:.2f}), mean absolute error "
    )
    assert suite["labels"] == {
        "path": "labels.jsonl",
        "design": None,
        "total": 28,
        "used": 28,
        "other_responses": 0,
        "other_records": 0,
    }
