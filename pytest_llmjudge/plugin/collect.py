"""Marked functions and records files become items: the judge's check, the records, the gates."""

from __future__ import annotations

import types
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.errors import LlmJudgeError, RecordsError, SettingsError
from pytest_llmjudge.plugin.cases import (
    AVERAGE,
    BASELINE,
    EXAM_FIXTURE,
    EXAM_MARKER,
    FIXTURE,
    JUDGE_CHECK,
    MARKER,
    PAIR_MARKER,
    WIN_RATE,
    Case,
    case_of,
    exam_case_of,
)
from pytest_llmjudge.plugin.options import files_patterns

if TYPE_CHECKING:
    from pytest_llmjudge.plugin.session import LlmSession
    from pytest_llmjudge.suites import Suite

__all__ = [
    "MARKER",
    "RecordsFile",
    "SuiteProblem",
    "UsageHooks",
    "gates_after",
    "is_records_file",
    "is_records_name",
    "mark_usage_problem",
    "parametrize",
    "prepare",
    "refuse_records_file",
    "report_usage_problem",
]

_SUFFIXES = (".json", ".jsonl", ".ndjson")
_OTHER_FORMATS = (".csv", ".tsv", ".parquet")
"""Refused with a reason where someone names them."""
_SEEN = pytest.StashKey[bool]()


class SuiteProblem(pytest.Collector.CollectError):
    """A suite that cannot be collected; ``usage`` marks what ends the run with status 4."""

    def __init__(self, error: LlmJudgeError, *, usage: bool) -> None:
        super().__init__(str(error))
        self.lines = error.lines
        self.usage = usage


def parametrize(metafunc: pytest.Metafunc, session: LlmSession) -> None:
    """Turn a marked function into its suite's items.

    Raises:
        SuiteProblem: The marker or its records file cannot be used.
    """
    marker = _marker(metafunc.definition)
    if marker is None:
        return
    try:
        suite = _suite(metafunc.definition, marker, session)
    except SettingsError as error:
        raise SuiteProblem(error, usage=True) from None
    except RecordsError as error:
        named = metafunc.definition.getparent(RecordsFile)
        usage = named is not None and named.session.isinitpath(named.path)
        raise SuiteProblem(error, usage=usage) from None
    session.suites[suite.name] = suite
    records = [Case(suite, record, index=index) for index, record in enumerate(suite.records)]
    people_decide = suite.pairing is not None and suite.pairing.votes is not None
    before = [] if session.settings.check == "off" or people_decide else [JUDGE_CHECK]
    after = gates_after(session) if suite.pairing is None else [WIN_RATE]
    cases = [
        *(Case(suite, None, gate=gate) for gate in before),
        *records,
        *(Case(suite, None, gate=gate) for gate in after),
    ]
    ids = [*before, *(record.id for record in suite.records), *after]
    kind = "judge" if suite.pairing is None else "preference"
    session.completeness.expect(suite.name, kind, len(ids))
    # pytest checks that the function takes the argument; its fixture is put first in prepare().
    metafunc.fixturenames.append(FIXTURE)
    metafunc.parametrize(FIXTURE, cases, indirect=True, ids=ids)


def gates_after(session: LlmSession) -> list[str]:
    """Name the gates that speak for a whole suite, in their order."""
    return [AVERAGE] if session.settings.baseline is None else [AVERAGE, BASELINE]


_EXAMPLES = {
    MARKER: 'llm_judge("records.json", min_average=50)',
    PAIR_MARKER: 'llm_compare("records.json", against="released.pth", min_win_rate=0.5)',
}
"""How a marker is written that makes a suite."""


def _marker(function: pytest.Item) -> pytest.Mark | None:
    """Return the marker that makes ``function`` a suite."""
    found = (function.get_closest_marker(name) for name in _EXAMPLES)
    return next((marker for marker in found if marker is not None), None)


