"""The Ollama client: who answers there, what it is sent, and what it said."""

from __future__ import annotations

import json

import pytest

from pytest_llmjudge.data import JudgeIdentity
from pytest_llmjudge.errors import JudgeDownError, JudgeError, SettingsError
from pytest_llmjudge.scoring import SCORE_SCHEMA
from pytest_llmjudge.servers.chat import ChatReply, NoLogprobsError, PromptTooLongError
from pytest_llmjudge.servers.ollama import OllamaClient
from pytest_llmjudge.settings import Decoding
from tests.support.fake_ollama import (
    DIGEST,
    HTML,
    Answer,
    FakeOllama,
    Page,
    Reply,
)

JSON = "application/json; charset=utf-8"
OPTIONS = {"seed": 123, "temperature": 0, "num_ctx": 2048}
NOT_OLLAMA = "name Ollama's own address with --llm-judge-url"


def connect(server: FakeOllama, model: str = "llama3") -> OllamaClient:
    return OllamaClient(server.url, model, timeout=5, backoff=0.001)


def page(**fields: object) -> Page:
    """Make a reply like a chat's, some fields of it replaced, those that are None left out."""
    message = {"role": "assistant", "content": "85"}
    whole = {
        "model": "llama3",
        "message": message,
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 9,
    }
    whole |= fields
    return Page(200, JSON, json.dumps({k: v for k, v in whole.items() if v is not None}))


def test_identity(server: FakeOllama) -> None:
    """The identity is name, version, the digest of the weights, and the lecture's options."""
    server.models = {"gemma3:270m": "f00", "llama3:latest": f"sha256:{DIGEST}"}
    server.version = "0.12.3"

    identity = connect(server).identify()

    assert identity == JudgeIdentity("llama3", "ollama", "0.12.3", DIGEST, OPTIONS)


@pytest.mark.parametrize(
    ("model", "installed"),
    [
        ("llama3", "llama3:latest"),
        ("llama3:latest", "llama3:latest"),
        ("Llama3", "llama3:latest"),
        ("gemma3:270m", "gemma3:270m"),
        ("hf.co/me/judge", "hf.co/me/judge:latest"),
        ("localhost:5000/me/judge", "localhost:5000/me/judge:latest"),
    ],
)
def test_names_of_models(server: FakeOllama, model: str, installed: str) -> None:
    """A name without a tag means ``latest``, as it does for Ollama."""
    server.models = {"other:latest": "f00", installed: "abc"}

    assert connect(server, model).identify().digest == "abc"


@pytest.mark.parametrize(
    ("installed", "listed"),
    [
        ({}, "none"),
        ({"smollm2:latest": "a", "gemma3:270m": "b"}, "smollm2:latest, gemma3:270m"),
        ({"llama3:8b": "a", "llama3.1:latest": "b"}, "llama3:8b, llama3.1:latest"),
    ],
)
def test_model_is_missing(server: FakeOllama, installed: dict[str, str], listed: str) -> None:
    """The error for a missing model lists those that are there, and how to get it."""
    server.models = installed

    with pytest.raises(JudgeError) as caught:
        connect(server).identify()

    assert str(caught.value) == (
        f'{server.url}: has no model "llama3"; installed: {listed}; "ollama pull llama3" gets it'
    )


@pytest.mark.parametrize("models", [None, 7, [7, {}, {"name": "llama3:latest"}, {"digest": "a"}]])
def test_strange_lists_of_models(server: FakeOllama, models: object) -> None:
    """What is no entry of a model is not listed as one."""
    server.instead["/api/tags"] = Page(200, JSON, json.dumps({"models": models}))

    with pytest.raises(JudgeError) as caught:
        connect(server).identify()

    assert str(caught.value) == (
        f'{server.url}: has no model "llama3"; installed: none; "ollama pull llama3" gets it'
    )


@pytest.mark.parametrize("ask", ["identify", "chat"])
def test_server_is_down(server: FakeOllama, ask: str) -> None:
    """A server that does not answer is an error of its own, which says how to start it."""
    server.stop()
    client = connect(server)

    with pytest.raises(JudgeDownError) as caught:
        client.identify() if ask == "identify" else client.chat("Score this.")

    assert str(caught.value) == (
        f'{server.url}: is not answering; start it with "ollama serve" for the judge "llama3", '
        "name another with --llm-judge-url, or begin without a server with --llm-judge-model=embedded"
    )


