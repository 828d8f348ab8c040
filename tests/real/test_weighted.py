"""The weighted question on real data: recorded log-probabilities, and those of the wire."""

from __future__ import annotations

import json
import math
import shutil
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.prompts import weighted_prompt
from pytest_llmjudge.records import load_records
from pytest_llmjudge.scoring import weigh
from pytest_llmjudge.servers.chat import read_candidates
from tests.support.fake_ollama import FakeOllama, Replay
from tests.support.project import MARKED

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.project import Project

DATA = "instructions/instruction-data-with-response.json"
RECORDED = "recorded-judge/qwen2.5-coder-1.5b-weighted.jsonl"


@pytest.mark.parametrize("mode", [(), ("-n", "2"), ("-p", "no:xdist"), ("-n", "2", "C4")], ids=str)
def test_the_recorded_average(project: Project, real_data: Path, mode: tuple[str, ...]) -> None:
    """110 records average 48.4545 with 93 requests: 17 exact answers are not sent."""
    shutil.copy(real_data / DATA, project.path / "data.json")
    arguments = '"data.json", responses="model_response", min_average=45'
    project.write("test_suite.py", MARKED.format(arguments=arguments))
    options = [option.replace("C4", "--llm-judge-concurrency=4") for option in mode]

    with FakeOllama(Replay(real_data / RECORDED)) as server:
        result = project.run(
            "--llm-judge-ask=weighted", "--llm-judge-report=r.json", *options, server=server.url
        )
        prompts = [chat["messages"][0]["content"] for chat in server.chats]

    result.assert_outcomes(passed=111)
    assert (len(prompts), len(set(prompts))) == (93, 93)
    (suite,) = project.results("r.json")["suites"]
    assert (suite["scored"], suite["average"]) == (110, 48.4545)
    covered = [record["covered"] for record in suite["records"] if "covered" in record]
    assert len(covered) == 93
    assert min(covered) >= 0.997


def test_prompts_are_the_recorded_ones(real_data: Path) -> None:
    """All 110 questions byte for byte."""
    recorded = {
        json.loads(line)["request"]["messages"][0]["content"]
        for line in (real_data / RECORDED).read_bytes().splitlines()
    }
    records = load_records(real_data / DATA, response_field="model_response")

    assert {
        weighted_prompt(record, str(record.fields["model_response"])) for record in records
    } == (recorded)


def wire(real_data: Path, name: str) -> object:
    """Read the list of log-probabilities in a recorded reply."""
    text = (real_data / "ollama-wire" / f"08-chat-logprobs-{name}.txt").read_text("utf-8")
    body = next(line for line in text.splitlines() if line.startswith('{"model"'))
    return json.loads(body).get("logprobs")


def test_wire_candidates(real_data: Path) -> None:
    """Twenty candidates for the first token, the chosen one among them, as recorded."""
    found = read_candidates(wire(real_data, "smollm2"))

    assert len(found) == 20
    assert found[0] == ("The", -0.0611487478017807)
    assert sum(math.exp(logprob) for _, logprob in found) <= 1


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
