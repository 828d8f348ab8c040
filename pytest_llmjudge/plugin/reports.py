"""Verdicts travel on pytest's own reports, as plain data that survives xdist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_llmjudge.gates import decide_record
from pytest_llmjudge.plugin.cases import READY, Case, Ready, case_of

if TYPE_CHECKING:
    import pytest

    from pytest_llmjudge.data import Record
    from pytest_llmjudge.pipeline import Outcome, SuiteRun
    from pytest_llmjudge.plugin.session import LlmSession
    from pytest_llmjudge.suites import Suite

__all__ = ["ATTRIBUTE", "Courier"]

ATTRIBUTE = "llm_judge"


class Courier:
    """Puts what a process knows of an item on the item's report."""

    def __init__(self, session: LlmSession) -> None:
        self._session = session
        self._told: set[str] = set()

    def attach(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Add the item's verdict to the report that ends its deciding phase."""
        case = case_of(item)
        if case is None or not (
            report.when == "call" or (report.when == "setup" and report.failed)
        ):
            return
        ready = item.stash.get(READY, None)
        payload: dict[str, Any] = {"suite": case.suite.name, "meta": None, "gate": None, "rows": []}
        if ready is not None and case.suite.name not in self._told:
            self._told.add(case.suite.name)
            payload["meta"] = self._meta(ready.run)
        if case.record is None:
            payload["gate"] = [case.gate, _outcome(report), _reason(ready, report)]
            payload["rows"] = self._rows_of_gate(case, ready)
        else:
            payload["rows"] = [self._row(case, case.record, ready, report)]
        setattr(report, ATTRIBUTE, payload)

    def _row(
        self, case: Case, record: Record, ready: Ready | None, report: pytest.TestReport
    ) -> list[Any]:
        outcome = ready.outcome if ready is not None else None
        problem = _first_line(report) if outcome is None else ""
        return _row(case.index, record, outcome, _outcome(report), problem)

    def _rows_of_gate(self, case: Case, ready: Ready | None) -> list[list[Any]]:
        """Tell of the records that have no item in this run, which only the gate knows."""
        if ready is None or ready.decision is None:
            return []
        selected = self._session.selected[case.suite.name]
        rows = []
        for index, record in enumerate(case.suite.records):
            if index not in selected:
                outcome = ready.run.outcome(record)
                rows.append(_row(index, record, outcome, _verdict_outcome(case.suite, outcome), ""))
        return rows

    def _meta(self, run: SuiteRun) -> dict[str, Any]:
        suite = run.suite
        return {
            "path": str(suite.path),
            "digest": suite.digest,
            "responses": suite.settings.responses,
            "sample": suite.settings.sample,
            "total": len(suite.records),
            "min_score": suite.settings.min_score,
            "min_average": suite.settings.min_average,
            "checkpoint": self._session.checkpoint_of(run),
            "judge": self._session.judge_of(run),
        }


def _row(
    index: int, record: Record, outcome: Outcome | None, result: str, problem: str
) -> list[Any]:
    if outcome is None:
        return [index, record.id, None, None, None, problem, "error"]
    verdict = outcome.verdict
    asked = None if outcome.response is None else verdict.reply
    return [index, record.id, outcome.response, verdict.score, asked, verdict.error, result]


def _verdict_outcome(suite: Suite, outcome: Outcome) -> str:
    if outcome.verdict.score is None:
        return "error"
    decision = decide_record(outcome.verdict.score, suite.settings.min_score)
    return "passed" if decision.passed else "failed"


def _outcome(report: pytest.TestReport) -> str:
    if report.failed:
        return "error" if report.when == "setup" else "failed"
    return "passed"


def _reason(ready: Ready | None, report: pytest.TestReport) -> str:
    if ready is not None and ready.decision is not None:
        return ready.decision.reason
    return _first_line(report)


def _first_line(report: pytest.TestReport) -> str:
    return report.longreprtext.strip().partition("\n")[0]
