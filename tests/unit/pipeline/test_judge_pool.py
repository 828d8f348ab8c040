"""The pool of threads that judges for all, and the slots at the servers."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.errors import JudgeError
from pytest_llmjudge.pipeline import JudgePool, Slots
from pytest_llmjudge.storage.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path, "run")
    yield made
    made.close()


def test_each_piece_is_done_once(store: Store) -> None:
    """Whatever is offered twice while it waits is done once; who waits gets on after it."""
    pool, done, gate = JudgePool(store, 2), list[str](), threading.Event()

    def piece(name: str) -> None:
        gate.wait(60)
        done.append(name)

    names = [f"p{number}" for number in range(6)]
    work = [(name, partial(piece, name)) for name in names]
    assert pool.offer(work)
    assert pool.offer(work)
    gate.set()
    for name in names:
        pool.wait(name)
    pool.wait("nobody offered this")

    assert sorted(done) == names
    pool.close(wait=True)


def test_one_team_leads_at_a_time(store: Store, tmp_path: Path) -> None:
    """Another process takes over when the queue is empty, and not before."""
    other_store = Store(tmp_path, "run")
    first, second, gate = (
        JudgePool(store, 1, spare=0),
        JudgePool(other_store, 1, spare=0),
        threading.Event(),
    )

    assert first.offer([("slow", lambda: gate.wait(60))])
    assert not second.offer([("x", lambda: None)])
    gate.set()
    first.wait("slow")

    assert second.offer([("x", lambda: None)])
    second.wait("x")
    assert first.offer([])
    for pool in (first, second):
        pool.close(wait=True)
    other_store.close()


def test_the_wanted_piece_is_first(store: Store) -> None:
    """An item that waits does not wait for the whole queue."""
    pool, done, gate = JudgePool(store, 1, spare=0), list[str](), threading.Event()
    assert pool.offer([("blocker", lambda: gate.wait(60))])

    pool.offer([(name, partial(done.append, name)) for name in "abc"])
    pool.offer([], first="c")
    gate.set()
    for name in "abc":
        pool.wait(name)

    assert done == ["c", "a", "b"]
    pool.close(wait=True)


def test_a_piece_that_fails_stops_nobody(store: Store) -> None:
    """What goes wrong is for the record's own item to tell."""
    pool = JudgePool(store, 1, spare=0)

    def fail() -> None:
        raise JudgeError("x", "y", "z")

    assert pool.offer([("bad", fail), ("good", lambda: None)])
    pool.wait("bad")
    pool.wait("good")
    pool.close(wait=True)


def test_a_closed_team_takes_nothing_on(store: Store) -> None:
    """What had not begun is dropped."""
    pool, done, gate = JudgePool(store, 1, spare=0), list[int](), threading.Event()
    began = threading.Event()

    def slow() -> None:
        began.set()
        gate.wait(60)

    pool.offer([("slow", slow), ("late", lambda: done.append(1))])
    assert began.wait(60)

    closing = threading.Thread(target=lambda: pool.close(wait=True))
    closing.start()
    while pool.offer([]):
        time.sleep(0.001)
    gate.set()
    closing.join()

    assert not pool.offer([("more", lambda: done.append(2))])
    assert done == []


def test_slots(store: Store, tmp_path: Path) -> None:
    """Two requests at each of two servers over all processes; the first with a free slot is it."""
    ours, other_store = Slots(store, 2, 2), Store(tmp_path, "run")
    theirs = Slots(other_store, 2, 2)

    with ours(["a", "b"]) as one, theirs(["a", "b"]) as two, ours(["a", "b"]) as three:
        assert (one, two, three) == ("a", "a", "b")
        with theirs(["a", "b"]) as four:
            assert four == "b"
            got: list[str] = []

            def fifth() -> None:
                with ours(["a", "b"]) as server:
                    got.append(server)

            thread = threading.Thread(target=fifth)
            thread.start()
            time.sleep(0.05)
            assert got == []
        thread.join(60)
        assert got == ["b"]
    other_store.close()
