"""What an item of a suite decides when it is called, and the words of its failure."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.comparison import compare
from pytest_llmjudge.data import Entry, Side
from pytest_llmjudge.errors import LlmJudgeError, printable
from pytest_llmjudge.gates import Decision, decide_average, decide_baseline, decide_record
from pytest_llmjudge.plugin.cases import BASELINE, JUDGE_CHECK, READY, SESSION, PairReady, Ready
from pytest_llmjudge.plugin.pair_items import call_pair
from pytest_llmjudge.plugin.session import judge_identity
from pytest_llmjudge.plugin.warning import warns
from pytest_llmjudge.reporting.comparison import comparison_text
from pytest_llmjudge.storage.results_reader import content_of

if TYPE_CHECKING:
    from pytest_llmjudge.data import Record, Verdict
    from pytest_llmjudge.pipeline import Outcome

__all__ = ["call", "failure_text"]


def call(item: pytest.Function) -> bool:
    """Decide over an item; say whether that was all, so that its body is not called.

    Raises:
        pytest.fail.Exception: The score or the average is too low, or lower than the baseline's.
        LlmJudgeError: What a gate would pass is not the model any more that was judged.
    """
    ready = item.stash.get(READY, None)
    if ready is None:
        return False
    was_all = _decide(item, ready)
    if was_all:
        session, run = item.config.stash[SESSION], ready.run
        try:
            session.check_unchanged(ready.case.suite.name, run.model, run.judge)
        except LlmJudgeError as error:
            ready.decision = Decision(passed=False, reason=str(error))
            raise
    return was_all


def _decide(item: pytest.Function, ready: Ready | PairReady) -> bool:
    if isinstance(ready, PairReady):
        return call_pair(item, ready)
    if ready.case.gate == JUDGE_CHECK:
        _decide_judge_check(item, ready)
        return True
    if ready.case.gate == BASELINE:
        _decide_baseline(item, ready)
        return True
    if ready.outcome is None:
        _decide_average(ready)
        return True
    score = ready.outcome.verdict.score
    assert score is not None  # noqa: S101  # an unscored record errs in its setup
    decision = decide_record(score, ready.case.suite.settings.min_score)
    if not decision.passed:
        assert ready.case.record is not None  # noqa: S101  # it has an outcome
        pytest.fail(failure_text(decision.reason, ready.case.record, ready.outcome), pytrace=False)
    return False


def _decide_judge_check(item: pytest.Function, ready: Ready) -> None:
    check = ready.check
    assert check is not None  # noqa: S101  # the setup of this gate asks for it
    ready.decision = Decision(check.fit, check.reason)
    if not check.fit and not warns(item, ready.run.settings, check.reason):
        pytest.fail(printable(check.reason), pytrace=False)


def _decide_average(ready: Ready) -> None:
    scores: dict[str, int | None] = {}
    causes: dict[str, str] = {}
    for record, outcome in ready.run.outcomes():
        scores[record.id] = outcome.verdict.score
        if outcome.verdict.error is not None:
            causes[record.id] = outcome.verdict.error
    ready.decision = decide_average(scores, ready.case.suite.settings.min_average, causes)
    if not ready.decision.passed:
        pytest.fail(printable(ready.decision.reason), pytrace=False)


def _decide_baseline(item: pytest.Item, ready: Ready) -> None:
    session, suite = item.config.stash[SESSION], ready.case.suite
    entries = tuple(
        Entry(
            id=record.id,
            content=content_of(record.instruction, record.input, record.output),
            score=outcome.verdict.score,
            response=outcome.response,
        )
        for record, outcome in ready.run.outcomes()
    )
    judge, passes_at = judge_identity(ready.run.judge), suite.settings.min_score
    now = Side("judge", suite.name, entries, judge=judge, passes_at=passes_at)
    ready.comparison = compare(session.completeness.baseline_side("judge", suite.name), now)
    ready.decision = decide_baseline(ready.comparison, session.settings.max_drop)
    if not ready.decision.passed:
        text = comparison_text(ready.decision.reason, ready.comparison)
        pytest.fail(text, pytrace=False)


def failure_text(reason: str, record: Record, outcome: Outcome[str, Verdict]) -> str:
    """Show all that the judge saw, and what it made of it."""
    parts = {
        "instruction": record.instruction,
        "input": record.input,
        "reference": record.output,
        "response": outcome.response or "(empty)",
        "judge's reply": outcome.verdict.reply,
    }
    lines = [reason]
    for name, text in parts.items():
        if text:
            shown = textwrap.indent(printable(text), " " * 15)
            lines.append(f"{name + ':':<15}{shown[15:]}")
    return "\n".join(lines)
