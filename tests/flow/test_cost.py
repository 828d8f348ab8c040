"""What the judge takes for a record, from its requests to results files and reports."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.fake_ollama import Answer, ChatRequest, FakeOllama, Reply
from tests.support.project import records

if TYPE_CHECKING:
    from tests.support.project import Project

REPORT = "--llm-judge-report=results.json"
ARGUMENTS = 'responses="model_response", min_average=50'


def slow(request: ChatRequest) -> Reply:
    """Take a while, and count."""
    time.sleep(0.06)
    return Answer("85", prompt_tokens=100 + request.number, eval_tokens=3)


def saved(project: Project) -> list[dict[str, Any]]:
    """Return the records of a results file, with their seconds."""
    (suite,) = json.loads((project.path / "results.json").read_text("utf-8"))["suites"]
    listed: list[dict[str, Any]] = suite["records"]
    return listed


def test_it_is_kept_with_the_verdict(project: Project, dist: tuple[str, ...]) -> None:
    """A run that asks nobody reports what the verdicts cost when they were made."""
    project.suite(records(3), ARGUMENTS)

    with FakeOllama(slow) as server:
        first = project.run(REPORT, *dist, server=server.url)
        before = saved(project)
        second = project.run(REPORT, *dist, server=server.url)
        assert len(server.chats) == 3

    assert all(0.06 <= record["seconds"] < 60 for record in before)
    assert sum(record["tokens"] for record in before) == 3 * 103 + 6
    assert saved(project) == before
    for result in (first, second):
        result.stdout.fnmatch_lines(["judge: ?.? s and 105 tokens a record"])


def test_it_stands_in_every_report(project: Project) -> None:
    """On the HTML page and in Markdown as well."""
    project.suite(records(3), ARGUMENTS)

    with FakeOllama(slow) as server:
        project.run("--llm-judge-html=page.html", "--llm-judge-markdown=page.md", server=server.url)

    assert "and 105 tokens" in (project.path / "page.html").read_text("utf-8")
    assert "and 105 tokens a record" in (project.path / "page.md").read_text("utf-8")


def test_without_a_request_there_is_none(project: Project) -> None:
    """The embedded judge takes no time, and nothing is said of it."""
    project.suite(records(2), ARGUMENTS)

    result = project.run(REPORT, "--llm-judge-model=embedded")

    assert [(one["seconds"], one["tokens"]) for one in saved(project)] == [(0, 0), (0, 0)]
    result.stdout.no_fnmatch_line("*tokens*")


OWN = """
import time
import pytest
from pytest_llmjudge import Verdict


class Mine:
    def score(self, record, response):
        time.sleep(0.06)
        return Verdict(85{given})


@pytest.fixture(scope="session")
def llm_judge():
    return Mine()
"""


@pytest.mark.parametrize(
    ("given", "seconds", "tokens"), [("", 0.06, None), (", seconds=2.5, tokens=12", 2.5, 12)]
)
def test_a_judge_of_the_users_own(
    project: Project, given: str, seconds: float, tokens: int | None
) -> None:
    """It is measured, unless the verdict says itself what it cost."""
    project.suite(records(1), ARGUMENTS)
    project.write("conftest.py", OWN.format(given=given))

    project.run(REPORT)

    (record,) = saved(project)
    assert seconds <= record["seconds"] < 60
    assert record.get("tokens") == tokens


@pytest.mark.parametrize("given", ["seconds=-1.0", "seconds='1'", "tokens=1.5", "tokens=-1"])
def test_a_cost_that_is_none(project: Project, given: str) -> None:
    """A verdict with one is no verdict."""
    project.suite(records(1), ARGUMENTS)
    project.write("conftest.py", OWN.format(given=f", {given}"))

    result = project.run()

    result.stdout.fnmatch_lines(["*score() gave Verdict(score=85*"])
