"""Gives the results of a run to MLflow and to the hook, when all is decided and written."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import LlmJudgeError, SettingsError, one_line
from pytest_llmjudge.pipeline.models import shown_from
from pytest_llmjudge.plugin.hookspecs import pytest_llm_judge_results
from pytest_llmjudge.storage.results import check_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pytest

    from pytest_llmjudge.plugin.session import LlmSession
    from pytest_llmjudge.tracking.mlflow import Experiment

__all__ = ["Elsewhere", "not_made"]

_HOOK = pytest_llm_judge_results.__name__


class Elsewhere:
    """Where results go beside files, in the process that owns the terminal.

    Args:
        session: Of that process.

    Attributes:
        places: Where they are kept now, for people, by what keeps them.
    """

    def __init__(self, session: LlmSession) -> None:
        self._session = session
        self._experiment: Experiment | None = None
        self.places: dict[str, str] = {}

    @property
    def is_wanted(self) -> bool:
        """Whether there is anybody to give them to."""
        return self._session.settings.mlflow is not None or self._has_hooks

    @property
    def _has_hooks(self) -> bool:
        return bool(self._session.config.hook.pytest_llm_judge_results.get_hookimpls())

    def open(self) -> None:
        """Prove that MLflow takes a run, where one goes there, before any work is done.

        Raises:
            SettingsError: It does not.
        """
        if self._session.settings.mlflow is not None:
            from pytest_llmjudge.tracking.mlflow import open_experiment

            self._experiment = open_experiment(self._session.settings.mlflow)

    def give(
        self, results: dict[str, Any], page: Callable[[], str], files: Mapping[str, Path]
    ) -> Iterator[str]:
        """Give results to all, and yield what went wrong, a line each.

        Args:
            results: As the results file has them.
            page: Makes the HTML page.
            files: That were written, by what they hold.

        Raises:
            StoreError: A judge or model of the user's own gave what no results file holds.
        """
        if "results" not in files:
            check_document("results", results)
        if self._experiment is not None:
            yield from self._log(self._experiment, results, page)
        if self._has_hooks:
            yield from self._call(results, files)

    def _log(
        self, experiment: Experiment, results: dict[str, Any], page: Callable[[], str]
    ) -> Iterator[str]:
        from pytest_llmjudge.tracking.options import deciding_options

        settings, shown = self._session.settings, self._session.resources.models.shown_path
        text = None
        try:
            text = page()
        except Exception as error:  # noqa: BLE001  # whatever it is, the rest is given
            yield str(not_made("page for MLflow", error))
        try:
            self.places["mlflow"] = experiment.log(results, deciding_options(settings, shown), text)
        except LlmJudgeError as error:
            yield from error.lines

    def _call(self, results: dict[str, Any], files: Mapping[str, Path]) -> tuple[str, ...]:
        config = self._session.config
        try:
            config.hook.pytest_llm_judge_results(config=config, results=results, files=dict(files))
        except BaseException as error:  # noqa: BLE001  # pytest's outcomes and Ctrl-C are no Exceptions
            return _failed(config, error).lines
        return ()


def not_made(name: str, error: Exception) -> SettingsError:
    """Return what is wrong with a file whose content could not be made.

    Args:
        name: What it is.
        error: Why.
    """
    problem = f"it could not be made ({type(error).__name__}: {one_line(str(error), 200)})"
    return SettingsError(name, problem, "report it as a bug; all verdicts are kept in the cache")


def _failed(config: pytest.Config, error: BaseException) -> SettingsError:
    """Return what is wrong with an implementation of the hook, and where it stands."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if one.name == _HOOK]
    where = _HOOK
    if frames:
        path = shown_from(config.rootpath, Path(frames[-1].filename))
        where = f"{path}:{frames[-1].lineno}: {_HOOK}"
    cause = one_line(f"{type(error).__name__}: {error}", 200).removesuffix(":")
    hint = "correct it; what was written stays, and all verdicts are kept in the cache"
    return SettingsError(where, f"this hook failed ({cause})", hint)
