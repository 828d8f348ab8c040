"""The fake Ollama: what it refuses, in the words of the real one, and what it says of itself."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.fake_ollama import MIDSTREAM_CRASH, Answer, FakeOllama, always

if TYPE_CHECKING:
    from collections.abc import Iterator

JSON = "application/json; charset=utf-8"
HI = [{"role": "user", "content": "hi"}]
LONG = [{"role": "user", "content": "word " * 4000}]


@pytest.fixture(name="server")
def start_server() -> Iterator[FakeOllama]:
    with FakeOllama(always("Two words")) as server:
        yield server


def ask(
    server: FakeOllama, method: str, path: str, body: object = None, host: str = "localhost"
) -> tuple[int, str | None, str]:
    """Send a request; give status, content type and body. Strings are sent as they are."""
    raw = body if isinstance(body, str) else json.dumps(body)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request(method, path, None if body is None else raw, {"Host": host})
        reply = connection.getresponse()
        return reply.status, reply.headers.get("Content-Type"), reply.read().decode()
    finally:
        connection.close()


def chat(server: FakeOllama, **fields: object) -> Any:  # noqa: ANN401  # the reply's JSON
    body = {"model": "llama3", "messages": HI, "stream": False, **fields}
    return json.loads(ask(server, "POST", "/api/chat", body)[2])


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/", (200, "text/plain; charset=utf-8", "Ollama is running")),
        ("HEAD", "/", (200, "text/plain; charset=utf-8", "")),
        ("GET", "/api/version", (200, JSON, '{"version":"0.24.0"}')),
        ("GET", "/api/ps", (200, JSON, '{"models":[]}')),
        ("GET", "/api/nope", (404, "text/plain", "404 page not found")),
        ("GET", "/api/chat", (405, "text/plain", "405 method not allowed")),
        ("POST", "/api/tags", (405, "text/plain", "405 method not allowed")),
    ],
)
def test_pages(server: FakeOllama, method: str, path: str, expected: tuple[int, str, str]) -> None:
    """Each path has its page, and unknown paths and methods have plain texts."""
    assert expected == ask(server, method, path)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:1", 200),
        ("judge.internal", 200),
        ("192.168.0.1", 200),
        ("[::1]:1", 200),
        ("evil.example.com", 403),
        ("8.8.8.8", 403),
    ],
)
def test_foreign_hosts(server: FakeOllama, host: str, status: int) -> None:
    """A request for another host gets an empty 403 without a type."""
    expected = (200, JSON, '{"version":"0.24.0"}') if status == 200 else (403, None, "")

    assert expected == ask(server, "GET", "/api/version", host=host)


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ("", 400, "missing request body"),
        ('{"model":"llama3",', 400, "unexpected EOF"),
        ('{"a" "b"}', 400, "invalid character '\"' after object key:value pair"),
        ("[]", 400, "json: cannot unmarshal array into Go value"),
        (
            {"messages": "hi"},
            400,
            (
                "json: cannot unmarshal string into Go struct field ChatRequest.messages "
                "of type []api.Message"
            ),
        ),
        ({"keep_alive": "abc"}, 400, 'time: invalid duration "abc"'),
        ({"top_logprobs": 21}, 400, "top_logprobs must be between 0 and 20"),
        ({}, 400, "model is required"),
        ({"model": "../etc/passwd"}, 400, "invalid model name"),
        (
            {"model": "x:cloud"},
            403,
            "ollama cloud is disabled: remote model is unavailable",
        ),
        ({"model": "other"}, 404, "model 'other' not found"),
        (
            {"model": "llama3", "tools": [{}]},
            400,
            "registry.ollama.ai/library/llama3:latest does not support tools",
        ),
        ({"model": "llama3", "think": True}, 400, '"llama3" does not support thinking'),
        (
            {"model": "llama3", "options": {"seed": "abc"}},
            500,
            'option "seed" must be of type integer',
        ),
        (
            {"model": "llama3", "options": {"temperature": True}},
            500,
            'option "temperature" must be of type float32',
        ),
        (
            {"model": "llama3", "format": "xml"},
            500,
            'invalid format: "\\"xml\\""; expected "json" or a valid JSON Schema object',
        ),
        ({"model": "llama3", "format": {"type": "nonsense"}}, 500, "invalid JSON schema in format"),
        (
            {"model": "llama3", "messages": LONG, "truncate": False, "stream": False},
            400,
            "the input length exceeds the context length",
        ),
    ],
)
def test_refusals(server: FakeOllama, body: object, status: int, error: str) -> None:
    """What a request lacks is reported with the real server's status and words."""
    code, kind, reply = ask(server, "POST", "/api/chat", body)

    assert (status, JSON, {"error": error}) == (code, kind, json.loads(reply))


