"""What is wrong with responses that failed, from the judge to all reports."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.fake_ollama import Answer, FakeOllama, Hang, similarity
from tests.support.project import Project, records
from tests.support.report_page import texts_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.fake_ollama import ChatRequest, Reply

REPORT = "--llm-judge-report=results.json"
ALL = "--llm-judge-explain=all"
ASKED = "What is wrong with the student's answer"
WHY = "It names no number. The reference does, e.g. 3.5 words. A third."
SHOWN = "It names no number. The reference does, e.g. 3.5 words."


def explains(request: ChatRequest) -> bool:
    return ASKED in request.prompt


def judge(why: str = WHY) -> Callable[[ChatRequest], Reply]:
    """Return a judge that scores by likeness, and explains with one text."""
    return lambda request: Answer(why) if explains(request) else similarity(request)


def asked(server: FakeOllama) -> list[str]:
    prompts = [chat["messages"][0]["content"] for chat in server.chats]
    return [prompt for prompt in prompts if ASKED in prompt]


def explanations(project: Project) -> dict[str, tuple[str, str | None]]:
    (suite,) = project.results()["suites"]
    return {
        row["id"]: (row["explanation"], row.get("explanation_error"))
        for row in suite["records"]
        if "explanation" in row
    }


def without_explanations(document: dict[str, Any]) -> dict[str, Any]:
    for suite in document["suites"]:
        for row in suite["records"]:
            row.pop("explanation", None)
            row.pop("explanation_error", None)
    return document


def test_explanations_change_nothing_else(project: Project, dist: tuple[str, ...]) -> None:
    """Scores, outcomes and exit status are those of a run without; a second run asks nothing."""
    project.suite(records(4, wrong=[1, 3]), 'responses="model_response", min_score=50')
    files = (
        *("--llm-judge-html=report.html", "--llm-judge-markdown=report.md"),
        *("--junitxml=junit.xml", REPORT, *dist),
    )
    with FakeOllama(judge()) as server:
        without = project.run(REPORT, *dist, server=server.url)
        before = project.results()
        assert asked(server) == []
        result = project.run(ALL, *files, server=server.url)
        first = len(server.chats)
        assert len(asked(server)) == 2
        again = project.run(ALL, REPORT, *dist, server=server.url)
        assert len(server.chats) == first

    assert result.ret == without.ret == again.ret
    result.assert_outcomes(passed=3, failed=2)
    assert explanations(project) == {"r1": (SHOWN, None), "r3": (SHOWN, None)}
    assert without_explanations(project.results()) == before
    output = result.stdout.str()
    assert output.count(f"\n{SHOWN}\n") == 2
    assert SHOWN in (project.path / "report.md").read_text("utf-8")
    assert texts_of(project.path / "report.html")["r1"]["explanation"] == SHOWN
    assert "explanation" not in texts_of(project.path / "report.html")["r0"]
    name = 'name="llm_judge_explanation[test_suite.py::test_instructions[r1]]"'
    assert f'{name} value="{SHOWN}"' in (project.path / "junit.xml").read_text("utf-8")