def _suite(function: pytest.Function, marker: pytest.Mark, session: LlmSession) -> Suite:
    from pytest_llmjudge.suites import load_pairs, load_suite

    name, kind = function.nodeid, marker.name
    if sum(mark.name == kind for mark in function.own_markers) > 1:
        todo = "write one marked function for each"
        raise SettingsError(name, f"it has several {kind} markers", todo)
    if all(function.get_closest_marker(known) is not None for known in _EXAMPLES):
        found, todo = "llm_judge and llm_compare stand together", "mark a function with each"
        raise SettingsError(name, found, todo)
    if function.get_closest_marker("parametrize") is not None:
        todo = "write one marked function for each variant"
        raise SettingsError(name, f"{kind} and parametrize stand together", todo)
    if len(marker.args) != 1 or not isinstance(marker.args[0], (str, Path)):
        found = f"{kind} has {len(marker.args)} positional arguments"
        if len(marker.args) == 1:
            found = f"{kind} has {marker.args[0]!r} for a records file"
        todo = f"give it one records file, as in {_EXAMPLES[kind]}"
        raise SettingsError(name, found, todo)
    load = load_suite if kind == MARKER else load_pairs
    return load(name, str(marker.args[0]), marker.kwargs, function.path.parent, session.settings)


def prepare(item: pytest.Item, session: LlmSession | None) -> None:
    """Skip a marked item without ``--llm-judge``; else let it begin with our own fixture."""
    if session is None:
        markers = (MARKER, PAIR_MARKER, EXAM_MARKER)
        if any(item.get_closest_marker(name) is not None for name in markers):
            item.add_marker(pytest.mark.skip(reason="needs --llm-judge"))
        return
    if not isinstance(item, pytest.Function):
        return
    case, exam_case = case_of(item), exam_case_of(item)
    if case is not None:
        session.completeness.collected.add(case.suite.name)
        of_records = {"preference", "record", "response", "verdict"}
        _put_first(item, FIXTURE, of_records if case.record is None else None)
    elif exam_case is not None:
        session.completeness.collected.add(exam_case.exam.name)
        of_subjects = {"mmlu_result"}
        _put_first(item, EXAM_FIXTURE, of_subjects if exam_case.subject is None else None)


def _put_first(item: pytest.Function, fixture: str, not_of_gates: set[str] | None) -> None:
    """Set up our fixture before all others, and of a gate only those that are not the body's."""
    if not_of_gates is not None:
        # A gate does not call the body, so what the body asks for is not set up.
        info = item._fixtureinfo  # noqa: SLF001  # pytest has no public way to ask
        own = {*info.argnames, *not_of_gates}
        asked = [name for name in info.initialnames if name not in own]
        item.fixturenames = [fixture, *asked]
    elif fixture not in item.fixturenames:
        item.fixturenames.insert(0, fixture)


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
    """
    if not path.name.lower().endswith((*_SUFFIXES, *_OTHER_FORMATS)):
        return False
    if parent.session.isinitpath(path):
        return True
    return any(path.match(pattern) for pattern in files_patterns(parent.config) if pattern)


def refuse_records_file(path: Path, parent: pytest.Collector) -> None:
    """Tell who names a records file without ``--llm-judge`` what is missing.

    Raises:
        SuiteProblem: ``path`` is named on the command line and looks like a records file.
    """
    if is_records_name(path.name) and parent.session.isinitpath(path):
        todo = "add --llm-judge to judge its records"
        raise SuiteProblem(SettingsError(path.name, "it is a records file", todo), usage=True)


def report_usage_problem(config: pytest.Config, error: LlmJudgeError) -> None:
    """End the run with status 4, from whichever process finds that it cannot go on.

    Raises:
        pytest.UsageError: In the process that owns the terminal; a worker sends word to it.
    """
    report = pytest.CollectReport("llm-judge", "failed", str(error), [])
    report.llm_judge_usage = list(error.lines)  # type: ignore[attr-defined]
    config.hook.pytest_collectreport(report=report)


def mark_usage_problem(report: pytest.CollectReport) -> None:
    """Write on a failed report what the user is to be told before the run ends."""
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
