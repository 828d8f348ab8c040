"""Marked functions and records files become items: samples, and the gates before and after them."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.errors import LlmJudgeError, PeopleFileError, SettingsError, storable
from pytest_llmjudge.kinds import all_kinds
from pytest_llmjudge.kinds.markers import MARKERS
from pytest_llmjudge.plugin.cases import FIXTURE, Case, case_of
from pytest_llmjudge.plugin.options import files_patterns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_llmjudge.kinds.base import Suite
    from pytest_llmjudge.plugin.session import LlmSession
    from pytest_llmjudge.settings import Settings

__all__ = [
    "RecordsFile",
    "SuiteProblem",
    "UsageHooks",
    "is_records_file",
    "is_records_name",
    "mark_usage_problem",
    "parametrize",
    "prepare",
    "refuse_records_file",
    "report_usage_problem",
]

_TEXTS = (".json", ".jsonl", ".ndjson", ".csv", ".tsv")
_SUFFIXES = (*_TEXTS, ".parquet", *(text + packed for text in _TEXTS for packed in (".gz", ".zst")))
_OF_SAMPLES = {fixture.name for marker in MARKERS for fixture in marker.fixtures}
"""Fixtures that a gate has no value for."""


class SuiteProblem(pytest.Collector.CollectError):
    """A suite that cannot be collected; ``usage`` marks what ends the run with status 4."""

    def __init__(self, error: LlmJudgeError, *, usage: bool) -> None:
        super().__init__(str(error))
        self.lines = error.lines
        self.usage = usage


def parametrize(metafunc: pytest.Metafunc, session: LlmSession) -> None:
    """Turn a marked function into its suite's items.

    Raises:
        SuiteProblem: The marker or the data that it names cannot be used.
    """
    function = metafunc.definition
    markers = [name for name, *_ in MARKERS if function.get_closest_marker(name) is not None]
    if not markers:
        return
    try:
        suite = _suite(function, markers, session.settings)
    except (SettingsError, PeopleFileError) as error:
        raise SuiteProblem(error, usage=True) from None
    except LlmJudgeError as error:
        named = function.getparent(RecordsFile)
        usage = named is not None and named.session.isinitpath(named.path)
        raise SuiteProblem(error, usage=usage) from None
    session.suites[suite.name] = suite
    before, after = suite.gates(session.settings)
    cases = [
        *(Case(suite, gate) for gate in before),
        *(Case(suite, sample, place) for place, sample in enumerate(suite.samples)),
        *(Case(suite, gate) for gate in after),
    ]
    # pytest checks that the function takes the argument; its fixture is put first in prepare().
    metafunc.fixturenames.append(FIXTURE)
    metafunc.parametrize(FIXTURE, cases, indirect=True, ids=[case.id for case in cases])


def _suite(function: pytest.Function, markers: Sequence[str], settings: Settings) -> Suite[Any]:
    where, name = function.nodeid, markers[0]
    if sum(mark.name == name for mark in function.own_markers) > 1:
        hint = "write one marked function for each"
        raise SettingsError(where, f"it has several {name} markers", hint)
    if len(markers) > 1:
        problem = f"{name} and {markers[1]} stand together"
        raise SettingsError(where, problem, "mark a function with each")
    if function.get_closest_marker("parametrize") is not None:
        hint = "write one marked function for each variant"
        raise SettingsError(where, f"{name} and parametrize stand together", hint)
    (kind,) = (kind for kind in all_kinds() if kind.marker == name)
    marker = function.get_closest_marker(name)
    assert marker is not None  # noqa: S101  # it makes the function a suite
    from pytest_llmjudge.kinds.base import Marked

    marked = Marked(where, marker.args, marker.kwargs, function.path.parent)
    return kind.load(marked, settings)


def prepare(item: pytest.Item, session: LlmSession | None) -> None:
    """Skip a marked item without ``--llm-judge``; else let it begin with our own fixture."""
    if session is None:
        if any(item.get_closest_marker(name) is not None for name, *_ in MARKERS):
            item.add_marker(pytest.mark.skip(reason="needs --llm-judge"))
        return
    case = case_of(item)
    if case is None or not isinstance(item, pytest.Function):
        return
    from pytest_llmjudge.kinds.base import BASELINE

    session.collected.add(case.suite.name)
    if case.is_gate and case.id == BASELINE:
        session.gated.add(case.suite.name)
    if case.is_gate:
        # A gate does not call the body, so what the body asks for is not set up.
        info = item._fixtureinfo  # noqa: SLF001  # pytest has no public way to ask
        own = {*info.argnames, *_OF_SAMPLES}
        item.fixturenames = [FIXTURE, *(name for name in info.initialnames if name not in own)]
    elif FIXTURE not in item.fixturenames:
        item.fixturenames.insert(0, FIXTURE)


class RecordsFile(pytest.Module):
    """A records file collected as if it were a module with one marked function."""

    def istestfunction(self, obj: object, name: str) -> bool:  # noqa: ARG002  # pytest's signature
        """Take the function whatever ``python_functions`` says."""
        return name == "test_instructions"

    def _getobj(self) -> types.ModuleType:
        @pytest.mark.llm_judge(self.path.name)
        def test_instructions(verdict: object) -> None:
            """Score every record of the file."""

        module = types.ModuleType(self.path.stem)
        module.__file__ = str(self.path)
        module.test_instructions = test_instructions  # type: ignore[attr-defined]
        return module


def is_records_name(name: str) -> bool:
    """Say whether a file has the name of a records file."""
    return name.lower().endswith(_SUFFIXES)


def is_records_file(path: Path, parent: pytest.Collector) -> bool:
    """Say whether ``path`` is named on the command line, or matched by ``llm_judge_files``.

    Pytest calls what nobody collects "not found", and passes over it where a pattern names it.

    Raises:
        SuiteProblem: It is, and pytest's own files cannot hold its name.
    """
    if not is_records_name(path.name):
        return False
    patterns = files_patterns(parent.config)
    if not parent.session.isinitpath(path) and not any(map(path.match, filter(None, patterns))):
        return False
    name = storable(path.name)
    if name != path.name:
        raise SuiteProblem(SettingsError(name, "its name is no UTF-8", "rename it"), usage=True)
    return True


def refuse_records_file(path: Path, parent: pytest.Collector) -> None:
    """Tell who names a records file without ``--llm-judge`` what is missing.

    Raises:
        SuiteProblem: ``path`` is named on the command line and looks like a records file.
    """
    if is_records_name(path.name) and parent.session.isinitpath(path):
        hint = "add --llm-judge to judge its records"
        raise SuiteProblem(SettingsError(path.name, "it is a records file", hint), usage=True)


def report_usage_problem(config: pytest.Config, error: LlmJudgeError) -> None:
    """End the run with status 4, from whichever process finds that it cannot go on.

    Raises:
        pytest.UsageError: In the process that owns the terminal; a worker sends word to it.
    """
    report = pytest.CollectReport("llm-judge", "failed", str(error), [])
    report.llm_judge_usage = list(error.lines)  # type: ignore[attr-defined]
    config.hook.pytest_collectreport(report=report)


def mark_usage_problem(report: pytest.CollectReport) -> None:
    """Write on a failed report what the user has to know before the run ends."""
    call = getattr(report, "call", None)
    problem = call.excinfo.value if call is not None and call.excinfo is not None else None
    if isinstance(problem, SuiteProblem) and problem.usage:
        report.llm_judge_usage = list(problem.lines)  # type: ignore[attr-defined]


class UsageHooks:
    """Ends the run, where the terminal is, over a suite that cannot be used."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Raise what a report, perhaps a worker's, says about the use of the plugin.

        A file is collected while its folder is, and the folder's collection catches what is
        raised: so it is raised again with every later report.
        """
        self._lines += getattr(report, "llm_judge_usage", [])
        if self._lines:
            raise pytest.UsageError(*self._lines)
