"""Whole runs on actors of Ray: results as without them, and what is left of a run that is stopped."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from pytest_llmjudge.generation.families.gpt2.config import GPTConfig
from tests.support import worker_forks
from tests.support.project import Project, records
from tests.support.ray_cluster import SmallCluster, until
from tests.unit.generation.hugging import warm_up
from tests.unit.generation.judges import save_judge
from tests.unit.generation.tiny import VOCABULARY, save_model

if TYPE_CHECKING:
    from collections.abc import Iterator

REPO = Path(__file__).parents[2]
CONFIG = GPTConfig(
    VOCABULARY, context_length=1024, emb_dim=64, n_heads=1, n_layers=2, qkv_bias=True
)
REPORT = "--llm-judge-report=results.json"
EXAMS = f"""
import pytest

@pytest.mark.llm_loss("data.json", max_perplexity=1e9)
def test_losses(loss): pass

@pytest.mark.llm_choices("questions.jsonl", mode="continuation", min_accuracy=0)
def test_choices(choice): pass

@pytest.mark.llm_mmlu({str(REPO / "example_suite" / "mmlu")!r}, shots=1, min_accuracy=0)
def test_mmlu(mmlu_result): pass
"""
TEXTS = """
import pytest

@pytest.mark.llm_judge("data.json", min_average=0)
def test_texts(verdict): pass
"""
ONE_THREAD = "import torch\ntorch.set_num_threads(1)\n"
"""A conftest by which a run without Ray has as many threads as an actor with one core."""
WATCHED = """
from pytest_llmjudge.generation.cluster.model import ClusterModel

original = ClusterModel.stream_whole

def stream_whole(model, prompts, *arguments, **options):
    with open("asked.log", "a") as log:
        log.write(f"{len(prompts)}\\n")
    yield from original(model, prompts, *arguments, **options)

ClusterModel.stream_whole = stream_whole
"""
"""A conftest that notes how many prompts actors are asked."""
FOLDERS = """
import tempfile
from pathlib import Path

def pytest_runtest_logreport():
    found = Path(tempfile.gettempdir()).glob("llmjudge-ray-*")
    Path("folders.txt").write_text(" ".join(map(str, found)))
"""
"""A conftest that notes the folders of a Ray of the run's own while it is there."""
COUNT = 200
"""Records of a run that is stopped half way."""


@dataclass
class Machines:
    """A cluster that belongs to no run, whose nodes have one core each."""

    cluster: SmallCluster

    def have(self, count: int) -> None:
        """Have so many nodes."""
        while len(self.cluster.nodes) + 1 < count:
            self.cluster.nodes.append(self.cluster.add())
        while len(self.cluster.nodes) + 1 > count:
            self.cluster.kill(self.cluster.nodes.pop())
        self.cluster.settle()


@pytest.fixture(scope="module")
def small() -> Iterator[Machines]:
    cluster = SmallCluster(1, cpus=1, is_whole=False)
    yield Machines(cluster)
    cluster.close()


@pytest.fixture
def machines(small: Machines, monkeypatch: pytest.MonkeyPatch) -> Machines:
    """A cluster that runs with ``--llm-judge-ray=auto`` are on."""
    monkeypatch.setenv("RAY_ADDRESS", small.cluster.address)
    return small


