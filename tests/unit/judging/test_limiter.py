"""The limiter: how many questions of a judge are in flight."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Record, Verdict
from pytest_llmjudge.judging.judge import make_judge
from tests.support.fake_ollama import Answer, Drop, FakeOllama, Hang, in_turn, similarity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RECORD = Record("r", "Name the author of 'Emma'.", "", "Jane Austen.", {})


def test_limiter_is_entered_for_each_request(server: FakeOllama) -> None:
    """Each question is sent inside its own context, also when it fails, and no other request."""
    events: list[str] = []

    @contextlib.contextmanager
    def limiter(servers: Sequence[str]) -> Iterator[str]:
        events.append(f"enter {len(server.chats)}")
        try:
            yield servers[0]
        finally:
            events.append(f"leave {len(server.chats)}")

    server.reply = in_turn(Answer("no idea"), then=lambda _: Drop(after=1))
    judge = make_judge("llama3", server.url, 5.0, limiter=limiter)

    assert judge.label
    judge.score(RECORD, "Jane.")

    assert events == ["enter 0", "leave 1", "enter 1", "leave 6"]


def test_lock_keeps_one_request_in_flight(server: FakeOllama) -> None:
    """With a lock as the limiter many threads send one question at a time."""
    never, lock = threading.Event(), threading.Lock()
    server.reply = lambda request: Answer("0") if never.wait(0.01) else similarity(request)

    @contextlib.contextmanager
    def one(servers: Sequence[str]) -> Iterator[str]:
        with lock:
            yield servers[0]

    judge = make_judge("llama3", server.url, 5.0, limiter=one)

    with ThreadPoolExecutor(4) as pool:
        verdicts = list(pool.map(lambda _: judge.score(RECORD, "Jane Austen."), range(12)))

    assert verdicts == [Verdict(100, "100")] * 12
    assert server.max_in_flight == 1


def test_without_a_lock_requests_overlap(server: FakeOllama) -> None:
    """Without a limiter nothing holds threads back, which shows that the lock above works."""
    both = threading.Event()
    server.reply = lambda _: Hang(both)
    judge = make_judge("llama3", server.url, 5.0)

    with ThreadPoolExecutor(2) as pool:
        pending = [pool.submit(judge.score, RECORD, "Jane.") for _ in range(2)]
        assert server.wait_for_chats(2)
        both.set()

    assert [future.result() for future in pending] == [Verdict(85, "85")] * 2
    assert server.max_in_flight == 2