def test_name_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host name that nobody knows is reported as that."""
    monkeypatch.setenv("NO_PROXY", "*")
    client = OllamaClient("judge.invalid", "llama3", timeout=5, backoff=0.001)

    with pytest.raises(JudgeDownError) as caught:
        client.identify()

    assert str(caught.value) == (
        "http://judge.invalid:11434: is not answering, its name cannot be resolved; "
        'start it with "ollama serve" for the judge "llama3", '
        "name another with --llm-judge-url, or begin without a server with --llm-judge-model=embedded"
    )


@pytest.mark.parametrize(
    ("path", "reply", "problem"),
    [
        ("/api/version", HTML, '"/api/version" gave status 200, an HTML page ("It works!")'),
        (
            "/api/version",
            Page(200, "text/html", "<p>"),
            '"/api/version" gave status 200, an HTML page',
        ),
        (
            "/api/version",
            Page(404, "text/plain", "404 page not found"),
            '"/api/version" gave status 404, "404 page not found"',
        ),
        ("/api/version", Page(200, JSON, "[1]"), '"/api/version" gave status 200, "[1]"'),
        ("/api/version", Page(200, JSON, "{}"), '"/api/version" has no version'),
        ("/api/version", Page(200, JSON), '"/api/version" gave status 200, an empty reply'),
        (
            "/api/tags",
            Page(500, JSON, '{"error":"x"}'),
            '"/api/tags" gave status 500, "{"error":"x"}"',
        ),
    ],
)
def test_something_else_answers(server: FakeOllama, path: str, reply: Reply, problem: str) -> None:
    """Whatever else listens at the address is reported with what it said."""
    server.instead[path] = reply

    with pytest.raises(JudgeError) as caught:
        connect(server).identify()

    assert str(caught.value) == f"{server.url}: is not an Ollama server: {problem}; {NOT_OLLAMA}"


@pytest.mark.parametrize("ask", ["identify", "chat"])
def test_host_name_is_refused(
    server: FakeOllama, monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    """Ollama's empty 403 for foreign host names is explained."""
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    client = OllamaClient("judge.example", "llama3", timeout=5)

    with pytest.raises(JudgeError) as caught:
        client.identify() if ask == "identify" else client.chat("Score this.")

    assert str(caught.value) == (
        "http://judge.example:11434: refuses requests for this host name (status 403, an empty "
        "reply); name it by its IP address, or start it with OLLAMA_HOST=0.0.0.0"
    )


def test_address_is_garbage() -> None:
    """An address nobody can read is refused before anything is sent."""
    with pytest.raises(SettingsError):
        OllamaClient("a b", "llama3", timeout=5)


def test_first_request(server: FakeOllama) -> None:
    """The request has the recorded options, refuses to be cut, and nothing more."""
    connect(server).chat("Score `this` é \U0001f600.")

    assert server.chats == [
        {
            "model": "llama3",
            "messages": [{"role": "user", "content": "Score `this` é \U0001f600."}],
            "stream": False,
            "truncate": False,
            "shift": False,
            "options": OPTIONS,
        }
    ]
    assert server.requests[-1].headers["Content-Type"] == "application/json"


def test_request_with_schema(server: FakeOllama) -> None:
    """A schema adds the format and a bound on tokens, and changes nothing else."""
    client = connect(server)

    client.chat("Score this.")
    client.chat("Score this.", schema=SCORE_SCHEMA)

    first, second = server.chats
    assert second == {
        **first,
        "format": SCORE_SCHEMA,
        "options": {**OPTIONS, "num_predict": 64},
    }


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer("85", prompt_tokens=107), ChatReply("85", "stop")),
        (Answer(" 85\n", "length", 9), ChatReply(" 85\n", "length")),
        (Answer("", prompt_tokens=9), ChatReply("", "stop")),
        (page(done_reason=None), ChatReply("85", "stop")),
    ],
)
def test_reply(server: FakeOllama, answer: Reply, expected: ChatReply) -> None:
    """Content comes word for word, also when there is none, with the reason for its end."""
    server.reply = lambda _: answer

    assert expected == connect(server).chat("Score this.")