@pytest.fixture(scope="module", autouse=True)
def loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have everything imported: pytester forgets what its runs import, and torch minds that."""
    warm_up(tmp_path_factory.mktemp("warm"))
    # What forks the runs has its files where temporary ones are now, and a test changes that.
    worker_forks.command(())


@pytest.fixture
def tiny(project: Project) -> Project:
    """A tiny model, and a judge in files."""
    save_model(project.path / "model.pth", CONFIG)
    save_judge(project.path / "judge")
    project.write("data.json", records(9))
    return project


OPTIONS = (
    "--llm-judge-checkpoint=model.pth",
    "--llm-judge-max-new-tokens=24",
    "--llm-judge-cache=off",
    REPORT,
)
JUDGED = ("--llm-judge-model=local:judge", "--llm-judge-ask=weighted", "--llm-judge-explain=2")


def results_of(project: Project, *arguments: str) -> tuple[dict[str, Any], list[str]]:
    """Run all suites; return the results, but for times, and what the head says of nodes."""
    result = project.run_subprocess(*OPTIONS, *arguments)
    assert result.ret == pytest.ExitCode.OK, result.stdout.str()
    starts = ("llm-judge: Ray (", "llm-judge: model.pth is ", "llm-judge: local:judge is ")
    return project.results(), [line for line in result.outlines if line.startswith(starts)]


def test_results_are_those_of_one_process(tiny: Project, machines: Machines) -> None:
    """Texts, scores, losses, choices and MMLU's predictions, to the byte, with as many threads."""
    rows = [
        {
            "id": f"q{at}",
            "question": f"What is {at}?",
            "choices": ["one", "two", f"{at}"],
            "answer": 2,
        }
        for at in range(9)
    ]
    tiny.write("questions.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))
    tiny.write("conftest.py", ONE_THREAD)
    tiny.write("test_exams.py", EXAMS)
    tiny.write("test_texts.py", TEXTS)
    expected, lines = results_of(tiny, *JUDGED)
    assert not lines
    # Under xdist actors are started for each turn, which for one of them is soonest.
    for actors, mode in ((1, ("-n", "2")), (2, ()), (4, ())):
        machines.have(actors)

        results, lines = results_of(tiny, *JUDGED, "--llm-judge-ray=auto", *mode)

        assert list(differences(expected, results)) == []
        counted = "1 actor on 1 node" if actors == 1 else f"{actors} actors on {actors} nodes"
        cores = "1 core" if actors == 1 else "1 core each"
        assert lines[0].startswith(f"llm-judge: Ray (auto): {counted}, {cores}: ")
        assert lines[1:] == [
            f"llm-judge: {name} is read at its path on all nodes"
            for name in ("local:judge", "model.pth")
        ]


@pytest.mark.long
def test_a_ray_of_the_runs_own(tiny: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """With workers and a judge in files: it is named in the head, and ends with all that it left."""
    tiny.write("test_texts.py", TEXTS)
    tiny.write("conftest.py", FOLDERS)
    # A folder of pytest's is too long for the names of sockets.
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("TMPDIR", folder)
        others = set(map(str, Path(tempfile.gettempdir()).glob("llmjudge-ray-*")))
        _, lines = results_of(tiny, *JUDGED[:2], "--llm-judge-ray=local", "-n", "2")

        assert lines[0].startswith("llm-judge: Ray (local): 1 actor on 1 node, ")
        own = set((tiny.path / "folders.txt").read_text("utf-8").split()) - others
        assert own
        assert not any(Path(name).exists() for name in own)
        until(lambda: not any(map(processes_with, own)))


def test_runs_that_are_stopped(project: Project, machines: Machines) -> None:
    """Their actors end, and the next run asks only what is missing."""
    machines.have(1)
    long_suite(project)
    project.write("conftest.py", WATCHED)
    made = [0]
    for how, times, statuses in (
        (signal.SIGINT, 1, {2}),
        # The second may come when pytest itself is over.
        (signal.SIGINT, 2, {2, -signal.SIGINT}),
        (signal.SIGKILL, 1, {-signal.SIGKILL}),
    ):
        with started(project) as run:
            until(lambda: kept(project) > made[-1] + 10 or run.poll() is not None)
            assert run.poll() is None, run.communicate()[0].decode()
            assert actors()
            for _ in range(times):
                os.killpg(run.pid, how)
                time.sleep(0.1)
            run.communicate()
        made.append(kept(project))

        assert run.returncode in statuses
        until(lambda: not actors())
    assert made[-1] < COUNT
    result = project.run_subprocess("--llm-judge-ray=auto", *LONG)
    result.assert_outcomes(passed=COUNT + 1)
    asked = (project.path / "asked.log").read_text(encoding="ascii").split()
    assert [int(number) for number in asked] == [COUNT - before for before in made]


def test_a_node_that_dies_and_one_that_joins(project: Project, machines: Machines) -> None:
    """What the first had is sent to others, and the results are those of a run without Ray."""
    machines.have(3)
    long_suite(project)
    project.write("conftest.py", ONE_THREAD)
    project.run_subprocess(*LONG, "--llm-judge-cache=off").assert_outcomes(passed=COUNT + 1)
    expected = project.results()
    with started(project) as run:
        until(lambda: kept(project) > 10 or run.poll() is not None)
        machines.cluster.kill(machines.cluster.nodes.pop())
        machines.have(3)
        output = run.communicate()[0].decode()

    assert run.returncode == 0, output
    assert "3 actors on 3 nodes" in output
    assert project.results() == expected


LONG = ("--llm-judge-checkpoint=model.pth", "--llm-judge-max-new-tokens=120", REPORT)


def long_suite(project: Project) -> None:
    """Write a suite that takes some seconds."""
    save_model(project.path / "model.pth", CONFIG)
    project.suite(records(COUNT), "min_score=0")


@contextmanager
def started(project: Project) -> Iterator[subprocess.Popen[bytes]]:
    """Start a run of the long suite, which does not outlive its test."""
    command = project.command("--llm-judge-ray=auto", *LONG)
    # In a group of its own, as on a terminal, where Ctrl-C reaches all processes of a group.
    with subprocess.Popen(
        command, cwd=project.path, stdout=subprocess.PIPE, start_new_session=True
    ) as run:
        try:
            yield run
        finally:
            run.kill()


def kept(project: Project) -> int:
    """Count the responses in the store."""
    paths = list((project.path / ".pytest_cache").rglob("store.sqlite"))
    if not paths:
        return 0
    with sqlite3.connect(paths[0]) as connection:
        try:
            count = connection.execute("SELECT COUNT(*) FROM responses").fetchone()[0]
        except sqlite3.OperationalError:
            count = 0
    connection.close()
    return int(count)


def differences(one: object, other: object, path: str = "") -> Iterator[str]:
    """Yield where two documents differ, each place with both values."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key, value in one.items():
            yield from differences(value, other[key], f"{path}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for at, (value, beside) in enumerate(zip(one, other, strict=True)):
            yield from differences(value, beside, f"{path}[{at}]")
    elif one != other:
        yield f"{path}: {one!r} and {other!r}"


def processes_with(text: str) -> list[psutil.Process]:
    """Return the processes that have a text in their command line."""
    running = psutil.process_iter(["cmdline"])
    return [one for one in running if text in " ".join(one.info["cmdline"] or ())]


def actors() -> list[psutil.Process]:
    """Return the processes of actors of the cluster that these tests have started."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "ModelActor" in " ".join(process.cmdline()):
                found.append(process)
    return found
