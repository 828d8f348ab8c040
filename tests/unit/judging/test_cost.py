"""What a verdict costs: the seconds and tokens of all requests that made it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.data import Record, Verdict
from pytest_llmjudge.judging.decoys import confirm_by_decoys
from pytest_llmjudge.judging.judge import make_judge
from pytest_llmjudge.pipeline.parts import join_parts
from pytest_llmjudge.scoring import combine
from pytest_llmjudge.servers.openai import OpenAIClient
from tests.support.fake_ollama import Answer, FakeOllama, Page, in_turn

if TYPE_CHECKING:
    from collections.abc import Sequence

RECORD = Record("r", "Name the author of 'Emma'.", "", "Jane Austen.", {})
YES = [("Yes", -0.01), ("No", -4.7)]


def verdict(score: int | None, seconds: float | None, tokens: int | None) -> Verdict:
    error = None if score is not None else "x: no score; try again"
    return Verdict(score, "reply", error, seconds=seconds, tokens=tokens)


def cost(made: Verdict | None) -> tuple[float | None, int | None]:
    assert made is not None
    return made.seconds, made.tokens


def test_one_request(server: FakeOllama) -> None:
    """Tokens are those that the server says it read and wrote."""
    server.reply = in_turn(Answer("85", prompt_tokens=107, eval_tokens=3))

    made = make_judge("llama3", server.url, 5.0).score(RECORD, "Jane.")

    assert made.tokens == 110
    assert made.seconds is not None
    assert 0 < made.seconds < 60


def test_a_second_request_with_a_schema(server: FakeOllama) -> None:
    """Both count, whatever becomes of the second."""
    for again in ('{"score": 80}', "none"):
        answers = (
            Answer("well", prompt_tokens=100, eval_tokens=50),
            Answer(again, prompt_tokens=100, eval_tokens=7),
        )
        server.reply = in_turn(*answers)
        made = make_judge("llama3", server.url, 5.0).score(RECORD, "Jane.")
        assert made.tokens == 257


@pytest.mark.parametrize("ask", ["weighted", "weighted1"])
def test_what_nobody_is_asked_about(server: FakeOllama, ask: str) -> None:
    """An empty response and, weighted, one that is its reference cost nothing."""
    judge = make_judge("llama3", server.url, 5.0, ask=ask)

    assert cost(judge.score(RECORD, " ")) == (0, 0)
    assert cost(judge.score(RECORD, "Jane Austen.")) == (0, 0)
    assert server.chats == []


def test_the_embedded_judge() -> None:
    """It makes no request."""
    assert cost(make_judge("embedded", "", 5.0).score(RECORD, "Jane.")) == (0, 0)


def test_decoys_count(server: FakeOllama) -> None:
    """They are a part of what the score of a suspicious response takes."""
    no = [("No", -0.01), ("Yes", -4.7)]
    server.reply = in_turn(
        Answer("Yes", prompt_tokens=90, eval_tokens=2, candidates=YES),
        Answer("No", prompt_tokens=70, eval_tokens=2, candidates=no),
    )

    made = make_judge("llama3", server.url, 5.0, ask="weighted").score(RECORD, "She was a writer.")

    assert made.score is not None
    assert made.tokens == 164
    assert len(server.chats) == 2


def test_a_server_that_does_not_count(server: FakeOllama) -> None:
    """The seconds are known all the same."""
    server.reply = in_turn(Answer("85", counts=False))

    made = make_judge("llama3", server.url, 5.0).score(RECORD, "Jane.")

    assert (made.score, made.tokens) == (85, None)
    assert made.seconds is not None


def test_an_openai_compatible_server(server: FakeOllama) -> None:
    """It says both counts in ``usage``; thoughts are among those that were written."""
    body = {
        "model": "llama3",
        "choices": [{"message": {"role": "assistant", "content": "85"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 120, "completion_tokens": 45, "total_tokens": 165},
    }
    server.reply = lambda _: Page(200, "application/json", json.dumps(body))

    reply = OpenAIClient(f"{server.url}/v1", "llama3", timeout=5.0).chat("Score this.")

    assert reply.tokens == 165
    assert reply.seconds is not None


@pytest.mark.parametrize("one", ["prompt_tokens", "completion_tokens"])
def test_half_a_count_is_none(server: FakeOllama, one: str) -> None:
    """A sum without one part would look like a whole one."""
    body = {
        "model": "llama3",
        "choices": [{"message": {"role": "assistant", "content": "85"}, "finish_reason": "stop"}],
        "usage": {one: 120},
    }
    server.reply = lambda _: Page(200, "application/json", json.dumps(body))

    assert OpenAIClient(f"{server.url}/v1", "llama3", timeout=5.0).chat("Score.").tokens is None


PARTS: Sequence[Verdict] = (verdict(80, 1.5, 100), verdict(60, 0.25, 40))


def test_samples_parts_and_decoys_add_up() -> None:
    """The cost of a verdict that is made of others is theirs."""
    assert cost(combine(PARTS, 2)) == (1.75, 140)
    assert cost(join_parts([("a", PARTS[0]), ("b", PARTS[1])])) == (1.75, 140)
    low, alike = verdict(5, 0.5, 10), verdict(79, 0.5, 10)
    assert cost(confirm_by_decoys(RECORD, PARTS[0], iter([low]))) == (2.0, 110)
    assert cost(confirm_by_decoys(RECORD, PARTS[0], iter([alike, alike]))) == (2.5, 120)


def test_what_has_no_score_adds_up_as_well() -> None:
    """What was asked until then was paid for."""
    lost = verdict(None, 0.5, 10)

    assert cost(combine([PARTS[0], lost, PARTS[1]], 3)) == (2.0, 110)
    assert cost(join_parts([("a", PARTS[0]), ("b", lost)])) == (2.0, 110)
    assert cost(confirm_by_decoys(RECORD, PARTS[0], iter([lost]))) == (2.0, 110)


def test_a_sum_with_something_unknown_is_unknown() -> None:
    """Less than the whole would be wrong."""
    assert cost(combine([PARTS[0], verdict(50, None, 10)], 2)) == (None, 110)
    assert cost(join_parts([("a", PARTS[0]), ("b", verdict(50, 1.0, None))])) == (2.5, None)
