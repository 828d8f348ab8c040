"""What an item's report carries from a worker to the process that writes the results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from _pytest.skipping import xfailed_key

from pytest_llmjudge.decisions.gates import XPASSED
from pytest_llmjudge.kinds.plain import plain_comparison
from pytest_llmjudge.plugin.cases import DECIDED, READY, case_of
from pytest_llmjudge.plugin.warning import InconclusiveWarning, is_raised
from pytest_llmjudge.sharding import MERGED

if TYPE_CHECKING:
    from pytest_llmjudge.plugin.cases import Ready

__all__ = ["ATTRIBUTE", "attach"]

ATTRIBUTE = "llm_judge"


def attach(item: pytest.Item, report: pytest.TestReport) -> None:
    """Say on the report that ends an item's deciding phase what became of the item.

    The result of the item is in the store, where each process can read it.
    """
    case = case_of(item)
    decides = report.when == "call" or (report.when == "setup" and not report.passed)
    if case is None or not decides:
        return
    ready = item.stash.get(READY, None)
    outcome = None if report.skipped or hasattr(report, "wasxfail") else _outcome(report)
    is_unexpected = _is_unexpected_pass(report)
    payload: dict[str, Any] = {"suite": case.suite.name, "item": case.id, "place": case.place}
    if not case.is_gate:
        if outcome is None and ready is None:
            return
        payload["outcome"] = outcome
        payload["reason"] = _first_line(report)
        payload["note"] = XPASSED if is_unexpected else ""
    elif ready is not None and ready.is_left:
        payload |= {"outcome": "not run", "reason": MERGED}
        payload["left"] = {
            **_expected_failure(item),
            "warning_fails": is_raised(InconclusiveWarning),
        }
    else:
        decided = item.stash.get(DECIDED, None)
        decision = None if ready is None else ready.decision
        if decided is not None:
            decision = decided.decision
            payload["details"] = dict(decided.details)
        if outcome is None and decision is None:
            return
        # What the user skips or expects to fail has the outcome of its own decision.
        if outcome is None and decision is not None:
            outcome = "passed" if decision.passed else "failed"
        more = f"; {XPASSED}" if is_unexpected else ""
        payload["outcome"] = outcome
        payload["reason"] = _first_line(report) if decision is None else f"{decision.reason}{more}"
        if decision is not None and decision.cause is not None:
            payload["cause"] = decision.cause
        payload |= _comparison(ready)
    setattr(report, ATTRIBUTE, payload)


def _expected_failure(item: pytest.Item) -> dict[str, bool]:
    """Say whether a gate may fail, because ``xfail`` expects it, and whether it has to."""
    # pytest has no public way to ask, and evaluates the conditions in its own setup.
    expected = item.stash.get(xfailed_key, None)
    if expected is None or item.config.option.runxfail:
        return {"may_fail": False, "must_fail": False}
    raises = pytest.fail.Exception if expected.raises is None else expected.raises
    is_meant = isinstance(raises, (type, tuple)) and issubclass(pytest.fail.Exception, raises)
    return {"may_fail": is_meant, "must_fail": bool(expected.strict)}


def _comparison(ready: Ready | None) -> dict[str, Any]:
    compared = None if ready is None else ready.comparison
    return {} if compared is None else {"comparison": plain_comparison(compared)}


def _outcome(report: pytest.TestReport) -> str:
    if report.failed:
        return "error" if report.when == "setup" else "failed"
    return "passed"


def _is_unexpected_pass(report: pytest.TestReport) -> bool:
    """Say whether an item failed because a strict ``xfail`` expected that, and it passed."""
    shown = report.longrepr
    return report.failed and isinstance(shown, str) and shown.startswith("[XPASS(strict)]")


def _first_line(report: pytest.TestReport) -> str:
    return report.longreprtext.strip().partition("\n")[0]
