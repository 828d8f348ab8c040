"""Deadlines: no server holds a request longer than it may, whatever it does."""

from __future__ import annotations

import threading
import time

import pytest

from pytest_llmjudge.errors import JudgeDownError, JudgeError
from pytest_llmjudge.servers.ollama import OllamaClient
from tests.support.fake_ollama import (
    CRASH,
    ChatRequest,
    Drip,
    Drop,
    Failure,
    FakeOllama,
    Hang,
    Reply,
    always,
    in_turn,
)


def connect(server: FakeOllama, *, timeout: float = 5.0, backoff: float = 0.001) -> OllamaClient:
    return OllamaClient(server.url, "llama3", timeout=timeout, backoff=backoff)


def failure(client: OllamaClient) -> str:
    """Give the text of the error that a chat ends with, without the address."""
    with pytest.raises(JudgeError) as caught:
        client.chat("Score this.")
    return str(caught.value).removeprefix(f"{client.url}: ")


@pytest.mark.parametrize(
    "reply",
    [
        Hang(threading.Event()),
        Drip(0.05),
        Drip(0.05, sized=False),
        Drip(0.05, head=True),
        Drip(60.0),
        Drip(60.0, head=True),
        Failure(503, "busy", {"Retry-After": "0"}),
    ],
    ids=["hangs", "drips", "drips unsized", "drips head", "stalls", "stalls in head", "busy"],
)
def test_deadline(server: FakeOllama, reply: Reply) -> None:
    """No server holds a request beyond its timeout; it is sent five times, and never after that.

    A server that kept one question waiting five times is sent the next one once.
    """
    server.reply = lambda _: reply
    client = connect(server, timeout=0.3, backoff=0.2)
    started = time.monotonic()

    message = failure(client)

    assert time.monotonic() - started < 30
    assert server.wait_until_idle()
    if not isinstance(reply, Failure):
        assert len(server.chats) == 5
        assert failure(client) == message
        assert len(server.chats) == 6
        assert message == (
            "gave no complete reply within 0.3 s; "
            "raise --llm-judge-timeout, or see whether the server is overloaded"
        )


def test_each_sending_has_its_own_deadline(server: FakeOllama) -> None:
    """A sending that follows a crash has the whole timeout again: the model is loaded anew."""

    def crash_late(_: ChatRequest) -> Reply:
        time.sleep(0.5)
        return CRASH

    server.reply = crash_late

    failure(connect(server, timeout=0.8))

    assert len(server.chats) == 5


def test_no_pause_is_longer_than_two_seconds(server: FakeOllama) -> None:
    """However slowly the tries are to follow each other, a lost reply is asked for again soon."""
    server.reply = in_turn(Drop(after=20), then=always("85"))
    started = time.monotonic()

    assert connect(server, timeout=30, backoff=60).chat("Score this.").content == "85"

    assert 2.0 <= time.monotonic() - started < 30
    assert len(server.chats) == 2


def test_slow_drip_within_the_deadline_is_a_reply(server: FakeOllama) -> None:
    """A reply that comes in pieces but in time is read to its end."""
    server.reply = lambda _: Drip(0.001, sized=False)

    assert connect(server, timeout=60).chat("Score this.").content == "85"


@pytest.mark.parametrize("reply", [Hang(threading.Event()), Drip(0.05, head=True)])
def test_identify_does_not_wait_for_long(server: FakeOllama, reply: Reply) -> None:
    """A server that does not even tell its version in time counts as down."""
    server.instead["/api/version"] = reply
    client = OllamaClient(server.url, "llama3", timeout=60, identify_timeout=0.3)

    with pytest.raises(JudgeDownError) as caught:
        client.identify()

    assert str(caught.value) == (
        f"{server.url}: gave no complete reply within 0.3 s; "
        'restart it with "ollama serve", or name another with --llm-judge-url'
    )
