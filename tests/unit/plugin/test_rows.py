"""What items report reaches the process that writes the results, whoever ran them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.plugin.rows import Rows
from pytest_llmjudge.storage.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(name="store")
def open_store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path, "run")
    yield store
    store.close()


def test_the_writer_keeps_its_own_rows(store: Store) -> None:
    """A run without workers writes nothing to the store for an item."""
    rows = Rows(store, is_worker=False)
    rows.note("suite", "r0", {"r0": {"score": None}})
    rows.note("suite", "r0", {"r0": {"score": 80}})

    assert rows.of_suite("suite") == {"r0": {"r0": {"score": 80}}}
    assert rows.of_suite("other") == {}
    assert store.results("suite") == {}


def test_rows_of_a_worker(tmp_path: Path, store: Store) -> None:
    """What a worker reports is there for the process that writes the results."""
    of_worker = Store(tmp_path, "run")
    Rows(of_worker, is_worker=True).note("suite", "r1", {"r1": {"score": 1}})
    of_worker.close()
    rows = Rows(store, is_worker=False)
    rows.note("suite", "average", {"r0": {"score": 0}})

    assert rows.of_suite("suite") == {
        "r1": {"r1": {"score": 1}},
        "average": {"r0": {"score": 0}},
    }


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
def test_rows_of_a_forked_item(store: Store) -> None:
    """An item that runs in a process of its own, as with pytest-forked, loses nothing."""
    rows = Rows(store, is_worker=False)
    child = os.fork()
    if child == 0:
        rows.note("suite", "r0", {"r0": {"score": 7}})
        os._exit(0)
    _, status = os.waitpid(child, 0)

    assert status == 0
    assert rows.of_suite("suite") == {"r0": {"r0": {"score": 7}}}
