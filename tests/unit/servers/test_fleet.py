"""Several servers as one judge: who is asked when one of them fails, and who is asked again."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.errors import JudgeDownError, JudgeError
from pytest_llmjudge.servers.chat import PromptTooLongError
from pytest_llmjudge.servers.fleet import Fleet
from pytest_llmjudge.servers.ollama import OllamaClient
from tests.support.fake_ollama import (
    BUSY,
    CRASH,
    Answer,
    Failure,
    FakeOllama,
    Hang,
    Reply,
    always,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def servers() -> Iterator[tuple[FakeOllama, FakeOllama]]:
    with FakeOllama(always("85")) as one, FakeOllama(always("85")) as two:
        yield one, two


def connect(servers: tuple[FakeOllama, ...], notes: list[str]) -> Fleet:
    clients = [OllamaClient(one.url, "llama3", timeout=0.4, backoff=0.001) for one in servers]
    return Fleet(clients, note=notes.append)


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (Hang(threading.Event()), "gave no complete reply within 0.4 s"),
        (CRASH, "its model crashed each time it was asked"),
        (BUSY, "is busy"),
        (Failure(404, "model 'llama3' not found"), 'has no model "llama3" any more'),
        (Failure(500, "out of disk"), "answered with status 500: out of disk"),
    ],
    ids=["hangs", "crashes", "busy", "no model", "broken"],
)
def test_another_server_is_asked(
    servers: tuple[FakeOllama, FakeOllama], fault: Reply, problem: str
) -> None:
    """What only one server cannot answer loses no record, and that one is left out."""
    one, two = servers
    one.reply = lambda _: fault
    notes: list[str] = []
    fleet = connect(servers, notes)

    assert [fleet.chat(f"Score {number}.").content for number in range(5)] == ["85"] * 5

    asked = len(one.chats)
    assert len(two.chats) == 5
    assert len(notes) == 1
    assert notes[0].startswith(f"{one.url}: {problem}")
    assert notes[0].endswith(f"; the run goes on with {two.url}")
    fleet.chat("Score this.")
    assert len(one.chats) == asked


def test_a_question_that_no_server_answers(servers: tuple[FakeOllama, FakeOllama]) -> None:
    """The error is the first server's, and nobody is left out for it."""
    for server in servers:
        server.reply = lambda _: Failure(500, "out of disk")
    notes: list[str] = []
    fleet = connect(servers, notes)

    with pytest.raises(JudgeError) as caught:
        fleet.chat("Score this.")

    assert str(caught.value) == (
        f"{servers[0].url}: answered with status 500: out of disk; "
        'the log of "ollama serve" tells more'
    )
    assert notes == []
    assert [len(server.chats) for server in servers] == [1, 1]


def test_a_prompt_that_is_too_long_is_sent_once(servers: tuple[FakeOllama, FakeOllama]) -> None:
    """It is no fault of the server."""
    notes: list[str] = []

    with pytest.raises(PromptTooLongError):
        connect(servers, notes).chat("word " * 4000)

    assert len(servers[0].chats) + len(servers[1].chats) == 1
    assert notes == []


def test_closing(servers: tuple[FakeOllama, FakeOllama]) -> None:
    """It closes what is not in use, in all threads; later questions open anew."""
    fleet = connect(servers, [])
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(fleet.chat, ["Score this."] * 8))
        assert any(server.connections for server in servers)

        fleet.close()

        assert all(server.wait_until_alone() for server in servers)
        assert list(threads.map(lambda _: fleet.chat("Again.").content, range(4)))
    fleet.close()
    assert all(server.wait_until_alone() for server in servers)


def test_a_server_that_comes_back() -> None:
    """One that was left out is asked when the others are gone, and counted on when it answers."""
    notes: list[str] = []
    with FakeOllama(always("85")) as one, FakeOllama(always("85")) as two:
        fleet = connect((one, two), notes)
        one.stop()
        assert fleet.chat("Score this.").content == "85"
        with FakeOllama(lambda _: Answer("70"), port=one.port):
            two.stop()
            assert [fleet.chat("Score this.").content for _ in range(3)] == ["70"] * 3

    with pytest.raises(JudgeDownError):
        fleet.chat("Score this.")
    assert notes == [
        f"{one.url}: is not answering; the run goes on with {two.url}",
        f"{two.url}: is not answering; the run goes on with {one.url}",
    ]
