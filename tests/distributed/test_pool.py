"""Tests of actors of Ray on a cluster of three nodes, with a worker that stands in for a model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import ray

from pytest_llmjudge.errors import CheckpointError, SettingsError
from pytest_llmjudge.generation.cluster import pool as pools
from pytest_llmjudge.generation.cluster import shipping
from pytest_llmjudge.generation.cluster.connection import Cluster, connect
from pytest_llmjudge.generation.cluster.model import ClusterModel
from pytest_llmjudge.generation.cluster.work import Job
from pytest_llmjudge.generation.cluster.worker import MakeModelWorker
from pytest_llmjudge.generation.factory import make_model
from pytest_llmjudge.generation.files.contents import content_of
from pytest_llmjudge.generation.in_process import InProcessModel
from pytest_llmjudge.settings import read_settings
from tests.support import cluster_work
from tests.support.cluster_work import MakeSleeper
from tests.support.ray_cluster import SmallCluster, is_running, until
from tests.unit.generation.hugging import save_folder
from tests.unit.generation.tiny import save_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.generation.base import LocalInfo
    from pytest_llmjudge.generation.cluster.pool import RayPool

# Nodes that a client speaks to do not see the folder that pytest runs in.
ray.cloudpickle.register_pickle_by_value(cluster_work)


@pytest.fixture(scope="module")
def small() -> Iterator[SmallCluster]:
    # A folder of pytest's is too long for the names of sockets.
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        cluster = SmallCluster(3)
        yield cluster
        cluster.close()


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def cluster(
    small: SmallCluster, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cluster]:
    monkeypatch.setenv("RAY_ADDRESS", small.address)
    with connected("auto", notes) as cluster:
        yield cluster


@contextmanager
def connected(
    address: str, notes: list[str], cpus: int | None = None, device: str = "auto"
) -> Iterator[Cluster]:
    cluster = connect(address, cpus=cpus, device=device, note=notes.append)
    try:
        yield cluster
    finally:
        cluster.close()


def job(method: str, units: Sequence[int], **options: object) -> Job:
    return Job(method, units, [float(unit) for unit in units], options)


def folders() -> set[str]:
    return {name for name in os.listdir(tempfile.gettempdir()) if name.startswith("llmjudge-")}  # noqa: PTH208


def test_units_are_computed_on_all_nodes_and_come_once(cluster: Cluster, notes: list[str]) -> None:
    cluster.check()
    tokens: list[int] = []
    with_tokens = Job("sleep", range(90), [1.0] * 90, {"seconds": 0.001}, tokens.append)
    pool = cluster.pool(MakeSleeper(), {})
    until(lambda: len({pid for _, (pid, *_) in pool.run(job("where", [1] * 60))}) == 3)

    assert [node.actors for node in cluster.describe()] == [1, 1, 1]
    assert sorted(pool.run(with_tokens)) == [(unit, unit) for unit in range(90)]
    # At the end an idle actor computes what another one has not finished, too.
    assert sum(tokens) >= sum(range(90))
    assert list(pool.run(job("sleep", [], seconds=1))) == []
    assert notes == []


def test_through_a_client(small: SmallCluster, notes: list[str]) -> None:
    with connected(small.client_address, notes) as cluster:
        cluster.check()
        pool = cluster.pool(MakeSleeper(), {})

        assert sorted(pool.run(job("sleep", range(50), seconds=0.001))) == [
            (unit, unit) for unit in range(50)
        ]
        with pytest.raises(CheckpointError, match="broken weights"):
            list(pool.run(job("fail", [1], problem="broken weights")))
        ray.shutdown()
        with pytest.raises(CheckpointError) as caught:
            list(pool.run(job("sleep", [1], seconds=0)))
        with pytest.raises(CheckpointError) as again:
            list(pool.run(job("sleep", [1], seconds=0)))

    assert str(caught.value).startswith("--llm-judge-ray: Ray does not work any more (")
    assert len(caught.value.lines) == 1
    assert again.value is caught.value


@contextmanager
def unseen(folder: Path) -> Iterator[Path]:
    """Name a folder by a path at which other processes have something else, or nothing."""
    descriptor = os.open(folder, os.O_RDONLY)
    yield Path(f"/proc/self/fd/{descriptor}")
    os.close(descriptor)


def test_files_that_nodes_lack_are_sent_once_a_node(
    small: SmallCluster, notes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", small.address)
    monkeypatch.setattr(shipping, "PIECE_BYTES", 1 << 16)
    text = "weights " * 30_000
    (tmp_path / "model").write_text(text, "utf-8")
    (tmp_path / "empty").touch()
    before = folders()
    found: set[tuple[int, str, str, int]] = set()
    with unseen(tmp_path) as folder, connected("auto", notes, cpus=1) as cluster:
        files = [folder / name for name in ("model", "empty")]
        contents = {file: content_of(file) for file in files}
        assert set(cluster.with_files(contents).values()) == {False}
        pool = cluster.pool(MakeSleeper(files[0]), contents)

        def are_all_found() -> bool:
            found.update(at for _, at in pool.run(job("where", [1] * 60)))
            return len(found) == 6

        until(are_all_found)
        pool.close()
        pool = cluster.pool(MakeSleeper(files[0]), contents)
        ((_, (_, _, again, _)),) = pool.run(job("where", [1]))
        sent = folders() - before
        written = [
            path.stat().st_size
            for name in sent
            for path in Path(tempfile.gettempdir(), name).rglob("*")
            if path.is_file() and not path.is_symlink()
        ]

    assert {text for _, text, _, _ in found} == {text}
    assert len(roots := {root for _, _, root, _ in found}) == len(sent) == 3
    assert again in roots
    assert sorted(written) == [0, 0, 0, 240_000, 240_000, 240_000]
    assert folders() <= before
    assert notes == []


@pytest.mark.parametrize("kind", ["gpt2", pytest.param("llama", marks=pytest.mark.long)])
def test_a_model_that_is_sent(cluster: Cluster, tmp_path: Path, kind: str) -> None:
    """It answers as in this process, and its errors name this process's path."""
    if kind == "gpt2":
        save_model(tmp_path / kind)
    else:
        save_folder(tmp_path / kind, kind)
    options = read_settings({}, Path(), Path(), "pytest.ini")
    asked = ["the thing", "a", "Say 1 in words.", "x" * 400]
    with unseen(tmp_path) as folder:
        inner = make_model(folder / kind, options)
        assert isinstance(inner, InProcessModel)

        def start(inner: InProcessModel[Any, Any], info: LocalInfo) -> RayPool:
            make = MakeModelWorker(inner.path, options, info.fingerprint)
            return cluster.pool(make, info.contents)

        done = list(ClusterModel(inner, start).stream(asked, max_new_tokens=5))
        expected = list(inner.stream(asked, max_new_tokens=5))
        error = next(one.error for one in done if one.index == 3)

    assert sorted(done, key=lambda one: one.index) == sorted(expected, key=lambda one: one.index)
    assert str(error).startswith(f"{folder / kind}: the prompt has ")


