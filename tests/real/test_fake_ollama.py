"""The fake Ollama against the recordings of a real one: same status, content type and body."""

from __future__ import annotations

import http.client
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_ollama import (
    BUSY,
    CRASH,
    MIDSTREAM_CRASH,
    Answer,
    FakeOllama,
    Reply,
)

DATA = os.environ.get("LLMJUDGE_REAL_DATA", "")
pytestmark = pytest.mark.skipif(not DATA, reason="needs LLMJUDGE_REAL_DATA")

MODELS = {
    "gemma3:270m": "026d4f8a370e70038807c297f3d7a562bbd0abdb3e8a6f18be4674791b309c25",
    "smollm2:latest": "1ca99c7a9cf48748c742f14231fad53af48f571bb68c620f2a0d2e470843a023",
}
EXACT = [
    "00-root",
    "01-version",
    "03-show-missing",
    "04-ps-empty",
    "04-ps-none-loaded",
    "09-err-bad-host",
    "09-err-bad-modelname",
    "09-err-empty-body",
    "09-err-format-badschema",
    "09-err-format-invalid",
    "09-err-invalid-json",
    "09-err-invalid-json2",
    "09-err-messages-wrongtype",
    "09-err-model-missing",
    "09-err-model-missing-cloudname",
    "09-err-model-missing-stream",
    "09-err-no-model-field",
    "09-err-option-wrongtype",
    "09-err-think",
    "09-err-tools",
    "09-err-toplogprobs-21",
    "09-err-unknown-path",
    "09-err-wrong-method",
    "09-head-root",
    "10-long-prompt-gemma3-truncate-false",
    "10-long-prompt-multi-msgs-truncate-false",
    "10-long-prompt-single-user-msg-truncate-false",
    "10-long-prompt-stream-truncate-false",
    "14-err-keepalive-bad",
]
ANSWERS = [
    "05-chat-identical-run1",
    "05-chat-nonstream-gemma3-warm",
    "05-chat-nonstream-smollm2-coldload",
    "06-chat-stream-gemma3",
    "06-chat-stream-smollm2",
    "07-chat-format-empty-string",
    "07-chat-format-json",
    "07-chat-format-schema-cutoff",
    "07-chat-format-schema-gemma3",
    "07-chat-format-schema-stream",
    "09-empty-messages-load",
    "09-err-bad-role",
    "09-err-image-on-text-model",
    "09-err-option-wrongtype-float-num_ctx",
    "09-no-content-type",
    "09-think-false",
    "09-toplogprobs-without-logprobs",
    "09-unknown-option",
    "10-generation-hits-num_ctx",
    "10-long-prompt-gemma3",
    "10-long-prompt-multi-msgs",
    "10-long-prompt-shift-false",
    "10-long-prompt-single-user-msg",
    "10-num_ctx-above-model-max",
    "12-generate-raw",
    "14-keepalive-0-unload",
    "14-keepalive-minus1",
    "16-after-runner-killed",
]


@dataclass(frozen=True)
class Exchange:
    """A recorded request and its reply."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int
    content_type: str | None
    reply: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The reply's JSON values."""
        return [json.loads(line) for line in self.reply.splitlines() if line]


def recorded(name: str) -> Exchange:
    """Read a recording; where it left out the middle of a long prompt, many words are put."""
    text = Path(DATA, "ollama-wire", f"{name}.txt").read_bytes().decode()
    sent, answer = re.split(r"(?=^HTTP/1\.1 )", text, maxsplit=1, flags=re.MULTILINE)
    head, reply = re.split(r"\r?\n\r?\n", answer, maxsplit=1)
    line = re.match(r"> (\w+) (\S+) HTTP/1.1 +\(curl (?:-H (.*))?\)", sent)
    body = "\n".join(re.findall(r"^> (\S.*)$", sent, re.MULTILINE)[1:])
    given = re.findall(r"^([\w-]+): (.*?)\r?$", head, re.MULTILINE)
    header = (line[3] or "X:").split(":", 1) if line else ["", ""]
    return Exchange(
        method=line[1] if line else "",
        path=line[2] if line else "",
        headers={header[0]: header[1].strip()} if header[1].strip() else {},
        body=re.sub(r"\.\.\.\[.*?elided.*?\]\.\.\.", "word " * 3000, body).encode(),
        status=int(head.split()[1]),
        content_type=dict(given).get("Content-Type"),
        reply=re.sub(r"\n*\[curl\].*$", "", reply, flags=re.DOTALL),
    )


