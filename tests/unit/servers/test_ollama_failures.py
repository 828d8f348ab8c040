"""The Ollama client: how each reply that is none becomes one line."""

from __future__ import annotations

import json

import pytest

from pytest_llmjudge.errors import JudgeError
from pytest_llmjudge.servers.chat import PromptTooLongError
from pytest_llmjudge.servers.ollama import OllamaClient
from pytest_llmjudge.settings import Decoding
from tests.support.fake_ollama import (
    BUSY,
    CRASH,
    HTML,
    MIDSTREAM_CRASH,
    Answer,
    Failure,
    FakeOllama,
    Page,
    Reply,
)

JSON = "application/json; charset=utf-8"
NOT_OLLAMA = "name Ollama's own address with --llm-judge-url"
SEE_LOG = 'the log of "ollama serve" tells more'
CRASHED = (
    "its model crashed each time it was asked "
    "(an error was encountered while running the model: unexpected EOF); "
    f"free memory, or name a smaller model; {SEE_LOG}"
)


def connect(server: FakeOllama, model: str = "llama3", timeout: float = 5) -> OllamaClient:
    return OllamaClient(server.url, model, timeout=timeout, backoff=0.001)


def failure(client: OllamaClient, prompt: str = "Score this.") -> str:
    """Give the text of the error that a chat ends with, without the address."""
    with pytest.raises(JudgeError) as caught:
        client.chat(prompt)
    return str(caught.value).removeprefix(f"{client.url}: ")


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


def test_model_vanished(server: FakeOllama) -> None:
    """A model that was removed during the run is reported as that."""
    server.models.clear()

    assert failure(connect(server)) == (
        'has no model "llama3" any more (model \'llama3\' not found); "ollama pull llama3" gets it'
    )


def test_cloud_is_disabled(server: FakeOllama) -> None:
    """What the server says of a cloud model is passed on."""
    assert failure(connect(server, "x:cloud")) == (
        "answered with status 403: ollama cloud is disabled: remote model is unavailable; "
        + SEE_LOG
    )


UNUSABLE = [
    (HTML, f'answered an HTML page ("It works!") where a chat reply was due; {NOT_OLLAMA}'),
    (Page(200, JSON, "85"), f'answered "85" where a chat reply was due; {NOT_OLLAMA}'),
    (Page(200, JSON), f"answered an empty reply where a chat reply was due; {NOT_OLLAMA}"),
    (
        Page(200, JSON, "[" * 9999),
        f'answered "{"[" * 79}…" where a chat reply was due; {NOT_OLLAMA}',
    ),
    (Page(200, JSON, "\xff"), f'answered "ÿ" where a chat reply was due; {NOT_OLLAMA}'),
    (Page(200, JSON, "{}"), f'answered "{{}}" where a finished message was due; {NOT_OLLAMA}'),
    (
        Page(200, JSON, '{"message":{"content":8},"done":true}'),
        'answered "{"message":{"content":8},"done":true}" where a finished message was due; '
        + NOT_OLLAMA,
    ),
    (
        Page(200, JSON, '{"message":{"content":"8"},"done":false}'),
        'answered "{"message":{"content":"8"},"done":false}" where a finished message was due; '
        + NOT_OLLAMA,
    ),
    (Answer("8", "error"), f'broke its answer off (done_reason "error"); {SEE_LOG}'),
    (page(done_reason=["stop"]), f"broke its answer off (done_reason \"['stop']\"); {SEE_LOG}"),
    (Answer("", "load", counts=False), f"loaded the model instead of answering; {SEE_LOG}"),
    (Answer("", "unload", counts=False), f"unloaded the model instead of answering; {SEE_LOG}"),
    (Failure(400, "no"), f"answered with status 400: no; {SEE_LOG}"),
    (Failure(500, "option x"), f"answered with status 500: option x; {SEE_LOG}"),
    (Failure(500, "a\nb\x00"), f"answered with status 500: a b\\x00; {SEE_LOG}"),
    (
        Page(401, JSON, '{"error":{"message":"no key","code":null}}'),
        f"answered with status 401: no key; {SEE_LOG}",
    ),
    (Page(405, "text/plain", "no"), f'answered with status 405, "no"; {NOT_OLLAMA}'),
    (
        Page(502, "text/html", "<title>Bad\nGateway</title>"),
        f'answered with status 502, an HTML page ("Bad Gateway"); {NOT_OLLAMA}',
    ),
    (
        Page(307, "", "", {"Location": "https://other.example/"}),
        f"sends on to https://other.example/; {NOT_OLLAMA}",
    ),
    (Page(307, ""), f"answered with status 307, an empty reply; {NOT_OLLAMA}"),
    (
        Page(300, JSON, '{"done":true}'),
        f'answered with status 300, "{{"done":true}}"; {NOT_OLLAMA}',
    ),
    (page(error={"code": 5}), f'answered with status 200: {{"code": 5}}; {SEE_LOG}'),
    (page(error=["boom"]), f'answered with status 200: ["boom"]; {SEE_LOG}'),
    (page(error=""), f"answered with status 200: an error without a text; {SEE_LOG}"),
    (page(prompt_eval_count=-1), f"says that it read -1 tokens; {SEE_LOG}"),
    (page(eval_count=-3), f"says that it wrote -3 tokens; {SEE_LOG}"),
    (
        page(message={"role": "tool", "content": "85"}),
        f'answered in the role "tool" instead of assistant; {SEE_LOG}',
    ),
    (
        page(message={"role": "assistant", "content": "85", "tool_calls": [{"function": {}}]}),
        "called a tool (tool_calls) where none was offered; rephrase the record, or take another model",
    ),
    (
        Page(200, JSON, page().body.replace('"content": "85"', '"content": "5", "content": "85"')),
        f'answered in JSON that has the key "content" twice; {SEE_LOG}',
    ),
    (
        Page(500, JSON, '{"error":"one","error":"two"}'),
        f'answered in JSON that has the key "error" twice; {SEE_LOG}',
    ),
    (
        BUSY,
        (
            "is busy (server busy, please try again. maximum pending requests exceeded); "
            "let fewer programs use it at a time"
        ),
    ),
    (CRASH, CRASHED),
    (MIDSTREAM_CRASH, CRASHED),
]


