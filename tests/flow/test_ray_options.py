"""Options about Ray: what ends a run before it starts, on machines without Ray too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.fake_ollama import DIGEST, FakeOllama
from tests.support.project import MODEL, Project, records
from tests.unit.generation.tiny import save_model

if TYPE_CHECKING:
    from collections.abc import Sequence

RAY = "--llm-judge-ray=local"
GIVEN = 'responses="model_response", min_score=0'
MISSING = "import sys\nsys.modules['ray'] = None\n"
"""A conftest of a machine on which Ray is not installed."""
BROKEN = """
import sys
from types import ModuleType, SimpleNamespace

def fail(**_):
    raise RuntimeError({why!r})

names = ("ray", "ray._private", "ray._private.worker", "ray._private.auto_init_hook")
for name in (*names, "ray.util", "ray.util.debug"):
    sys.modules[name] = ModuleType(name)
ray = sys.modules["ray"]
ray.is_initialized = lambda: False
ray.init = fail
ray.shutdown = lambda: None
ray._private = sys.modules["ray._private"]
ray._private.worker = sys.modules["ray._private.worker"]
ray._private.auto_init_hook = sys.modules["ray._private.auto_init_hook"]
sys.modules["ray.util.debug"].log_once = print
"""
"""A conftest of a machine on which Ray does not start."""
NO_RAY = (
    "--llm-judge-ray: Ray cannot be imported (import of ray halted; None in sys.modules); pip "
    'install "pytest-llmjudge[ray]"'
)


def error_of(result: pytest.RunResult) -> str:
    """The one line with which a run ended before its work."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR, result.stdout.str()
    (error,) = {
        line.partition("ERROR: ")[2]
        for line in (*result.errlines, *result.outlines)
        if "ERROR: " in line
    }
    return error


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(
            ["--llm-judge-ray=head"],
            '--llm-judge-ray: "head" is no address of Ray; give local, auto, or ray:// with host '
            "and port, for example ray://head:10001",
            id="a name",
        ),
        pytest.param(
            ["--llm-judge-ray=ray://head:70000"],
            '--llm-judge-ray: "ray://head:70000" is no address of Ray; give local, auto, or '
            "ray:// with host and port, for example ray://head:10001",
            id="a port",
        ),
        pytest.param(
            [RAY, "--llm-judge-ray-cpus=0"],
            "--llm-judge-ray-cpus: 0 is too small; give a whole number of 1 or more",
            id="no cores",
        ),
        pytest.param(
            ["--llm-judge-ray-cpus=2"],
            "--llm-judge-ray-cpus: without Ray there are no actors to give cores to; "
            "add --llm-judge-ray",
            id="cores without Ray",
        ),
    ],
)
def test_values_that_cannot_be_used(
    project: Project, options: Sequence[str], expected: str
) -> None:
    """In one line each."""
    project.suite(records(1), GIVEN)

    assert error_of(project.run(*options)) == expected


IDLE = "--llm-judge-ray: only models in files run on it, and this run has none; leave it out"


@pytest.mark.every_mode
@pytest.mark.parametrize("model", ["recorded", "own", "served"])
def test_ray_without_a_model_in_files(project: Project, model: str, mode: Sequence[str]) -> None:
    """Recorded responses, a model of the user's own, and one at a server need no actors."""
    project.suite(records(1), GIVEN if model == "recorded" else "min_score=0")
    if model == "own":
        project.write("conftest.py", MODEL.format(answer="prompt"))
    with FakeOllama(models={"mine:latest": DIGEST}) as server:
        url = f"--llm-judge-checkpoint-url={server.url}"
        served = ["--llm-judge-checkpoint=ollama:mine", url] if model == "served" else []

        assert error_of(project.run(RAY, *mode, *served)) == IDLE


def test_ray_of_an_ini_file_without_a_model_in_files(project: Project) -> None:
    """It waits there for suites with one, and is not even looked for."""
    project.suite(records(1), GIVEN)
    project.write("conftest.py", MISSING)
    project.write("pytest.ini", "[pytest]\nllm_judge_ray = auto\nllm_judge_ray_cpus = 3\n")

    project.run().assert_outcomes(passed=2)


@pytest.mark.every_mode
def test_ray_is_not_installed(project: Project, mode: Sequence[str]) -> None:
    """One line says how it is installed, before any work, in whatever process that is found."""
    save_model(project.path / "model.pth")
    project.suite(records(2), 'checkpoint="model.pth", min_score=0')
    project.write("conftest.py", MISSING)

    assert error_of(project.run(RAY, *mode)) == NO_RAY


@pytest.mark.parametrize(
    ("why", "hint"),
    [
        (
            "The current node timed out during startup.",
            "run again when this machine has less to do",
        ),
        ("No raylet.", "mend its installation"),
    ],
)
def test_a_ray_that_does_not_start(project: Project, why: str, hint: str) -> None:
    """One line says what Ray says, and what helps."""
    save_model(project.path / "model.pth")
    project.suite(records(2), 'checkpoint="model.pth", min_score=0')
    project.write("conftest.py", BROKEN.format(why=why))

    assert error_of(project.run(RAY)) == (f"--llm-judge-ray: Ray cannot be started ({why}); {hint}")


def test_a_head_node_that_starts_no_server_for_a_client(project: Project) -> None:
    """One line has the end of Ray's traceback, and does not say that there is no cluster."""
    save_model(project.path / "model.pth")
    project.suite(records(2), 'checkpoint="model.pth", min_score=0')
    reason = "Traceback (most recent call last):\n  File\nRuntimeError: Starting it failed.\n"
    project.write(
        "conftest.py", BROKEN.format(why=f"Initialization failure from server:\n{reason}")
    )

    with FakeOllama() as listening:
        address = listening.url.replace("http", "ray")
        error = error_of(project.run(f"--llm-judge-ray={address}"))

    assert error == (
        f"--llm-judge-ray: the cluster at '{address}' cannot start a server for this client "
        "(RuntimeError: Starting it failed.); run again when its head node has less to do"
    )


def test_a_fixture_asks_a_model_in_files(project: Project) -> None:
    """A plain test's model runs on actors too, so that Ray is looked for before any work."""
    save_model(project.path / "model.pth")
    project.write("conftest.py", MISSING)
    project.write("test_plain.py", "def test_it(llm_model): assert llm_model.fingerprint\n")

    result = project.run(RAY, "--llm-judge-checkpoint=model.pth")

    assert error_of(result) == NO_RAY


def test_listing_looks_for_no_cluster(project: Project) -> None:
    """What only lists items asks nobody."""
    save_model(project.path / "model.pth")
    project.suite(records(2), 'checkpoint="model.pth", min_score=0')
    project.write("conftest.py", MISSING)

    assert project.run(RAY, "--collect-only").ret == pytest.ExitCode.OK
