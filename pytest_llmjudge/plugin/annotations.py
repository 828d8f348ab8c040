"""Prints annotations of what failed, at the end of a run, for GitHub Actions to take up."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.kinds.base import JUDGE_CHECK
from pytest_llmjudge.paths import real_path
from pytest_llmjudge.plugin.collect import is_records_name
from pytest_llmjudge.plugin.reports import ATTRIBUTE
from pytest_llmjudge.plugin.setup import UNDECIDED
from pytest_llmjudge.reporting.annotations import Failure, annotation_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

__all__ = ["AnnotationHooks"]


class AnnotationHooks:
    """Notes what fails, in the process that owns the terminal.

    Args:
        config: pytest's own.
        suites: Returns what is known of each suite, by name.
    """

    def __init__(
        self, config: pytest.Config, suites: Callable[[], Mapping[str, Mapping[str, Any]]]
    ) -> None:
        self._config = config
        self._suites = suites
        self._failed: dict[str, pytest.TestReport] = {}
        self._doubts: list[tuple[pytest.TestReport, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure, the first one of an item says most, and a gate that passed in doubt."""
        payload = getattr(report, ATTRIBUTE, {})
        if payload.get("cause") is not None and report.passed:
            self._doubts.append((report, payload["reason"]))
        if report.failed:
            self._failed.setdefault(report.nodeid, report)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None, None, None]:
        """Print after all else, so that no other text stands on these lines."""
        yield
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            for line in annotation_lines(self._failures()):
                reporter.line(line)

    def _failures(self) -> list[Failure]:
        """Return what failed of suites, and what passed in doubt, gates first."""
        suites = self._suites() if self._failed else {}
        unfit = {name for name in suites if f"{name}[{JUDGE_CHECK}]" in self._failed}
        gates: list[Failure] = []
        others: list[Failure] = []
        for nodeid, report in self._failed.items():
            name = next((name for name in suites if nodeid.startswith(f"{name}[")), None)
            if name is None:
                continue
            item = nodeid[len(name) + 1 : -1]
            # Where the judge is not fit, all else only points to that, or says the same.
            if item != JUDGE_CHECK and _message(report).endswith(UNDECIDED):
                if name not in unfit:
                    unfit.add(name)
                    gates.append(self._failure(name, report))
            elif name not in unfit or item == JUDGE_CHECK:
                (gates if item in suites[name]["due"] else others).append(
                    self._failure(nodeid, report)
                )
        doubts = (
            self._failure(report.nodeid, report)._replace(message=reason, level="warning")
            for report, reason in self._doubts
        )
        return [*gates, *doubts, *others]

    def _failure(self, nodeid: str, report: pytest.TestReport) -> Failure:
        path, _, title = nodeid.partition("::")
        place, line, _ = report.location
        if is_records_name(path):
            # Its function stands in no file of the user's.
            place, line = path, 0
        number = None if line is None else line + 1
        return Failure(title, _message(report), self._from_repository(place), number)

    def _from_repository(self, place: str) -> str:
        path = real_path(self._config.rootpath / place)
        root = real_path(Path(os.environ.get("GITHUB_WORKSPACE") or self._config.rootpath))
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _message(report: pytest.TestReport) -> str:
    """Return why an item failed, without the source text that pytest shows."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = report.longreprtext if crash is None else crash.message
    return str(text).removeprefix("Failed: ").strip()
