"""Tests of actors that fail, come late or are lost with their cluster, on a stand-in for Ray."""

from __future__ import annotations

import threading
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.cluster import pool as pools
from pytest_llmjudge.generation.cluster.connection import Cluster
from pytest_llmjudge.generation.cluster.work import Job
from pytest_llmjudge.generation.files.contents import content_of
from tests.support.cluster_work import MakeSleeper
from tests.support.fake_ray import FakeRay

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from pytest_llmjudge.generation.cluster.work import Place, Worker

ECHO = Job("echo", ("a",), (1.0,))


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    """Two nodes of one core each."""
    ray = FakeRay(["10.0.0.1", "10.0.0.2"])
    ray.install(monkeypatch)
    return ray


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def ends() -> list[bool]:
    """Grows when a connection is ended."""
    return []


def connected(notes: list[str], ends: list[bool], address: str = "local") -> Cluster:
    return Cluster(address, None, "cpu", notes.append, end=lambda: ends.append(True))


@pytest.fixture
def cluster(ray: FakeRay, notes: list[str], ends: list[bool]) -> Cluster:
    return connected(notes, ends)


@dataclass(frozen=True)
class MakeBroken:
    """Makes a worker, except on some nodes, where it meets a bug."""

    addresses: Collection[str]

    def __call__(self, place: Place) -> Worker:
        if place.address in self.addresses:
            message = f"on {place.address}"
            raise ZeroDivisionError(message)
        return MakeSleeper()(place)


def test_a_client_that_is_lost(ray: FakeRay, cluster: Cluster) -> None:
    """Whatever it raises is told in one line, and does not grow with each time."""
    pool = cluster.pool(MakeSleeper(), {})
    ray.broken = Exception("Ray Client is not connected.\nPlease connect")
    caught = []
    depths = []
    for _ in range(3):
        with pytest.raises(CheckpointError) as error:
            list(pool.run(ECHO))
        caught.append(error.value)
        depths.append(len(traceback.extract_tb(error.value.__traceback__)))

    assert str(caught[0]) == (
        "--llm-judge-ray: Ray does not work any more (Ray Client is not connected. Please "
        "connect); look at the cluster and run again: what was computed is kept"
    )
    assert caught[0] is caught[1] is caught[2]
    assert depths[1] == depths[2]


def test_an_error_of_who_counts_tokens_is_no_error_of_ray(cluster: Cluster) -> None:
    """It passes as it is, and the actors go on."""

    def count(_: int) -> None:
        raise ZeroDivisionError

    pool = cluster.pool(MakeSleeper(), {})
    with pytest.raises(ZeroDivisionError):
        list(pool.run(Job("echo", ("a",), (1.0,), on_tokens=count)))

    assert list(pool.run(ECHO)) == [(0, "a")]


def test_a_bug_on_one_node(cluster: Cluster, notes: list[str]) -> None:
    """The run does without that node."""
    pool = cluster.pool(MakeBroken(["10.0.0.1"]), {})

    assert list(pool.run(ECHO)) == [(0, "a")]
    assert notes == [
        "--llm-judge-ray: an actor on node 10.0.0.1 is left out: ZeroDivisionError: on 10.0.0.1"
    ]


def test_a_bug_on_all_nodes(cluster: Cluster) -> None:
    """It is raised with the place where it is."""
    with pytest.raises(ZeroDivisionError) as caught:
        cluster.pool(MakeBroken(["10.0.0.1", "10.0.0.2"]), {})

    assert "raise ZeroDivisionError" in vars(caught.value)["__notes__"][0]


@pytest.mark.parametrize(
    ("address", "cause"),
    [("local", ""), ("auto", " (others may use the GPUs or cores there)")],
)
def test_an_actor_that_starts_late(
    ray: FakeRay, notes: list[str], monkeypatch: pytest.MonkeyPatch, address: str, cause: str
) -> None:
    """It is noted once, with a cause that there can be."""
    monkeypatch.setattr(pools, "_NOTE_SECONDS", 0.0)
    ray.busy.add("10.0.0.2")
    pool = connected(notes, [], address).pool(MakeSleeper(), {})

    assert list(pool.run(ECHO)) == [(0, "a")]
    (note,) = notes
    assert note == (
        f"--llm-judge-ray: 1 actor on 10.0.0.2 had not started after 0 seconds{cause}; the run "
        "began without it"
    )


def test_the_end_waits_for_no_thread_for_ever(
    cluster: Cluster, ends: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection ends although a thread has the actors."""
    monkeypatch.setattr(pools, "_CLOSE_SECONDS", 0.1)
    pool = cluster.pool(MakeSleeper(), {})
    holds, is_over = threading.Event(), threading.Event()

    def hold() -> None:
        with pool._lock:
            holds.set()
            is_over.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    holds.wait(60)
    cluster.close()
    is_over.set()
    thread.join()

    assert ends == [True]


class Unreachable:
    """An actor whose client is lost."""

    def __getattr__(self, name: str) -> object:
        raise Exception("Ray Client is not connected")  # as Ray's own does


def test_files_that_were_sent_by_a_client_that_is_lost(cluster: Cluster, ends: list[bool]) -> None:
    """They went with their nodes' processes; the connection ends all the same."""
    cluster.hold(cluster.describe()[0], {}, Unreachable())

    cluster.close()

    assert ends == [True]


def test_a_node_that_dies_while_it_compares_files(
    ray: FakeRay, notes: list[str], ends: list[bool], tmp_path: Path
) -> None:
    """Nothing is said of it."""
    file = tmp_path / "model"
    file.write_text("weights", "utf-8")
    ray.dying.add("10.0.0.2")

    found = connected(notes, ends, "auto").with_files({file: content_of(file)})

    assert {node.address: has_files for node, has_files in found.items()} == {"10.0.0.1": True}
