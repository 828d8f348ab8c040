"""What a model thinks before it answers, from the model to the reports."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.fake_ollama import Answer, FakeOllama
from tests.support.project import MODEL, Project, records
from tests.support.report_page import texts_of

if TYPE_CHECKING:
    from tests.support.fake_ollama import ChatRequest

REPORT = "--llm-judge-report=results.json"
HTML = "--llm-judge-html=report.html"
THINKER = MODEL.format(answer='"<think>Let me\\nsee.</think>\\n\\nA word."')


def test_a_model_of_the_users_own(project: Project, dist: tuple[str, ...]) -> None:
    """Its thoughts are in all reports, from the cache too, and never in the judge's question."""
    project.write("conftest.py", THINKER)
    project.suite(records(2), "min_score=50")

    with FakeOllama(lambda _: Answer("20")) as server:
        result = project.run(REPORT, HTML, *dist, server=server.url)
        again = project.run(REPORT, *dist, server=server.url)
        asked = json.dumps(server.chats)

    for run in (result, again):
        run.assert_outcomes(passed=1, failed=2)
        run.stdout.fnmatch_lines(["*response:      A word.", "*thoughts:      Let me see."])
    (document,) = project.results()["suites"]
    assert [row["model_response"] for row in document["records"]] == ["A word."] * 2
    assert [row["thoughts"] for row in document["records"]] == ["Let me\nsee."] * 2
    assert texts_of(project.path / "report.html")["r0"]["thoughts"] == "Let me\nsee."
    assert "A word." in asked
    assert "Let me" not in asked
    assert (project.path / "generated.log").read_text("utf-8") == "2\n"


def test_thoughts_without_an_end(project: Project) -> None:
    """The record errs in one line; what the model thought is in the results."""
    project.write("conftest.py", MODEL.format(answer='"<think>Let me see"'))
    project.suite(records(1), "min_score=50")

    result = project.run(REPORT)

    result.assert_outcomes(errors=1, failed=1)
    error = (
        "llm_model (Echo): the model wrote unfinished thoughts and no answer; switch its thoughts "
        "off, or raise --llm-judge-max-new-tokens"
    )
    assert any(line.endswith(error) for line in result.outlines)
    ((row,),) = [suite["records"] for suite in project.results()["suites"]]
    assert (row["error"], row["model_response"]) == (error, None)
    assert row["thoughts"] == "Let me see"


@pytest.mark.parametrize("prompt", ["chat", "alpaca"])
def test_a_served_model(project: Project, prompt: str) -> None:
    """Whatever it is asked with: its thoughts are cut from the response, and kept."""

    def reply(request: ChatRequest) -> Answer:
        return Answer("90" if "score" in request.prompt else "<think>Hm.</think>A word.")

    project.suite(records(1), f'prompt="{prompt}", min_score=50')

    with FakeOllama(reply) as server:
        result = project.run(REPORT, "--llm-judge-checkpoint=ollama:llama3", server=server.url)

    result.assert_outcomes(passed=2)
    ((row,),) = [suite["records"] for suite in project.results()["suites"]]
    assert (row["model_response"], row["thoughts"]) == ("A word.", "Hm.")


def test_a_model_that_does_not_think(project: Project) -> None:
    """Its rows say nothing of thoughts."""
    project.write("conftest.py", MODEL.format(answer='"A word."'))
    project.suite(records(1), "min_score=0")

    project.run(REPORT)

    ((row,),) = [suite["records"] for suite in project.results()["suites"]]
    assert "thoughts" not in row


def test_pairs(project: Project) -> None:
    """The thoughts of the model under test are in the results, and none in the question."""
    project.write("conftest.py", THINKER)
    project.pairs(records(1), 'against="model_response", min_win_rate=0.5')

    with FakeOllama(lambda _: Answer('{"winner": "A"}')) as server:
        project.run(REPORT, HTML, server=server.url)
        asked = json.dumps(server.chats)

    ((row,),) = [suite["records"] for suite in project.results()["suites"]]
    assert (row["model_response"], row["thoughts"]) == ("A word.", "Let me\nsee.")
    assert texts_of(project.path / "report.html")["r0"]["thoughts"] == "Let me\nsee."
    assert "Let me" not in asked


def test_a_judge_whose_parser_ignores_the_schema(project: Project) -> None:
    """The check and the summary name the cause, and no larger judge."""
    project.suite(records(4), 'responses="model_response", min_average=50')

    with FakeOllama(lambda _: Answer("I would say 70.")) as server:
        server.capabilities, server.parser = ["completion", "thinking"], "qwen3.5"
        result = project.run("--llm-judge-check=strict", server=server.url)

    result.assert_outcomes(failed=1, errors=5)
    ignored = 'with the parser "qwen3.5" Ollama ignores the schema that replies are held to'
    result.stdout.fnmatch_lines(
        [f"judge llama3: * known answers got no score (*{ignored}*); update Ollama, or *"]
    )
    result.stdout.fnmatch_lines([f"*{ignored}; update Ollama, or make the model anew *"])
    result.stdout.no_fnmatch_line("*larger judge*")
