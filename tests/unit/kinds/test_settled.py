"""What a record's own item and the gates know of it, joined when the run is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.kinds.base import Gathered, SampleReport
from pytest_llmjudge.kinds.records import settled

if TYPE_CHECKING:
    from collections.abc import Mapping

SCORED = {"score": 80, "error": None}
UNSCORED = {"score": None, "error": "llama3: it wrote no score; ask again"}


def decide(row: Mapping[str, Any]) -> str:
    return "error" if row.get("score") is None else "passed"


def settle(report: SampleReport, fault: str | None = None) -> dict[str, Any]:
    """Return what becomes of the one record that anything is known of."""
    gathered = Gathered("test_a.py::test_a", {}, {"r0": report}, (), lambda _: fault)
    ((record, row),) = settled(
        gathered, None, whole=False, measure="score", decide=decide, read=lambda _: ()
    )
    assert record.id == "r0"
    return row


def reported(own: dict[str, Any] | None, outcome: str | None, **more: Any) -> SampleReport:  # noqa: ANN401
    return SampleReport("r0", own, is_reported=True, outcome=outcome, **more)


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (reported(SCORED, "failed"), {**SCORED, "outcome": "failed"}),
        (reported(SCORED, None), {**SCORED, "outcome": "passed"}),
        (reported(UNSCORED, "error"), {**UNSCORED, "outcome": "error"}),
        (
            reported(None, "error", reason="no fixture"),
            {"error": "no fixture", "cause": "rig", "outcome": "error"},
        ),
        (SampleReport("r0", of_gate=SCORED), {**SCORED, "outcome": "not run"}),
        (SampleReport("r0", of_gate=SCORED, is_skipped=True), {**SCORED, "outcome": "passed"}),
        (
            reported(SCORED, "failed", note="it passed"),
            {**SCORED, "error": "it passed", "outcome": "failed"},
        ),
    ],
    ids=["own", "spared", "unscored", "no-setup", "gate-alone", "skipped", "unexpected-pass"],
)
def test_what_is_known_of_a_record(report: SampleReport, expected: dict[str, Any]) -> None:
    """Its own item decides its outcome; without one the row does."""
    assert settle(report) == expected


def test_a_score_that_only_a_gate_had() -> None:
    """A rerun of the gate may have had it; the record's item erred all the same."""
    report = SampleReport("r0", UNSCORED, SCORED, is_reported=True, outcome="error")

    assert settle(report) == {**SCORED, "outcome": "error"}


@pytest.mark.parametrize(
    ("report", "outcome", "error"),
    [
        (reported(SCORED, "passed"), "error", "its teardown failed"),
        (reported(SCORED, "failed"), "failed", "its teardown failed"),
        (reported(UNSCORED, "error"), "error", UNSCORED["error"]),
        (SampleReport("r0", of_gate=SCORED), "error", None),
    ],
    ids=["passed", "failed", "unscored", "gate-alone"],
)
def test_an_item_that_broke(report: SampleReport, outcome: str, error: str | None) -> None:
    """What broke an item takes its pass away, and is said where nothing else is."""
    row = settle(report, "its teardown failed")

    assert (row["outcome"], row["error"]) == (outcome, error)
