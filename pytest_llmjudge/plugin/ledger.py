"""What the reports of all processes say of the suites, gathered into one result."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import (
    CheckpointReference,
    GateResult,
    JudgeCheck,
    JudgeIdentity,
    Record,
    RecordResult,
    RunResult,
    SuiteResult,
)
from pytest_llmjudge.errors import RecordsError
from pytest_llmjudge.gates import TEARDOWN_FAILED, whole_outcome
from pytest_llmjudge.plugin.cases import GATES
from pytest_llmjudge.plugin.pair_ledger import preference_result
from pytest_llmjudge.plugin.pair_reports import PairRow
from pytest_llmjudge.plugin.reports import ATTRIBUTE, Row, comparison_from_plain
from pytest_llmjudge.records import draw_sample, load_records
from pytest_llmjudge.stats import mean
from pytest_llmjudge.suites import file_digest
from pytest_llmjudge.win_rate import with_agreement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

    from pytest_llmjudge.data import Comparison, PreferenceResult
    from pytest_llmjudge.suites import Suite

__all__ = ["NOT_RUN", "Ledger", "broken", "with_break"]

_CRASHED = "the process that ran it crashed"
NOT_RUN = "it was not run"


@dataclass(slots=True)
class _Page:
    rows: dict[int, Row | PairRow] = field(default_factory=dict)
    rows_of_gates: dict[int, Row | PairRow] = field(default_factory=dict)
    gates: dict[str, GateResult] = field(default_factory=dict)
    comparison: Comparison | None = None


class Ledger:
    """Gathers what reports carry; kept by the process that owns the terminal."""

    def __init__(self) -> None:
        self._pages: dict[str, _Page] = {}
        self._broken: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._pages)

    def add(self, report: pytest.TestReport) -> None:
        """Take note of one report; a later one on the same item wins."""
        payload = getattr(report, ATTRIBUTE, None)
        if payload is None:
            reason = broken(report)
            if reason is not None:
                self._broken[report.nodeid] = reason
            return
        page = self._pages.setdefault(payload["suite"], _Page())
        rows = page.rows if payload["gate"] is None else page.rows_of_gates
        for values in payload["rows"]:
            row = PairRow(*values) if payload["pairs"] else Row(*values)
            rows[row.place] = row
        if payload["gate"] is not None:
            name, outcome, reason = payload["gate"]
            page.gates[name] = GateResult(name, outcome, reason)
        if "comparison" in payload:
            page.comparison = comparison_from_plain(payload["comparison"])

    def result(
        self,
        created: str,
        facts: Mapping[str, dict[str, Any]],
        suites: Mapping[str, Suite],
        *,
        whole: bool,
        checks: Mapping[str, dict[str, Any]],
        notes: tuple[str, ...],
        fault: str | None = None,
    ) -> tuple[RunResult, tuple[RecordsError, ...]]:
        """Return what became of the run, and which suites cannot be told of.

        Args:
            created: When, in ISO 8601.
            facts: What the processes told of each suite, by name.
            suites: Those this process has read, by name.
            whole: Read the records, and list those that were not run too.
            checks: What the judge made of known answers, by suite.
            notes: What was told of the run as a whole.
            fault: Why no verdict of this run counts, if none does.

        Returns:
            The result, and an error for each suite whose records file changed while the run was
            going on: its rows belong to records that are gone.
        """
        results: list[SuiteResult] = []
        pairs: list[PreferenceResult] = []
        problems = []
        for name, meta in facts.items():
            try:
                records = _records(meta, suites.get(name)) if whole else None
            except RecordsError as error:
                # Each suite stands or falls alone.
                problems.append(error)
                continue
            kind = Row if meta["pairing"] is None else PairRow
            page = self._page(name, records or (), kind, meta["due"])
            if fault is not None:
                page = _without_scores(page, kind, fault)
            check = checks.get(name)
            if meta["pairing"] is not None:
                rows = {place: row for place, row in page.rows.items() if isinstance(row, PairRow)}
                gates = tuple(page.gates.values())
                found = preference_result(
                    name, meta, rows=rows, gates=gates, records=records, check=check
                )
                pairs.append(found)
            else:
                judged = None if check is None else JudgeCheck(**check)
                results.append(replace(_suite_result(name, page, meta, records), check=judged))
        run = RunResult(created, tuple(results), notes, preferences=with_agreement(pairs))
        return run, tuple(problems)

    def _page(
        self,
        name: str,
        records: Sequence[Record],
        kind: type[Row] | type[PairRow],
        due: Sequence[str],
    ) -> _Page:
        page = self._pages.get(name, _Page())
        rows = {**page.rows_of_gates, **page.rows}
        for index, row in rows.items():
            seen = page.rows_of_gates.get(index, row)
            if row.is_unscored and not seen.is_unscored:
                # A gate that was run again may have had what the record's own item had not.
                rows[index] = seen._replace(outcome=row.outcome)
            reason = self._reason(name, row.id)
            own = page.rows.get(index)
            if reason and own is not None and not own.is_unscored:
                outcome = "failed" if own.outcome == "failed" else "error"
                told = "; ".join(filter(None, (own.error, reason)))
                rows[index] = own._replace(outcome=outcome, error=told)
            elif reason:
                rows[index] = rows[index]._replace(outcome="error")
        for index, record in enumerate(records):
            reason = self._reason(name, record.id)
            if index not in rows and reason:
                rows[index] = kind(index, record.id, error=reason, cause="rig")
        gates = dict(page.gates)
        for gate in GATES:
            reason = self._reason(name, gate)
            if reason:
                gates[gate] = with_break(gates.get(gate), gate, reason)
        for gate in due:
            gates.setdefault(gate, GateResult(gate, "not run", NOT_RUN))
        return _Page(rows=rows, gates=gates, comparison=page.comparison)

    def _reason(self, suite: str, item: str) -> str | None:
        """Say why an item has no proper end; ``None`` for one that has."""
        # pytest writes what is not ASCII in an id as escapes, unless an ini option forbids it.
        escaped = item.encode("unicode_escape").decode("ascii")
        names = f"{suite}[{item}]", f"{suite}[{escaped}]"
        return next((self._broken[name] for name in names if name in self._broken), None)


def _without_scores(page: _Page, kind: type[Row] | type[PairRow], fault: str) -> _Page:
    """Return a page whose verdicts do not count: nobody knows whose some of them are."""
    rows = {
        place: kind(place, row.id, error=fault, cause="rig") for place, row in page.rows.items()
    }
    gates = {
        name: GateResult(name, "error", fault) if gate.outcome == "passed" else gate
        for name, gate in page.gates.items()
    }
    return _Page(rows=rows, gates=gates)


def broken(report: pytest.TestReport) -> str | None:
    """Say how an item broke beside its own decision; ``None`` for one that did not."""
    if not report.failed or report.when in {"setup", "call"}:
        return None
    return TEARDOWN_FAILED if report.when == "teardown" else _CRASHED


def with_break(found: GateResult | None, name: str, reason: str) -> GateResult:
    """Return a gate that broke beside its own decision, and what that was.

    Args:
        found: Its decision; ``None`` when it came to none.
        name: The gate's.
        reason: How it broke.
    """
    if found is None:
        return GateResult(name, "error", reason)
    outcome = "failed" if found.outcome == "failed" else "error"
    return GateResult(name, outcome, f"{found.reason}; {reason}")


def _suite_result(
    name: str, page: _Page, meta: dict[str, Any], records: Sequence[Record] | None
) -> SuiteResult:
    rows = {place: row for place, row in page.rows.items() if isinstance(row, Row)}
    if records is not None:
        results = [
            _record_result(record, rows[index])
            if index in rows
            else RecordResult(record, None, None, None, NOT_RUN, "not run")
            for index, record in enumerate(records)
        ]
    else:
        results = [
            _record_result(Record(row.id, "", "", "", {}), row) for _, row in sorted(rows.items())
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
        comparison=page.comparison,
        responses=meta["responses"],
    )


def _record_result(record: Record, row: Row) -> RecordResult:
    found = row._asdict()
    for name in ("place", "id"):
        del found[name]
    return RecordResult(record, **{**found, "samples": tuple(row.samples)})


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
    return whole_outcome(outcomes, low=low)


def _records(meta: dict[str, Any], suite: Suite | None) -> Sequence[Record]:
    if suite is not None:
        return suite.records
    path = Path(meta["path"])
    if file_digest(path) != meta["digest"]:
        todo = "run again; the verdicts are kept in the cache"
        raise RecordsError(path.name, "it changed while the run was going on", todo)
    field = None if meta["pairing"] is None else meta["pairing"]["field"]
    records = load_records(path, response_field=meta["responses"], against_field=field)
    return draw_sample(records, meta["sample"])