def test_files_that_all_nodes_have_are_not_sent(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "model"
    file.write_text("weights", "utf-8")
    contents = {file: content_of(file)}

    assert list(cluster.with_files(contents).values()) == [True] * 3
    pool = cluster.pool(MakeSleeper(file), contents)
    assert {at[1:3] for _, at in pool.run(job("where", [1] * 9))} == {("weights", "")}


def test_a_node_that_dies_and_one_that_joins(
    small: SmallCluster, cluster: Cluster, notes: list[str]
) -> None:
    pool = cluster.pool(MakeSleeper(), {})
    results = []
    for result in pool.run(job("sleep", range(300), seconds=0.0003)):
        results.append(result)
        if len(results) == 60:
            small.kill(small.nodes.pop())
            small.nodes.append(small.add())
    assert sorted(results) == [(unit, unit) for unit in range(300)]
    until(lambda: len({at for _, at in pool.run(job("where", [1] * 60))}) == 3)
    assert notes == []


def test_a_unit_that_ends_its_actors_is_the_only_one_without_a_result(cluster: Cluster) -> None:
    pool = cluster.pool(MakeSleeper(), {})
    results = dict(pool.run(job("die", range(40), deadly=7)))

    assert {unit: unit for unit in range(40) if unit != 7} == {
        unit: result for unit, result in results.items() if unit != 7
    }
    assert str(results[7]).startswith(
        "--llm-judge-ray: 4 actors in turn ended while they computed this; the last, on node "
    )
    assert "\n" not in str(results[7])


def test_errors_of_a_worker(cluster: Cluster, notes: list[str]) -> None:
    with pytest.raises(CheckpointError, match="no such model"):
        cluster.pool(MakeSleeper(problem="no such model"), {})
    assert notes[0].endswith("model.pth: no such model; make another one")
    pool = cluster.pool(MakeSleeper(), {})
    with pytest.raises(CheckpointError, match="broken weights"):
        list(pool.run(job("fail", [1], problem="broken weights")))
    with pytest.raises(ZeroDivisionError) as caught:
        list(pool.run(job("fail", [1], problem="")))
    assert "cluster_work.py" in vars(caught.value)["__notes__"][0]
    # The actors are as good as before.
    assert dict(pool.run(job("sleep", [1], seconds=0))) == {0: 1}


@pytest.mark.long
def test_whoever_waits_for_actors_that_are_ended_is_told(
    small: SmallCluster, notes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", small.address)
    ended = "^--llm-judge-ray: the actors were ended meanwhile; run again"
    with connected("auto", notes) as cluster, ThreadPoolExecutor(1) as thread:
        pool = cluster.pool(MakeSleeper(), {})
        running = thread.submit(list, pool.run(job("sleep", [1] * 9, seconds=60)))
        until(lambda: "6.0/6.0 CPU" in small.status())
        pool.close()
        with pytest.raises(CheckpointError, match=ended):
            running.result(240)
        with pytest.raises(CheckpointError, match=ended):
            next(pool.run(job("sleep", [1], seconds=0)))
        loading = thread.submit(cluster.pool, MakeSleeper(loading=tmp_path / "loading"), {})
        until((tmp_path / "loading").exists)
        cluster.close()
        with pytest.raises(CheckpointError, match=ended):
            loading.result(240)


def test_a_job_that_is_broken_off_leaves_the_actors_idle(cluster: Cluster) -> None:
    pool = cluster.pool(MakeSleeper(), {})
    long = pool.run(job("sleep", [10] * 300, seconds=0.01))
    next(long)
    long.close()  # type: ignore[attr-defined]

    assert dict(pool.run(job("sleep", [1], seconds=0))) == {0: 1}


def test_the_status_of_the_cluster_is_clean_afterwards(
    small: SmallCluster, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", small.address)
    with connected("auto", notes) as cluster:
        pool = cluster.pool(MakeSleeper(), {})
        until(lambda: len({pid for _, (pid, *_) in pool.run(job("where", [1] * 60))}) == 3)
        until(lambda: "6.0/6.0 CPU" in small.status())

    until(lambda: "0.0/6.0 CPU" in small.status())
    assert "(no resource demands)" in small.status()


def test_an_actor_has_a_gpu_of_its_own(
    small: SmallCluster, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", small.address)
    with_gpus = small.add(gpus=2)
    with connected("auto", notes, cpus=1) as cluster:
        nodes = cluster.describe()
        pool = cluster.pool(MakeSleeper(), {})
        until(lambda: {gpu for _, gpu in pool.run(job("gpu", [1] * 20))} == {"0", "1"})
        small.kill(with_gpus)
        until(lambda: not cluster.is_there(nodes[0]))
        monkeypatch.setattr(pools, "_WAIT_SECONDS", 1)
        with pytest.raises(CheckpointError, match="all actors are lost, and none") as lost:
            list(pool.run(job("gpu", [1])))
        with pytest.raises(CheckpointError) as again:
            list(pool.run(job("gpu", [1])))

    assert again.value is lost.value
    assert [(node.actors, node.gpus, node.threads) for node in nodes] == [(2, 2, 1)]


def test_a_node_with_other_versions(
    small: SmallCluster, notes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = tmp_path / "torch-2.0.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.0.0\n", "utf-8")
    monkeypatch.setenv("RAY_ADDRESS", small.address)
    other = small.add({"PYTHONPATH": str(tmp_path)})
    with connected("auto", notes) as cluster:
        with pytest.raises(SettingsError) as caught:
            cluster.check()
        small.kill(other)
        until(lambda: len(cluster.describe()) == 3)

    line = str(caught.value)
    assert line.startswith("--llm-judge-ray: node ")
    assert "torch 2.0.0, Python 3." in line
    assert line.endswith("install the same on all nodes")


DRIVER = """
import sys
from pathlib import Path
from pytest_llmjudge.generation.cluster.connection import connect
from pytest_llmjudge.generation.cluster.work import Job
from pytest_llmjudge.generation.files.contents import content_of
from tests.support.cluster_work import MakeSleeper

cluster = connect(sys.argv[1], note=print)
file = Path(sys.argv[2])
pool = cluster.pool(MakeSleeper(file), {file: content_of(file)})
try:
    for _, at in pool.run(Job("where", [1] * 10**6, [1.0] * 10**6)):
        print(*at, flush=True)
except KeyboardInterrupt:
    cluster.close()
    print("closed")
"""


@pytest.mark.parametrize(
    ("address", "number"),
    [
        ("auto", signal.SIGKILL),
        pytest.param("auto", signal.SIGINT, marks=pytest.mark.long),
        ("local", signal.SIGKILL),
    ],
)
def test_a_driver_that_ends_takes_its_actors_and_files_with_it(
    small: SmallCluster, tmp_path: Path, address: str, number: signal.Signals
) -> None:
    (tmp_path / "model").write_text("weights", "utf-8")
    before = folders()
    # As a descriptor of the driver, a folder is another one for the nodes, or none.
    opened = ["/bin/sh", "-c", 'exec 9<"$0"; exec "$@"', str(tmp_path)]
    file = Path("/proc/self/fd/9/model") if address == "auto" else tmp_path / "model"
    with subprocess.Popen(
        [*opened, sys.executable, "-c", DRIVER, address, str(file)],
        env={**os.environ, "RAY_ADDRESS": small.address},
        stdout=subprocess.PIPE,
        text=True,
    ) as driver:
        assert driver.stdout is not None
        # Ray itself may have something to say first.
        actor = int(next(line for line in driver.stdout if line[0].isdigit()).split()[0])
        mine = folders() - before
        others = psutil.Process(driver.pid).children(recursive=True)
        driver.send_signal(number)
        rest = driver.stdout.read()

    until(lambda: not is_running(actor))
    until(lambda: not any(is_running(process.pid) for process in others))
    until(lambda: not mine & folders())
    assert mine
    assert rest.endswith("closed\n") == (number == signal.SIGINT)


def test_a_fork_of_the_process_cannot_use_the_connection(cluster: Cluster) -> None:
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            cluster.pool(MakeSleeper(), {})
        except SettingsError as error:
            os.write(writing, str(error).encode())
        cluster.close()
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(reading, 1000).decode() == (
        "--llm-judge-ray: this process is a fork of the one that is connected to Ray; "
        "run without forks, such as those of --forked"
    )
    assert len(cluster.describe()) == 3


@pytest.mark.parametrize("address", ["auto", "ray://127.0.0.1:9"])
def test_nothing_at_an_address(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    with pytest.raises(SettingsError) as caught:
        connect(address, note=print)

    assert str(caught.value).startswith(
        f"--llm-judge-ray: no cluster can be reached at {address!r} ("
    )
    assert len(caught.value.lines) == 1


def test_no_node_has_room(
    small: SmallCluster, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", small.address)
    refused = pytest.raises(SettingsError, match="no node of the cluster has 3 cores;")
    with connected("auto", notes, cpus=3) as cluster, refused:
        cluster.check()
    refused = pytest.raises(SettingsError, match="no node of the cluster has a GPU;")
    with connected("auto", notes, device="cuda") as cluster, refused:
        cluster.check()
