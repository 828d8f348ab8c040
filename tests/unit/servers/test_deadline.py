"""Deadlines: no server holds a request longer than it may, whatever it does."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_llmjudge.errors import JudgeDownError, JudgeError
from pytest_llmjudge.servers.ollama import OllamaClient
from tests.support.fake_ollama import (
    CRASH,
    ChatRequest,
    Drip,
    Failure,
    FakeOllama,
    Hang,
    Reply,
)


def connect(server: FakeOllama, *, timeout: float = 5.0, backoff: float = 0.001) -> OllamaClient:
    return OllamaClient(server.url, "llama3", timeout=timeout, backoff=backoff)


def failure(client: OllamaClient) -> str:
    """Give the text of the error that a chat ends with, without the address."""
    with pytest.raises(JudgeError) as caught:
        client.chat("Score this.")
    return str(caught.value).removeprefix(f"{client.url}: ")


def asked_twice(reply: Reply) -> tuple[list[str], list[int], bool]:
    """Give the errors and numbers of sendings of two questions, and whether the first was soon over."""
    with FakeOllama(lambda _: reply) as server:
        client = connect(server, timeout=0.3)
        started = time.monotonic()
        messages, sendings = [failure(client)], [len(server.chats)]
        in_time = time.monotonic() - started < 30 and server.wait_until_idle()
        return [*messages, failure(client)], [*sendings, len(server.chats)], in_time


def test_deadline() -> None:
    """No server holds a request beyond its timeout; it is sent five times, and never after that.

    A server that kept one question waiting five times is sent the next one once.
    """
    replies = {
        "hangs": Hang(threading.Event()),
        "drips": Drip(0.05),
        "drips unsized": Drip(0.05, sized=False),
        "drips head": Drip(0.05, head=True),
        "stalls": Drip(60.0),
        "stalls in head": Drip(60.0, head=True),
    }
    message = (
        "gave no complete reply within 0.3 s; "
        "raise --llm-judge-timeout, or see whether the server is overloaded"
    )

    # All they do is wait, which they can do together.
    with ThreadPoolExecutor(len(replies)) as threads:
        seen = dict(zip(replies, threads.map(asked_twice, replies.values()), strict=True))

    assert seen == dict.fromkeys(replies, ([message] * 2, [5, 6], True))


def test_a_busy_server_has_a_deadline(server: FakeOllama) -> None:
    """However soon it says that it can be asked again."""
    server.reply = lambda _: Failure(503, "busy", {"Retry-After": "0"})
    started = time.monotonic()

    failure(connect(server, timeout=0.3, backoff=0.2))

    assert time.monotonic() - started < 30
    assert server.wait_until_idle()


def test_each_sending_has_its_own_deadline(server: FakeOllama) -> None:
    """A sending that follows a crash has the whole timeout again: the model is loaded anew."""

    def crash_late(_: ChatRequest) -> Reply:
        time.sleep(0.5)
        return CRASH

    server.reply = crash_late

    failure(connect(server, timeout=0.8))

    assert len(server.chats) == 5


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
