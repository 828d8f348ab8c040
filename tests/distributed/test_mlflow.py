"""Runs that go to a real MLflow, with its store in SQLite, read back by its own client."""

from __future__ import annotations

import importlib
import json
import os
import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from mlflow import MlflowClient

from pytest_llmjudge.data import RunResult
from pytest_llmjudge.kinds.document import results_document
from pytest_llmjudge.plugin import hookspecs
from pytest_llmjudge.plugin.elsewhere import Elsewhere
from pytest_llmjudge.settings import read_settings
from tests.support.project import Project, records
from tests.support.results import scored, suite

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow.entities import Run

# MLflow's client uses what its database library deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

GATED = 'responses="model_response", min_score=50, min_average=90'
SUITE = "test_suite.py/test_instructions"


@pytest.fixture(scope="module", autouse=True)
def _store() -> None:
    """Load what MLflow loads late: pytester forgets the modules that a test loads first."""
    importlib.import_module("mlflow.store.tracking.sqlalchemy_store")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of MLflow's without runs; it takes seconds to make its tables."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def tracking(project: Project, empty: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where MLflow keeps the runs of a project."""
    shutil.copy(empty, project.path)
    uri = f"sqlite:///{project.path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    return uri


def runs(client: MlflowClient, name: str = "releases") -> list[Run]:
    """Return the runs of an experiment."""
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    found: list[Run] = client.search_runs([experiment.experiment_id])
    return found


@pytest.mark.parametrize("mode", [(), ("-n", "2")], ids=["plain", "n2"])
def test_a_run_is_read_back(project: Project, tracking: str, mode: tuple[str, ...]) -> None:
    """Once, with figures, settings, outcome, records, the results file and the page."""
    project.suite(records(4, wrong=[1]), GATED)
    if not mode:
        # One run makes its own.
        (project.path / "mlflow.db").unlink()

    result = project.run(
        "--llm-judge-mlflow=releases", "--llm-judge-report=r.json", "--llm-judge-html=r.html", *mode
    )

    client = MlflowClient(tracking)
    (run,) = runs(client)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f'mlflow: run {run.info.run_id} of the experiment "releases"'])
    assert run.info.status == "FINISHED"
    assert run.data.tags["llm_judge.outcome"] == "failed"
    assert run.data.tags["llm_judge.status"] == "1"
    assert run.data.tags[f"llm_judge.outcome/{SUITE}"] == "failed"
    assert run.data.metrics[f"{SUITE}/average"] == 75.0
    assert run.data.metrics["suites_failed"] == 1.0
    assert run.data.params["judge/model"] == "embedded"
    assert run.data.params[f"{SUITE}/min_average"] == "90.0"
    assert run.data.params["options/seed"] == "123"
    names = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert names == {"records.json", "report.html", "results.json"}
    texts = {name: _text(client, run, name) for name in names}
    document: dict[str, Any] = json.loads((project.path / "r.json").read_text("utf-8"))
    assert json.loads(texts["results.json"]) == document
    assert texts["report.html"] == (project.path / "r.html").read_text("utf-8")
    table = json.loads(texts["records.json"])
    assert [row[table["columns"].index("id")] for row in table["data"]] == ["r0", "r1", "r2", "r3"]


def _text(client: MlflowClient, run: Run, name: str) -> str:
    with open(client.download_artifacts(run.info.run_id, name), encoding="utf-8") as file:  # noqa: PTH123
        return file.read()


def test_what_cannot_be_used_is_said_before_work(
    project: Project, tracking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An experiment that is deleted, a name that is too long, and a server that is not there."""
    project.suite(records(2))
    client = MlflowClient(tracking)
    number = client.create_experiment("gone")
    client.delete_experiment(number)

    def line(name: str) -> str:
        result = project.run(f"--llm-judge-mlflow={name}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        lines = [one for one in result.errlines if one.startswith("ERROR: ")]
        return lines[0]

    assert line("gone") == (
        'ERROR: --llm-judge-mlflow: the experiment "gone" is deleted; restore it (mlflow experiments '
        f"restore -x {number}), or name another"
    )
    assert line("x" * 501).startswith('ERROR: --llm-judge-mlflow: MLflow takes no experiment "xxx')
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret-word@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert line("releases") == (
        "ERROR: --llm-judge-mlflow: MLflow at http://***@127.0.0.1:9 cannot be used (Connection "
        "refused); start the tracking server, or name another with MLFLOW_TRACKING_URI"
    )
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"

    def leave(*_: object) -> None:
        raise SystemExit("no store")

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", leave)
    assert "cannot be used (SystemExit: no store); start the tracking server" in line("releases")


def test_a_shard(project: Project, tracking: str) -> None:
    """Its run says which it is."""
    project.suite(records(4), GATED)

    project.run("--llm-judge-mlflow=releases", "--llm-judge-shard=1/2", "--llm-judge-report=r.json")

    (run,) = runs(MlflowClient(tracking))
    assert run.data.tags["llm_judge.shard"] == "1/2"


def test_what_goes_wrong_at_the_end_is_one_line(project: Project, tracking: str) -> None:
    """The files are written all the same."""
    project.write("conftest.py", BREAKING)
    project.suite(records(2))

    result = project.run("--llm-judge-mlflow=releases", "--llm-judge-report=r.json")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["ERROR: --llm-judge-mlflow: the run could not be written (*); look after the tracking *"]
    )
    assert project.results("r.json")["status"] == 1


BREAKING = """
import contextlib
import sqlite3

def pytest_runtest_teardown():
    with contextlib.closing(sqlite3.connect("mlflow.db")) as store:
        store.execute("DROP TABLE IF EXISTS metrics")
        store.commit()
"""


def test_a_page_that_cannot_be_made(tmp_path: Path, tracking: str) -> None:
    """MLflow and the hook get all else, and one line says so."""
    manager, called = pytest.PytestPluginManager(), []
    manager.add_hookspecs(hookspecs)

    class Noting:
        def pytest_llm_judge_results(self, results: dict[str, Any]) -> None:
            called.append(results)

    manager.register(Noting())
    session: Any = SimpleNamespace(
        settings=read_settings(
            {"llm_judge_mlflow": ("releases", "cli")}, tmp_path, tmp_path, "ini"
        ),
        resources=SimpleNamespace(models=SimpleNamespace(shown_path=str)),
        config=SimpleNamespace(hook=manager.hook, rootpath=tmp_path),
    )
    run = RunResult("2026-01-02T03:04:05+00:00", (suite([scored("r1", 80)]),))
    results = json.loads(json.dumps(results_document(run, "0.1.0")))

    def page() -> str:
        raise KeyError("rows")

    elsewhere = Elsewhere(session)
    elsewhere.open()
    lines = list(elsewhere.give(results, page, {}))

    problem = "it could not be made (KeyError: 'rows')"
    hint = "report it as a bug; all verdicts are kept in the cache"
    assert lines == [f"page for MLflow: {problem}; {hint}"]
    assert called == [results]
    client = MlflowClient(tracking)
    (kept,) = runs(client)
    names = {file.path for file in client.list_artifacts(kept.info.run_id)}
    assert names == {"records.json", "results.json"}