def ask(server: FakeOllama, exchange: Exchange) -> Exchange:
    """Send the recorded request to the fake."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        connection.request(exchange.method, exchange.path, exchange.body or None, exchange.headers)
        reply = connection.getresponse()
        return Exchange(
            exchange.method,
            exchange.path,
            exchange.headers,
            exchange.body,
            reply.status,
            reply.headers.get("Content-Type"),
            reply.read().decode().rstrip("\n"),
        )
    finally:
        connection.close()


def ask_fake(exchange: Exchange, reply: Reply) -> Exchange:
    with FakeOllama(lambda _: reply, models=MODELS) as server:
        return ask(server, exchange)


def said(line: dict[str, Any]) -> str:
    """The text in a line of a reply, whether it is a message or not."""
    return str(line["message"]["content"] if "message" in line else line["response"])


@pytest.mark.parametrize("name", EXACT)
def test_says_what_was_recorded(name: str) -> None:
    """Status, content type and body of everything that is not an answer are the recorded ones."""
    exchange = recorded(name)

    assert exchange == ask_fake(exchange, Answer("x"))


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_in_the_recorded_form(name: str) -> None:
    """An answer has the recorded fields; text, reason and model are those that were recorded."""
    exchange = recorded(name)
    last = exchange.lines[-1]
    text = "".join(map(said, exchange.lines))

    made = ask_fake(exchange, Answer(text, last["done_reason"]))

    assert (exchange.status, exchange.content_type) == (made.status, made.content_type)
    assert text == "".join(map(said, made.lines))
    assert set(last) - {"eval_duration"} == set(made.lines[-1]) - {"eval_duration"}
    assert [last[key] for key in ("model", "done", "done_reason")] == [
        made.lines[-1][key] for key in ("model", "done", "done_reason")
    ]
    assert exchange.lines[0].keys() == made.lines[0].keys() or "shift-false" in name


@pytest.mark.parametrize(
    "name",
    [
        "10-long-prompt-gemma3",
        "10-long-prompt-generate",
        "10-long-prompt-single-user-msg",
        "10-long-prompt-shift-false",
    ],
)
def test_cuts_long_prompts_as_recorded(name: str) -> None:
    """A single long message is cut silently, to be seen only in ``prompt_eval_count``."""
    made = ask_fake(recorded(name), Answer("x"))

    assert recorded(name).lines[0]["prompt_eval_count"] == made.lines[0]["prompt_eval_count"]


@pytest.mark.parametrize(
    ("name", "reply"), [("16-runner-killed-nonstream", CRASH), ("17-raw-busy-503", BUSY)]
)
def test_fails_as_recorded(name: str, reply: Reply) -> None:
    """The ready-made failures have the recorded status, content type and text."""
    exchange = recorded(name)
    chat = recorded("05-chat-nonstream-smollm2-warm")

    made = ask_fake(chat, reply)

    assert exchange.status == made.status
    assert exchange.content_type == made.content_type
    assert exchange.reply == made.reply


def test_crashes_midstream_as_recorded() -> None:
    """A crash within a stream is a last line with the error."""
    exchange = recorded("16-runner-killed-midstream")

    made = ask_fake(exchange, MIDSTREAM_CRASH)

    assert (exchange.status, exchange.content_type) == (made.status, made.content_type)
    assert exchange.lines[-1] == made.lines[-1]


def test_lists_models_as_recorded() -> None:
    """The list of models has the recorded names, digests and fields."""
    exchange = recorded("02-tags")
    empty = recorded("02-tags-empty")

    made = ask_fake(exchange, Answer("x"))
    with FakeOllama(models={}) as server:
        assert empty == ask(server, empty)

    expected, models = exchange.lines[0]["models"], made.lines[0]["models"]
    assert exchange.content_type == made.content_type
    assert [list(model) for model in expected] == [list(model) for model in models]
    assert [(model["name"], model["digest"]) for model in expected] == [
        (model["name"], model["digest"]) for model in models
    ]


def test_lists_loaded_models_as_recorded() -> None:
    """The list of loaded models has the recorded names, fields and contexts in use."""
    exchange = recorded("10-ps-after-num_ctx-above-max")
    with FakeOllama(models=MODELS) as server:
        ask(server, recorded("10-num_ctx-above-model-max"))
        ask(server, recorded("10-long-prompt-gemma3"))

        made = ask(server, exchange)

    expected, models = exchange.lines[0]["models"], made.lines[0]["models"]
    assert [list(model) for model in expected] == [list(model) for model in models]
    assert [(model["name"], model["context_length"]) for model in expected] == [
        (model["name"], model["context_length"]) for model in models
    ]


@pytest.mark.parametrize("name", ["03-show-smollm2", "03-show-gemma3"])
def test_shows_models_in_the_recorded_form(name: str) -> None:
    """What it says about a model is a part of what a real server says."""
    exchange = recorded(name)

    made = ask_fake(exchange, Answer("x"))

    assert (exchange.status, exchange.content_type) == (made.status, made.content_type)
    assert exchange.lines[0].keys() >= made.lines[0].keys()
    assert exchange.lines[0]["capabilities"] == made.lines[0]["capabilities"]
