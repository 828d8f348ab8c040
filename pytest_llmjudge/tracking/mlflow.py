"""Writes a run to MLflow, which nothing else here imports."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
import warnings
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from pytest_llmjudge.errors import SettingsError, StoreError, one_line
from pytest_llmjudge.servers.secrets import secrets_of
from pytest_llmjudge.tracking.figures import metrics, outcome, params, records, suite_tags

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mlflow import MlflowClient

__all__ = ["Experiment", "open_experiment"]

_WHERE: Final = "--llm-judge-mlflow"
_ANSWER_S: Final = 120.0
"""Seconds in which a database has to answer before any work is done; a new one makes its tables."""
_BEFORE: Final = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
_AT_THE_END: Final = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
}
"""What bounds MLflow's own retries, which take minutes, where the environment does not say."""
_UNTRACKED: Final = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
_LONGEST: Final = 500
"""Characters of a parameter that every version of MLflow takes."""
_PARAMS, _METRICS, _TAGS = 100, 1000, 100
"""How many MLflow takes at once."""


class Experiment:
    """An experiment that takes runs.

    Args:
        client: Of MLflow.
        id: Of the experiment.
        name: Of the experiment.
    """

    def __init__(self, client: MlflowClient, id: str, name: str) -> None:  # noqa: A002  # as MLflow calls it
        self._client = client
        self._id = id
        self._name = name

    def log(self, results: Mapping[str, Any], options: Mapping[str, str], page: str | None) -> str:
        """Write a run with its figures, table of records, results file and page.

        Args:
            results: As ``--llm-judge-report`` writes them.
            options: Of the run, those that may change what it decides.
            page: The HTML page; ``None`` where it could not be made.

        Returns:
            Which run of which experiment it is, for people.

        Raises:
            StoreError: It could not be written, or not all of it.
        """
        with _quiet(_AT_THE_END):
            run = ""
            try:
                run = self._create(results)
                self._fill(run, results, options, page)
                self._client.set_terminated(run, "FINISHED")
            except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001  # of MLflow, its database or its object store
                if run:
                    self._give_up(run)
                problem = f"the run could not be written ({_cause(error)})"
                hint = "look after the tracking server; all verdicts are kept in the cache"
                raise StoreError(_WHERE, problem, hint) from None
        return f'run {run} of the experiment "{self._name}"'

    def _create(self, results: Mapping[str, Any]) -> str:
        models = (suite.get("checkpoint") for suite in results["suites"])
        names = dict.fromkeys(PurePath(model["path"]).name for model in models if model)
        tags = {
            "llm_judge.outcome": outcome(results),
            "llm_judge.status": str(results["status"]),
            "llm_judge.version": results["pytest_llmjudge"],
            "llm_judge.created": results["created"],
        }
        if "shard" in results:
            shard = results["shard"]
            tags["llm_judge.shard"] = f"{shard['number']}/{shard['count']}"
        name = ", ".join(names)[:_LONGEST] or None
        run = self._client.create_run(self._id, tags=tags, run_name=name)
        run_id: str = run.info.run_id
        return run_id

    def _fill(
        self, run: str, results: Mapping[str, Any], options: Mapping[str, str], page: str | None
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        chosen = {
            **{f"options/{name}": value for name, value in options.items()},
            **params(results),
        }
        for some in _chunks([Param(key, _cut(text)) for key, text in chosen.items()], _PARAMS):
            self._client.log_batch(run, params=some)
        figures = [Metric(name, value, now, 0) for name, value in metrics(results).items()]
        for some in _chunks(figures, _METRICS):
            self._client.log_batch(run, metrics=some)
        tags = [RunTag(key, value) for key, value in suite_tags(results).items()]
        for some in _chunks(tags, _TAGS):
            self._client.log_batch(run, tags=some)
        rows = records(results)
        if rows:
            table = {key: [row[key] for row in rows] for key in rows[0]}
            self._client.log_table(run, table, "records.json")
        self._client.log_text(run, f"{json.dumps(results, indent=1)}\n", "results.json")
        if page is not None:
            self._client.log_text(run, page, "report.html")

    def _give_up(self, run: str) -> None:
        # Why it cannot be written is said by the first error.
        with contextlib.suppress(Exception):
            self._client.set_terminated(run, "FAILED")


def open_experiment(name: str) -> Experiment:
    """Prove that MLflow is there and takes runs in an experiment; make one that is not there.

    Where it is comes from MLflow's own environment, such as ``MLFLOW_TRACKING_URI``.

    Args:
        name: Of the experiment.

    Raises:
        SettingsError: MLflow is not installed, does not answer, or takes no such experiment.
    """
    with _quiet(_BEFORE):
        try:
            import mlflow  # noqa: F401  # a thread that fails would say less
        except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever its own imports raise
            problem = f"MLflow cannot be imported ({one_line(str(error), 100)})"
            hint = 'pip install "pytest-llmjudge[mlflow]"'
            raise SettingsError(_WHERE, problem, hint) from None
        found: list[Experiment | SettingsError] = []
        # MLflow has no bound for the time in which a database answers.
        opening = threading.Thread(target=lambda: found.append(_open(name)), daemon=True)
        opening.start()
        opening.join(_ANSWER_S)
        if not found:
            why = f"it does not answer within {_ANSWER_S:g} s"
            raise _unreachable(why)
    if isinstance(found[0], SettingsError):
        raise found[0]
    return found[0]


def _open(name: str) -> Experiment | SettingsError:
    import mlflow

    shown = one_line(name, 60)
    try:
        client = mlflow.MlflowClient()
        there = client.get_experiment_by_name(name)
        if there is None:
            try:
                return Experiment(client, client.create_experiment(name), name)
            except mlflow.MlflowException as error:
                if error.error_code == "INVALID_PARAMETER_VALUE":
                    problem = f'MLflow takes no experiment "{shown}" ({_cause(error)})'
                    return SettingsError(_WHERE, problem, "name another experiment")
                # Another process may have made it meanwhile.
                there = client.get_experiment_by_name(name)
                if there is None:
                    raise
    except (Exception, SystemExit) as error:  # noqa: BLE001  # of MLflow, or of its database
        return _unreachable(_cause(error))
    if there.lifecycle_stage != "active":
        problem = f'the experiment "{shown}" is deleted'
        hint = f"restore it (mlflow experiments restore -x {there.experiment_id}), or name another"
        return SettingsError(_WHERE, problem, hint)
    return Experiment(client, there.experiment_id, name)


def _unreachable(why: str) -> SettingsError:
    import mlflow

    problem = f"MLflow at {_struck(mlflow.get_tracking_uri())} cannot be used ({why})"
    hint = "start the tracking server, or name another with MLFLOW_TRACKING_URI"
    return SettingsError(_WHERE, problem, hint)


def _cause(error: BaseException) -> str:
    """Say why MLflow failed: the operating system's reason where there is one."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError) and link.strerror:
            return link.strerror
        link = link.__cause__ or link.__context__
    return one_line(f"{type(error).__name__}: {_struck(str(error))}", 200).removesuffix(":")


def _struck(text: str) -> str:
    """Return a text without the password that the address of MLflow may have."""
    import mlflow

    return secrets_of({}, {"": mlflow.get_tracking_uri()}).strike(text)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _chunks(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (values[start : start + size] for start in range(0, len(values), size))


@contextlib.contextmanager
def _quiet(bounds: Mapping[str, str]) -> Iterator[None]:
    """Bound MLflow's retries, and let it tell nobody, neither its makers nor the terminal."""
    before = dict(os.environ)
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic", "urllib3.connectionpool")]
    levels = [logger.level for logger in loggers]
    os.environ.update({key: value for key, value in bounds.items() if key not in before})
    os.environ.update(_UNTRACKED)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        for key in (*bounds, *_UNTRACKED):
            if key in before:
                os.environ[key] = before[key]
            else:
                os.environ.pop(key, None)