@pytest.mark.usefixtures("without_collection")
@pytest.mark.parametrize(("reply", "message"), UNUSABLE)
def test_unusable_replies(server: FakeOllama, reply: Reply, message: str) -> None:
    """Each reply that is none becomes one line that says what it was and what to do."""
    server.reply = lambda _: reply

    # A server that stays busy is asked again until the timeout.
    assert message == failure(connect(server, timeout=1))


def test_a_missing_count_matters_for_a_long_prompt_only(server: FakeOllama) -> None:
    """A prompt with fewer bytes than the context has tokens cannot have been cut."""
    server.reply = lambda _: page(prompt_eval_count=None)
    client = connect(server)

    assert client.chat("x" * 1791).content == "85"
    assert failure(client, "x" * 1792) == (
        "did not say how many tokens of the prompt it read (prompt_eval_count); update Ollama; "
        "a prompt that may have been cut is not scored"
    )


def test_replies_are_not_mixed_up(server: FakeOllama) -> None:
    """After a failure the same client goes on with the next question."""
    client = connect(server)
    server.reply = lambda request: HTML if request.prompt == "a" else Answer(request.prompt)

    failure(client, "a")

    assert client.chat("b").content == "b"


@pytest.mark.parametrize("count", [2047, 1800, 1024, 1])
def test_prompt_was_cut_and_counted_low(server: FakeOllama, count: int) -> None:
    """A prompt with more words than the context has tokens cannot have been read whole."""
    server.instead["/api/chat"] = page(prompt_eval_count=count)

    with pytest.raises(PromptTooLongError) as caught:
        connect(server).chat("word " * 5000)

    assert "prompt of 25000 characters needs about 6,250 tokens" in caught.value.problem
    with pytest.raises(PromptTooLongError):
        connect(server).complete("word " * 2048, tokens=9, decoding=Decoding(), chat=True)


@pytest.mark.parametrize("count", [2047, 1, 0])
def test_a_low_count_alone(server: FakeOllama, count: int) -> None:
    """It proves nothing: an old server leaves out what it has read before."""
    server.instead["/api/chat"] = page(prompt_eval_count=count)

    assert connect(server).chat("word " * 1900).content == "85"
