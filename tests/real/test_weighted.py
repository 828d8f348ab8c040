"""The weighted question on real data: recorded log-probabilities, and those of the wire."""

from __future__ import annotations

import json
import math
import shutil
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.judging.questions import weighted1_prompt, weighted2_prompt
from pytest_llmjudge.records.loading import load_records
from pytest_llmjudge.scoring import weigh
from pytest_llmjudge.servers.chat import read_candidates
from tests.support.fake_ollama import Answer, ChatRequest, FakeOllama, Replay
from tests.support.project import MARKED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_llmjudge.data import Record
    from tests.support.project import Project

DATA = "instructions/instruction-data-with-response.json"
RECORDED_1 = "recorded-judge/qwen2.5-coder-1.5b-weighted.jsonl"
RECORDED_2 = "recorded-judge/qwen2.5-coder-1.5b-weighted2.jsonl"


@pytest.mark.parametrize("mode", [(), ("-n", "2"), ("-p", "no:xdist"), ("-n", "2", "C4")], ids=str)
def test_the_recorded_average(project: Project, real_data: Path, mode: tuple[str, ...]) -> None:
    """110 records average 28.3818 with 93 requests and 11 decoys: 17 exact answers are not sent."""
    shutil.copy(real_data / DATA, project.path / "data.json")
    arguments = '"data.json", responses="model_response", min_average=25'
    project.write("test_suite.py", MARKED.format(arguments=arguments))
    options = [option.replace("C4", "--llm-judge-concurrency=4") for option in mode]

    replay = Replay(real_data / RECORDED_2, then=says_no)
    with FakeOllama(replay) as server:
        result = project.run(
            "--llm-judge-ask=weighted", "--llm-judge-report=r.json", *options, server=server.url
        )
        prompts = [chat["messages"][0]["content"] for chat in server.chats]

    result.assert_outcomes(passed=111)
    assert (len(prompts), len(set(prompts)), replay.unrecorded) == (104, 104, 11)
    (suite,) = project.results("r.json")["suites"]
    assert (suite["scored"], suite["average"]) == (110, 28.3818)
    covered = [record["covered"] for record in suite["records"] if "covered" in record]
    assert len(covered) == 93
    assert min(covered) >= 0.996


def says_no(_: ChatRequest) -> Answer:
    """Answer a decoy question as a judge does that no response speaks to."""
    return Answer("No", candidates=[("No", math.log(0.98)), ("Yes", math.log(0.01))])


def test_the_recorded_average_of_version_1(project: Project, real_data: Path) -> None:
    """110 records average 48.4545 with 93 requests, as in old baselines, and no decoys."""
    shutil.copy(real_data / DATA, project.path / "data.json")
    arguments = '"data.json", responses="model_response", min_average=45'
    project.write("test_suite.py", MARKED.format(arguments=arguments))

    with FakeOllama(Replay(real_data / RECORDED_1)) as server:
        result = project.run(
            "--llm-judge-ask=weighted1", "--llm-judge-report=r.json", server=server.url
        )
        prompts = [chat["messages"][0]["content"] for chat in server.chats]

    result.assert_outcomes(passed=111)
    assert (len(prompts), len(set(prompts))) == (93, 93)
    (suite,) = project.results("r.json")["suites"]
    assert (suite["scored"], suite["average"]) == (110, 48.4545)
    covered = [record["covered"] for record in suite["records"] if "covered" in record]
    assert len(covered) == 93
    assert min(covered) >= 0.997


@pytest.mark.parametrize(
    ("recording", "prompt"),
    [(RECORDED_1, weighted1_prompt), (RECORDED_2, weighted2_prompt)],
    ids=["weighted/1", "weighted/2"],
)
def test_prompts_are_the_recorded_ones(
    real_data: Path, recording: str, prompt: Callable[[Record, str], str]
) -> None:
    """All 110 questions byte for byte."""
    recorded = {
        json.loads(line)["request"]["messages"][0]["content"]
        for line in (real_data / recording).read_bytes().splitlines()
    }
    records = load_records(real_data / DATA, response_field="model_response")

    assert {prompt(record, str(record.fields["model_response"])) for record in records} == (
        recorded
    )


def wire(real_data: Path, name: str) -> object:
    """Read the list of log-probabilities in a recorded reply."""
    text = (real_data / "ollama-wire" / f"08-chat-logprobs-{name}.txt").read_text("utf-8")
    body = next(line for line in text.splitlines() if line.startswith('{"model"'))
    return json.loads(body).get("logprobs")


def test_wire_candidates(real_data: Path) -> None:
    """Twenty candidates for the first token, the chosen one among them, as recorded."""
    candidates = read_candidates(wire(real_data, "smollm2"))

    assert len(candidates) == 20
    assert candidates[0] == ("The", -0.0611487478017807)
    assert sum(math.exp(logprob) for _, logprob in candidates) <= 1


def test_wire_without_candidates(real_data: Path) -> None:
    """Without ``top_logprobs`` the chosen token is the one candidate."""
    assert read_candidates(wire(real_data, "stop")) == (("Yes", -2.402413845062256),)
    weighing = weigh(read_candidates(wire(real_data, "stop")))
    assert (weighing.score, round(weighing.covered, 4)) == (None, 0.0905)


def test_wire_with_a_grammar(real_data: Path) -> None:
    """Under a grammar the chosen token may be none of the likely ones; it is a candidate too."""
    logprobs = wire(real_data, "format")
    assert isinstance(logprobs, list)

    tokens = [token for token, _ in read_candidates(logprobs)]

    assert logprobs[0]["token"] in tokens