def test_streams_by_default(server: FakeOllama) -> None:
    """Without ``stream: false`` an answer comes in lines, the last of which is done."""
    status, kind, reply = ask(server, "POST", "/api/chat", {"model": "llama3", "messages": HI})
    lines = [json.loads(line) for line in reply.splitlines()]

    assert (status, kind) == (200, "application/x-ndjson")
    assert [line["message"]["content"] for line in lines] == ["Two", " words", ""]
    assert [line["done"] for line in lines] == [False, False, True]


def test_refuses_long_prompts_of_streams(server: FakeOllama) -> None:
    """A stream that cannot begin is an ordinary 400, whose type has no charset."""
    body = {"model": "llama3", "messages": LONG, "truncate": False}

    assert ask(server, "POST", "/api/chat", body)[:2] == (400, "application/json")


def test_crashes_midstream(server: FakeOllama) -> None:
    """A stream that breaks off has status 200 and ends with the error."""
    server.reply = lambda _: MIDSTREAM_CRASH

    status, _, reply = ask(server, "POST", "/api/chat", {"model": "llama3", "messages": HI})

    assert status == 200
    assert list(json.loads(reply.splitlines()[-1])) == ["error"]


def test_drops_old_messages_silently(server: FakeOllama) -> None:
    """In a chat that is too long the older messages go, and the count reveals nothing."""
    system = {"role": "system", "content": "Be fair."}

    reply = chat(server, messages=[system, *LONG, *HI], options={"num_ctx": 2048})

    assert reply["prompt_eval_count"] == 22


def test_loads_and_unloads(server: FakeOllama) -> None:
    """Without messages a model is loaded, or unloaded, and there are no counts."""
    loaded = chat(server, messages=[])
    listed = json.loads(ask(server, "GET", "/api/ps")[2])["models"]
    unloaded = chat(server, messages=[], keep_alive=0)

    assert (loaded["done_reason"], unloaded["done_reason"]) == ("load", "unload")
    assert "prompt_eval_count" not in loaded
    assert [model["name"] for model in listed] == ["llama3:latest"]
    assert json.loads(ask(server, "GET", "/api/ps")[2]) == {"models": []}


@pytest.mark.parametrize(("wanted", "used"), [(2048, 2048), (2048.5, 2048), (100_000, 8192)])
def test_context_in_use(server: FakeOllama, wanted: float, used: int) -> None:
    """The list of loaded models tells the context that is really in use."""
    chat(server, options={"num_ctx": wanted})

    models = json.loads(ask(server, "GET", "/api/ps")[2])["models"]
    assert [model["context_length"] for model in models] == [used]


def test_shows_models(server: FakeOllama) -> None:
    """A model is shown with what it can do, a missing one is not found."""
    shown = ask(server, "POST", "/api/show", {"model": "llama3"})
    missing = ask(server, "POST", "/api/show", {"model": "other"})

    assert json.loads(shown[2])["capabilities"] == ["completion"]
    assert missing == (404, JSON, '{"error":"model \'other\' not found"}')


def test_told_counts(server: FakeOllama) -> None:
    """Counts that an answer brings are sent instead of estimates."""
    server.reply = lambda _: Answer("85", prompt_tokens=107, eval_tokens=3)

    reply = chat(server)

    assert (reply["prompt_eval_count"], reply["eval_count"]) == (107, 3)
