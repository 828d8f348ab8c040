"""Models at OpenAI-compatible endpoints that take no temperature but their own."""

from __future__ import annotations

import json

import pytest

from pytest_llmjudge.data import Record
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.judging.judge import identity_label, make_judge
from pytest_llmjudge.servers.openai import OpenAIClient
from pytest_llmjudge.servers.role import UNDER_TEST
from pytest_llmjudge.servers.temperature import (
    OWN_TEMPERATURE,
    refuses_temperature,
    takes_any_temperature,
)
from pytest_llmjudge.servers.transport import HttpReply
from tests.support.fake_ollama import (
    OPENAI_TEMPERATURE,
    Failure,
    FakeOllama,
    always,
    similarity,
)

RECORD = Record("r", "Name the author of 'Emma'.", "", "Jane Austen.", {})


def reasoning(server: FakeOllama) -> FakeOllama:
    server.owner, server.refuses_temperature = "system", OPENAI_TEMPERATURE
    return server


def reply(status: int, error: object) -> HttpReply:
    return HttpReply(status, {}, json.dumps({"error": error}).encode())


@pytest.mark.parametrize(
    "error",
    [
        OPENAI_TEMPERATURE,
        {**OPENAI_TEMPERATURE, "param": None, "code": None},
        {
            "message": "Unsupported parameter: 'temperature' is not supported with this model.",
            "param": "temperature",
            "code": "unsupported_parameter",
        },
        {"message": "Only the default (1) value is supported.", "param": "temperature"},
        {"message": "invalid temperature: only 1 is allowed for this model"},
        {"message": "`temperature` is deprecated for this model."},
        "O-series models don't support temperature=0. Only temperature=1 is supported.",
        "Temperature is NOT supported",
    ],
)
def test_refusals(error: object) -> None:
    """In OpenAI's words and in those of gateways, with status 400 or 422 only."""
    assert refuses_temperature(reply(400, error))
    assert refuses_temperature(reply(422, error))
    assert not refuses_temperature(reply(500, error))
    assert not refuses_temperature(reply(200, error))


@pytest.mark.parametrize(
    "error",
    [
        {"message": "temperature must be strictly positive"},
        {"message": "Invalid 'temperature': only values between 0 and 1 are allowed."},
        {"message": "temperature: Input should be less than or equal to 2", "param": "temperature"},
        {"message": "Unsupported parameter: 'max_tokens' is not supported with this model."},
        {
            "message": "logprobs are not supported with a temperature of 0",
            "param": "logprobs",
            "code": "unsupported_value",
        },
        {"message": "", "param": "temperature"},
        None,
        [],
        {},
        "temperature",
    ],
)
def test_other_refusals(error: object) -> None:
    """A temperature that is out of range, and what is about something else, stay errors."""
    assert not refuses_temperature(reply(400, error))


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>temperature unsupported</html>", b"7"])
def test_no_error_at_all(body: bytes) -> None:
    """Another server's page says nothing of the model."""
    assert not refuses_temperature(HttpReply(400, {}, body))


@pytest.mark.parametrize("owner", [None, "", "openai", "system", ["vllm"], {}, 7])
def test_who_may_refuse(owner: object) -> None:
    """Whoever does not say to be one of the known engines, in whatever way."""
    assert not takes_any_temperature(owner)


def test_it_is_asked_for_once(server: FakeOllama) -> None:
    """The refusal is met before work; no later request has a temperature, and options say so."""
    client = OpenAIClient(reasoning(server).url, "llama3", timeout=5)

    identity = client.identify()

    assert identity.options == {"seed": 123, "temperature": OWN_TEMPERATURE}
    assert identity_label(identity).endswith(", temperature the model's own)")
    assert client.chat("Score this.").content == "85"
    assert client.chat("Score this.", temperature=0.7, seed=124).content == "85"
    first, *later = server.chats
    assert (first["temperature"], first["max_tokens"]) == (0, 16)
    assert [sorted(body) for body in later] == [["messages", "model", "seed", "stream"]] * 2


@pytest.mark.parametrize("owner", ["library", "vllm", "llamacpp", "sglang"])
def test_engines_that_take_any_are_not_asked(server: FakeOllama, owner: str) -> None:
    """Who runs a model with one of these pays no request for it."""
    server.owner = owner

    identity = OpenAIClient(server.url, "llama3", timeout=5).identify()

    assert identity.options == {"seed": 123, "temperature": 0}
    assert server.chats == []


def test_a_model_that_takes_it(server: FakeOllama) -> None:
    """Its temperature is sent as ever, also where the short question fails for another reason."""
    for answer in (always("yes"), lambda _: Failure(400, "temperature must be positive")):
        server.owner, server.reply = "openai", answer
        client = OpenAIClient(server.url, "llama3", timeout=5)
        assert client.identify().options == {"seed": 123, "temperature": 0}
    server.reply = always("85")
    client.chat("Score this.")
    assert server.chats[-1]["temperature"] == 0


def test_both_words_for_most_tokens(server: FakeOllama) -> None:
    """OpenAI's reasoning models refuse ``max_tokens`` as well, and may say so first."""
    wants = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."

    def answer(request: object) -> Failure:
        body = getattr(request, "body", {})
        if "max_tokens" in body:
            return Failure(400, wants)
        return Failure(400, str(OPENAI_TEMPERATURE["message"]))

    server.owner, server.reply = "system", answer
    client = OpenAIClient(server.url, "llama3", timeout=5)

    assert client.identify().options["temperature"] == OWN_TEMPERATURE
    assert [sorted(body)[0] for body in server.chats] == ["max_tokens", "max_completion_tokens"]


def test_the_model_under_test_is_not_asked(server: FakeOllama) -> None:
    """How it generates is the user's to say."""
    client = OpenAIClient(reasoning(server).url, "llama3", timeout=5, role=UNDER_TEST)

    assert client.identify().options["temperature"] == 0
    assert server.chats == []


@pytest.mark.parametrize("samples", [1, 3])
def test_the_judge(server: FakeOllama, samples: int) -> None:
    """Scores, pairs and keys are those of the model's own temperature, whatever is asked for."""
    server.reply = similarity
    server.owner = "openai"
    taking = make_judge("openai:llama3", server.url, 5, samples=samples)
    before = taking.key(RECORD, "Emma."), taking.choice_key(RECORD, "a", "b")
    reasoning(server)
    judge = make_judge("openai:llama3", server.url, 5, samples=samples)

    assert judge.identity.options["temperature"] == OWN_TEMPERATURE
    assert judge.score(RECORD, "Jane Austen.").score == 100
    assert judge.compare(RECORD, "Jane Austen.", "x").winner == "a"
    assert judge.echo_tolerance == 10
    assert taking.echo_tolerance == 0
    after = judge.key(RECORD, "Emma."), judge.choice_key(RECORD, "a", "b")
    assert set(before).isdisjoint(after)
    assert sum("temperature" in body for body in server.chats) == 2


def test_servers_that_differ(server: FakeOllama) -> None:
    """Several servers are one judge only if all of them take a temperature, or none does."""
    server.owner = "openai"
    with FakeOllama() as other:
        other.owner, other.refuses_temperature = "openai", OPENAI_TEMPERATURE
        judge = make_judge("openai:llama3", [server.url, other.url], 5)
        with pytest.raises(SettingsError) as caught:
            judge.identity  # noqa: B018  # asks the servers

    assert str(caught.value) == (
        '--llm-judge-url: the servers have different models named "llama3": some of '
        f"{server.url}/v1, {other.url}/v1 refuse a temperature, and some take one; get the same one "
        "on all of them, or leave the others out"
    )
