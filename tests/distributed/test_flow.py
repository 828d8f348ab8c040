"""Whole runs on actors of Ray: results as without them, and what is left of a run that is stopped."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import torch
from ray.cluster_utils import Cluster

from pytest_llmjudge.generation.families.gpt2.model import GPTConfig
from tests.support.project import Project, records
from tests.unit.generation.hugging import warm_up
from tests.unit.generation.judges import save_judge
from tests.unit.generation.tiny import VOCABULARY, save_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPO = Path(__file__).parents[2]
CONFIG = GPTConfig(
    VOCABULARY, context_length=1024, emb_dim=64, n_heads=1, n_layers=2, qkv_bias=True
)
REPORT = "--llm-judge-report=results.json"
CORES = 4
"""That Ray is told of, on however many there are."""
SUITES = f"""
import pytest

@pytest.mark.llm_judge("data.json", min_average=0)
def test_texts(verdict): pass

@pytest.mark.llm_loss("data.json", max_perplexity=1e9)
def test_losses(loss): pass

@pytest.mark.llm_choices("questions.jsonl", min_accuracy=0)
def test_choices(choice): pass

@pytest.mark.llm_mmlu({str(REPO / "example_suite" / "mmlu")!r}, shots=1, min_accuracy=0)
def test_mmlu(mmlu_result): pass
"""
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
COUNT = 200
"""Records of a run that is stopped half way."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster of one node, which belongs to no run."""
    head = {"num_cpus": CORES, "object_store_memory": 80_000_000, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    yield cluster
    cluster.shutdown()


@pytest.fixture
def on_ray(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[str]]:
    """Options for a run on so many actors of the cluster."""
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    return lambda actors: ["--llm-judge-ray=auto", f"--llm-judge-ray-cpus={CORES // actors}"]


@pytest.fixture(scope="module", autouse=True)
def loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have everything imported: pytester forgets what its runs import, and torch minds that."""
    warm_up(tmp_path_factory.mktemp("warm"))


@pytest.fixture
def suites(project: Project) -> Project:
    """Texts that a judge in files scores, losses, choices and MMLU of a tiny model."""
    # Beside other threads, those of the model round otherwise.
    torch.set_num_threads(1)
    save_model(project.path / "model.pth", CONFIG)
    save_judge(project.path / "judge")
    project.write("data.json", records(9))
    rows = [
        {
            "id": f"q{at}",
            "question": f"What is {at}?",
            "choices": ["one", "two", f"{at}"],
            "answer": 2,
        }
        for at in range(9)
    ]
    project.write("questions.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))
    project.write("test_suites.py", SUITES)
    return project


OPTIONS = (
    "--llm-judge-model=local:judge",
    "--llm-judge-ask=weighted",
    "--llm-judge-checkpoint=model.pth",
    "--llm-judge-max-new-tokens=24",
    "--llm-judge-explain=2",
    "--llm-judge-cache=off",
    REPORT,
)


def results_of(project: Project, *arguments: str) -> tuple[dict[str, Any], list[str]]:
    """Run all suites; return the results, but for times, and the lines on Ray."""
    result = project.run_subprocess(*OPTIONS, *arguments)
    assert result.ret == pytest.ExitCode.OK, result.stdout.str()
    on_ray = [line for line in result.outlines if "Ray (" in line or " read at its path " in line]
    return project.results(), on_ray


def test_results_are_those_of_one_process(
    suites: Project, on_ray: Callable[[int], list[str]]
) -> None:
    """Texts, scores, losses, choices and MMLU's predictions, with 1, 2 and 4 actors and with -n 2."""
    expected, lines = results_of(suites)
    assert not lines

    for actors, mode in ((1, ()), (2, ()), (4, ()), (2, ("-n", "2"))):
        results, lines = results_of(suites, *on_ray(actors), *mode)

        assert results == expected
        counted = "1 actor on 1 node" if actors == 1 else f"{actors} actors on 1 node"
        assert f"llm-judge: Ray (auto): {counted}, " in lines[0]
        assert lines[1:] == [
            f"llm-judge: {name} is read at its path on all nodes"
            for name in ("local:judge", "model.pth")
        ]


def test_a_ray_of_the_runs_own(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is started, named in the head of the run, and ended with its processes and files."""
    monkeypatch.setenv("TMPDIR", str(project.path))
    save_model(project.path / "model.pth", CONFIG)
    project.suite(records(3), 'checkpoint="model.pth", min_score=0')
    before = {process.pid for process in psutil.process_iter()}

    result = project.run_subprocess("--llm-judge-ray=local", "--llm-judge-max-new-tokens=4")

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["llm-judge: Ray (local): * on 1 node, *"])
    assert not list(project.path.glob("llmjudge-ray-*"))
    assert eventually(lambda: not rays(before))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["kill", "interrupt"])
def test_a_run_that_is_stopped(
    project: Project,
    on_ray: Callable[[int], list[str]],
    how: signal.Signals,
) -> None:
    """Its actors end, and the next run asks only what is missing."""
    long_suite(project)
    project.write("conftest.py", WATCHED)
    before = {process.pid for process in psutil.process_iter()}
    command = project.command(*on_ray(2), *LONG)
    # In a group of its own, as on a terminal, where Ctrl-C reaches all processes of a group.
    with subprocess.Popen(
        command, cwd=project.path, stdout=subprocess.PIPE, start_new_session=True
    ) as run:
        assert eventually(lambda: kept(project) > 10)
        os.killpg(run.pid, how)
        run.communicate(timeout=60)
    made = kept(project)

    assert made < COUNT
    assert run.returncode == (2 if how == signal.SIGINT else -how)
    assert eventually(lambda: not rays(before, "ModelActor"))
    result = project.run_subprocess(*on_ray(2), *LONG)
    result.assert_outcomes(passed=COUNT + 1)
    asked = (project.path / "asked.log").read_text(encoding="ascii").split()
    assert [int(number) for number in asked] == [COUNT, COUNT - made]


def test_a_node_that_dies(
    project: Project, cluster: Cluster, on_ray: Callable[[int], list[str]]
) -> None:
    """What it had is sent to others, and the results are those of a run without Ray."""
    long_suite(project)
    project.run_subprocess(*LONG, "--llm-judge-cache=off").assert_outcomes(passed=COUNT + 1)
    expected = project.results()
    node = cluster.add_node(num_cpus=CORES, object_store_memory=80_000_000)
    with subprocess.Popen(
        project.command(*on_ray(1), *LONG), cwd=project.path, stdout=subprocess.PIPE
    ) as run:
        assert eventually(lambda: kept(project) > 10)
        cluster.remove_node(node, allow_graceful=False)
        output = run.communicate(timeout=120)[0].decode()

    assert run.returncode == 0, output
    assert "2 actors on 2 nodes" in output
    assert project.results() == expected


LONG = ("--llm-judge-checkpoint=model.pth", "--llm-judge-max-new-tokens=120", REPORT)


def long_suite(project: Project) -> None:
    """Write a suite that takes some seconds."""
    save_model(project.path / "model.pth", CONFIG)
    project.suite(records(COUNT), "min_score=0")


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


def eventually(holds: Callable[[], bool], seconds: float = 120) -> bool:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def rays(before: set[int], name: str = "ray") -> list[str]:
    """Return the command lines of processes of Ray's that were not there before."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if process.info["pid"] not in before and name in line and "pytest" not in line:
            found.append(line)
    return found
