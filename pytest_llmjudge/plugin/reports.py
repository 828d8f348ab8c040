"""Verdicts travel on pytest's own reports, as plain data that survives xdist."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_llmjudge.data import Comparison, Flip
from pytest_llmjudge.gates import XPASSED, decide_record
from pytest_llmjudge.plugin.cases import JUDGE_CHECK, READY, Case, PairReady, Ready, case_of
from pytest_llmjudge.plugin.pair_reports import PairRow, row_of_pair, rows_of_pairs
from pytest_llmjudge.prompts import clean_response

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from pytest_llmjudge.data import Record, Verdict
    from pytest_llmjudge.pipeline import Outcome
    from pytest_llmjudge.suites import Suite

__all__ = ["ATTRIBUTE", "Courier", "Row", "comparison_from_plain", "is_unexpected_pass"]

ATTRIBUTE = "llm_judge"


class Courier:
    """Puts what a process knows of an item on the item's report."""

    def attach(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Add the item's verdict to the report that ends its deciding phase."""
        case = case_of(item)
        decides = report.when == "call" or (report.when == "setup" and not report.passed)
        if case is None or not decides:
            return
        ready = item.stash.get(READY, None)
        payload: dict[str, Any] = {
            "suite": case.suite.name,
            "pairs": case.suite.pairing is not None,
            "gate": None,
            "rows": [],
        }
        if case.record is not None:
            if ready is None and report.skipped:
                return
            row = self._row(case, case.record, ready, report)
            if is_unexpected_pass(report):
                row = row._replace(error=XPASSED)
            payload["rows"] = [list(row)]
        else:
            outcome = _gate_outcome(ready, report)
            if outcome is None:
                return
            payload["gate"] = [case.gate, outcome, _reason(ready, report)]
            rows: Sequence[Row | PairRow]
            if isinstance(ready, PairReady):
                rows = rows_of_pairs(case, ready)
            else:
                rows = _rows_of_gate(case, ready)
                if ready is not None and ready.comparison is not None:
                    payload["comparison"] = asdict(ready.comparison)
            payload["rows"] = [list(row) for row in rows]
        setattr(report, ATTRIBUTE, payload)

    @staticmethod
    def _row(
        case: Case, record: Record, ready: Ready | PairReady | None, report: pytest.TestReport
    ) -> Row | PairRow:
        if case.suite.pairing is None:
            assert not isinstance(ready, PairReady)  # noqa: S101  # it has no pairs
            return _row_of_record(case, record, ready, report)
        assert not isinstance(ready, Ready)  # noqa: S101  # it has nothing else
        outcome = None if _is_spared(report) else _outcome(report)
        return row_of_pair(case, record, ready, outcome, _first_line(report))


def comparison_from_plain(plain: dict[str, Any]) -> Comparison:
    """Make a comparison of what xdist carried."""
    interval = plain["interval"]
    return Comparison(
        **{
            **plain,
            "interval": None if interval is None else tuple(interval),
            "flips": tuple(Flip(**flip) for flip in plain["flips"]),
        }
    )


def _gate_outcome(ready: Ready | PairReady | None, report: pytest.TestReport) -> str | None:
    """Say what a gate found; ``None`` when it was skipped before it could find anything."""
    if not _is_spared(report):
        return _outcome(report)
    if ready is None or ready.decision is None:
        return None
    return "passed" if ready.decision.passed else "failed"


def _is_spared(report: pytest.TestReport) -> bool:
    return report.skipped or hasattr(report, "wasxfail")


class Row(NamedTuple):
    """One record's line in a payload; its fields are those of a RecordResult."""

    place: int
    id: str
    model_response: str | None = None
    score: int | None = None
    reply: str | None = None
    error: str | None = None
    outcome: str = "error"
    cause: str | None = None
    samples: Sequence[int] = ()
    covered: float | None = None
    human_score: int | None = None

    @property
    def is_unscored(self) -> bool:
        """Whether there is no score."""
        return self.score is None


def _row_of_record(
    case: Case, record: Record, ready: Ready | None, report: pytest.TestReport
) -> Row:
    outcome = ready.outcome if ready is not None else None
    if outcome is None:
        return Row(case.index, record.id, error=_first_line(report), cause="rig")
    # A record that the user skips or expects to fail has the outcome of its score.
    result = _verdict_outcome(case.suite, outcome) if _is_spared(report) else _outcome(report)
    return _row(case.index, record, outcome, result)


def _rows_of_gate(case: Case, ready: Ready | None) -> list[Row]:
    """Tell of all records: some have no item in this run, or one that did not come to its end."""
    if ready is None or ready.decision is None or case.gate == JUDGE_CHECK:
        return []
    return [
        _row(index, record, outcome, _verdict_outcome(case.suite, outcome))
        for index, (record, outcome) in enumerate(ready.run.outcomes())
    ]


def _row(index: int, record: Record, outcome: Outcome[str, Verdict], result: str) -> Row:
    verdict = outcome.verdict
    cause = None
    if verdict.score is None:
        cause = "rig" if verdict.rig else "record"
    return Row(
        index,
        record.id,
        outcome.response,
        verdict.score,
        None if outcome.response is None else verdict.reply,
        verdict.error,
        result,
        cause,
        list(verdict.samples),
        verdict.covered,
        _human_score(record, outcome.response),
    )


def _human_score(record: Record, response: str | None) -> int | None:
    """What people gave this response; a score of another response says nothing of it."""
    scored = record.fields.get("model_response")
    if isinstance(scored, str) and clean_response(scored) != response:
        return None
    score = record.fields.get("human_score")
    return score if isinstance(score, int) else None


def _verdict_outcome(suite: Suite, outcome: Outcome[str, Verdict]) -> str:
    if outcome.verdict.score is None:
        return "error"
    decision = decide_record(outcome.verdict.score, suite.settings.min_score)
    return "passed" if decision.passed else "failed"


def _outcome(report: pytest.TestReport) -> str:
    if report.failed:
        return "error" if report.when == "setup" else "failed"
    return "passed"


def _reason(ready: Ready | PairReady | None, report: pytest.TestReport) -> str:
    if ready is None or ready.decision is None:
        return _first_line(report)
    more = f"; {XPASSED}" if is_unexpected_pass(report) else ""
    return f"{ready.decision.reason}{more}"


def is_unexpected_pass(report: pytest.TestReport) -> bool:
    """Say whether an item failed because a strict ``xfail`` expected that, and it passed."""
    told = report.longrepr
    return report.failed and isinstance(told, str) and told.startswith("[XPASS(strict)]")


def _first_line(report: pytest.TestReport) -> str:
    return report.longreprtext.strip().partition("\n")[0]