REDIRECT = Page(308, "", "", {"Location": "https://other.example/api?key=abcdefgh"})


def test_another_address_answers_with_a_redirect(server: FakeOllama) -> None:
    """It says where to, whatever was asked, without what may be a key."""
    server.instead["/api/version"] = REDIRECT

    with pytest.raises(JudgeError) as caught:
        connect(server).identify()

    assert str(caught.value) == (
        f"{server.url}: sends on to https://other.example/api?***; {NOT_OLLAMA}"
    )


def test_prompt_is_too_long(server: FakeOllama) -> None:
    """A prompt that the server refuses to cut is reported with its length."""
    with pytest.raises(PromptTooLongError) as caught:
        connect(server).chat("word " * 2000)

    assert str(caught.value) == (
        f"{server.url}: the judge prompt of 10000 characters needs about 2,500 tokens and does not "
        "fit into num_ctx 2048; raise --llm-judge-context, shorten the record or its response, take the record out, or judge with openai:NAME at a server with a longer context; a prompt that was cut is never "
        "scored"
    )
    assert len(server.chats) == 1


@pytest.mark.parametrize("count", [2048, 4096])
def test_prompt_was_cut(server: FakeOllama, count: int) -> None:
    """A server that cuts all the same is caught by its count of tokens."""
    server.reply = lambda _: Answer("85", prompt_tokens=count)

    with pytest.raises(PromptTooLongError) as caught:
        connect(server).chat("Score this.")

    assert str(caught.value) == (
        f"{server.url}: the judge prompt of 11 characters needs about 2,049 tokens and does not "
        "fit into num_ctx 2048; raise --llm-judge-context, shorten the record or its response, take the record out, or judge with openai:NAME at a server with a longer context; a prompt that was cut is never "
        "scored"
    )


def test_a_model_without_a_digest(server: FakeOllama) -> None:
    """Nobody could tell when its weights are others, so it is no judge."""
    server.models["llama3:latest"] = ""

    with pytest.raises(JudgeError) as caught:
        OllamaClient(server.url, "llama3", timeout=5).identify()

    assert str(caught.value) == (
        f'{server.url}: does not say the digest of "llama3"; update Ollama'
    )


@pytest.mark.parametrize("version", ["0.12.11", f"0.{'9' * 5000}", f"{'1' * 5000}.0.1-rc0"])
def test_versions_with_log_probabilities(server: FakeOllama, version: str) -> None:
    """However long the numbers are."""
    server.version = version

    connect(server).check_logprobs()


@pytest.mark.parametrize("count", [[], {}, None, "1"])
def test_no_log_probabilities_and_no_number_of_tokens(server: FakeOllama, count: object) -> None:
    """Whatever stands in the place of the number."""
    server.reply = lambda _: page(eval_count=count)

    with pytest.raises(NoLogprobsError, match="gave no log-probabilities though they were asked"):
        connect(server).chat("Score this.", weigh=True)


def test_a_stop_text_that_looks_like_deep_json(server: FakeOllama) -> None:
    """It is a text like any other."""
    server.parameters = f"stop {'[' * 100_000}"
    client = connect(server)

    client.identify()
    client.complete("Go on.", tokens=4, decoding=Decoding(stop=("END",)), chat=True)

    assert server.chats[-1]["options"]["stop"] == ["END", "[" * 100_000]


@pytest.mark.parametrize("depth", [101, 900, 100_000])
def test_a_reply_that_is_nested_deeply(server: FakeOllama, depth: int) -> None:
    """It is read as no JSON at any depth that what follows could not walk through."""
    reply = page(done_reason="?").body.replace('"?"', "[" * depth + "]" * depth)
    server.reply = lambda _: Page(200, JSON, reply)

    with pytest.raises(JudgeError) as caught:
        connect(server).chat("Score this.")

    assert "where a chat reply was due; " in str(caught.value)
