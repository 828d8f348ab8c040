"""What the reports of all processes say of the suites, gathered into one result."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import (
    CheckpointReference,
    GateResult,
    JudgeIdentity,
    Record,
    RecordResult,
    RunResult,
    SuiteResult,
)
from pytest_llmjudge.errors import RecordsError
from pytest_llmjudge.plugin.cases import GATES
from pytest_llmjudge.plugin.reports import ATTRIBUTE
from pytest_llmjudge.records import draw_sample, load_records
from pytest_llmjudge.stats import mean
from pytest_llmjudge.suites import Suite, file_digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

__all__ = ["Ledger"]

_SCORE = 3
_CRASHED = "the process that ran it crashed"


@dataclass(slots=True)
class _Page:
    rows: dict[int, list[Any]] = field(default_factory=dict)
    rows_of_gates: dict[int, list[Any]] = field(default_factory=dict)
    gates: dict[str, GateResult] = field(default_factory=dict)


class Ledger:
    """Gathers what reports carry; kept by the process that owns the terminal."""

    def __init__(self) -> None:
        self._pages: dict[str, _Page] = {}
        self._crashed: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._pages)

    def add(self, report: pytest.TestReport) -> None:
        """Take note of one report; a later one on the same item wins."""
        payload = getattr(report, ATTRIBUTE, None)
        if payload is None:
            if report.failed and report.when not in {"setup", "call", "teardown"}:
                self._crashed.add(report.nodeid)
            return
        page = self._pages.setdefault(payload["suite"], _Page())
        rows = page.rows if payload["gate"] is None else page.rows_of_gates
        for row in payload["rows"]:
            rows[row[0]] = row
        if payload["gate"] is not None:
            name, outcome, reason = payload["gate"]
            page.gates[name] = GateResult(name, outcome, reason)

    def result(
        self,
        created: str,
        facts: Mapping[str, dict[str, Any]],
        suites: Mapping[str, Suite],
        *,
        whole: bool,
    ) -> tuple[RunResult, tuple[RecordsError, ...]]:
        """Return what became of the run, and which suites cannot be told of.

        Args:
            created: When, in ISO 8601.
            facts: What the processes told of each suite, by name.
            suites: Those this process has read, by name.
            whole: Read the records, and list those that were not run too.

        Returns:
            The result, and an error for each suite whose records file changed while the run was
            going on: its rows belong to records that are gone.
        """
        results, problems = [], []
        for name, meta in facts.items():
            try:
                results.append(self._suite_result(name, meta, suites.get(name), whole=whole))
            except RecordsError as error:  # noqa: PERF203  # each suite stands or falls alone
                problems.append(error)
        return RunResult(created, tuple(results)), tuple(problems)

    def _suite_result(
        self, name: str, meta: dict[str, Any], suite: Suite | None, *, whole: bool
    ) -> SuiteResult:
        page = self._page(name)
        records: Sequence[Record] = ()
        if whole:
            records = suite.records if suite is not None else _records(meta)
            for index, record in enumerate(records):
                if index not in page.rows and self._has_crashed(name, record.id):
                    page.rows[index] = [index, record.id, None, None, None, _CRASHED, "error"]
        return _suite_result(name, page, meta, records, whole=whole)

    def _page(self, name: str) -> _Page:
        page = self._pages.get(name, _Page())
        rows = {**page.rows_of_gates, **page.rows}
        for index, row in rows.items():
            seen = page.rows_of_gates.get(index, row)
            if row[_SCORE] is None and seen[_SCORE] is not None:
                # A gate that was run again may have had what the record's own item had not.
                rows[index] = [*seen[:-1], row[-1]]
            if self._has_crashed(name, row[1]):
                rows[index] = [*rows[index][:-1], "error"]
        gates = dict(page.gates)
        for gate in GATES:
            if self._has_crashed(name, gate):
                gates[gate] = GateResult(gate, "error", _CRASHED)
        return _Page(rows=rows, gates=gates)

    def _has_crashed(self, suite: str, item: str) -> bool:
        # pytest writes what is not ASCII in an id as escapes, unless an ini option forbids it.
        escaped = item.encode("unicode_escape").decode("ascii")
        return not self._crashed.isdisjoint({f"{suite}[{item}]", f"{suite}[{escaped}]"})


def _suite_result(
    name: str, page: _Page, meta: dict[str, Any], records: Sequence[Record], *, whole: bool
) -> SuiteResult:
    rows = page.rows
    if whole:
        unknown = [None, None, None, "it was not run", "not run"]
        results = [
            RecordResult(record, *rows[index][2:] if index in rows else unknown)
            for index, record in enumerate(records)
        ]
    else:
        results = [
            RecordResult(Record(row[1], "", "", "", {}), *row[2:])
            for _, row in sorted(rows.items())
        ]
    judge = dict(meta["judge"])
    label = judge.pop("label")
    gates = tuple(page.gates.values())
    return SuiteResult(
        name=name,
        path=meta["path"],
        checkpoint=CheckpointReference(*meta["checkpoint"]) if meta["checkpoint"] else None,
        judge=JudgeIdentity(**judge),
        judge_label=label,
        total=meta["total"],
        records=tuple(results),
        gates=gates,
        min_score=meta["min_score"],
        min_average=meta["min_average"],
        outcome=_outcome(meta, results, gates),
    )


def _outcome(
    meta: dict[str, Any], results: Sequence[RecordResult], gates: Sequence[GateResult]
) -> str:
    scores = [result.score for result in results if result.score is not None]
    if len(scores) < meta["total"]:
        return "incomplete"
    outcomes = {result.outcome for result in results} | {gate.outcome for gate in gates}
    # A suite whose gate was deselected is still worth no more than its average.
    average = mean(scores)
    low = meta["min_average"] is not None and average is not None and average < meta["min_average"]
    return "failed" if low or outcomes - {"passed"} else "passed"


def _records(meta: dict[str, Any]) -> Sequence[Record]:
    path = Path(meta["path"])
    if file_digest(path) != meta["digest"]:
        todo = "run again; the verdicts are kept in the cache"
        raise RecordsError(path.name, "it changed while the run was going on", todo)
    return draw_sample(load_records(path, response_field=meta["responses"]), meta["sample"])
