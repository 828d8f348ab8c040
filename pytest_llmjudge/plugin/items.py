"""What an item of a suite decides when it is called."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.data.comparison import WARN
from pytest_llmjudge.decisions.comparison import compare
from pytest_llmjudge.decisions.gates import Decision, decide_baseline
from pytest_llmjudge.errors import LlmJudgeError, printable
from pytest_llmjudge.generation.base import LocalModel
from pytest_llmjudge.kinds.base import BASELINE, CAUSE, JUDGE_CHECK
from pytest_llmjudge.plugin.cases import DECIDED, READY, case_of
from pytest_llmjudge.plugin.identity import agree_on_fixtures
from pytest_llmjudge.plugin.setup import note_property
from pytest_llmjudge.plugin.warning import InconclusiveWarning, JudgeCheckWarning, warns
from pytest_llmjudge.reporting.comparison import comparison_text

if TYPE_CHECKING:
    from pytest_llmjudge.plugin.cases import Case, Ready
    from pytest_llmjudge.plugin.session import LlmSession

__all__ = ["call"]


def call(item: pytest.Function, session: LlmSession) -> bool:
    """Decide over an item; return whether its test body must not run.

    Raises:
        pytest.fail.Exception: What was measured is too low, or lower than the baseline's.
        LlmJudgeError: What a gate would pass is not the model any more that was judged.
    """
    case = case_of(item)
    if case is not None and case.is_data_gate:
        _decide_over_data(item, case, session)
        return True
    ready = item.stash.get(READY, None)
    if ready is None:
        return False
    if not ready.case.is_gate:
        _decide_sample(ready)
        return False
    if ready.case.id == JUDGE_CHECK:
        _decide_judge_check(item, ready, session)
    else:
        _decide_over_all(item, ready, session)
    try:
        _check_unchanged(ready, session)
    except LlmJudgeError as error:
        ready.decision = Decision(passed=False, reason=str(error))
        raise
    return True


def _decide_over_data(item: pytest.Function, case: Case, session: LlmSession) -> None:
    decided = item.stash[DECIDED] = case.suite.decide_over_data(case.id, session.resources)
    if not decided.decision.passed:
        pytest.fail(printable(decided.text), pytrace=False)


def _decide_sample(ready: Ready) -> None:
    sample, suite = ready.sample, ready.case.suite
    assert sample is not None  # noqa: S101  # one without a result errs in its setup
    decision = suite.decide_sample(sample.value)
    if decision is not None and not decision.passed:
        pytest.fail(suite.failure_text(sample, decision), pytrace=False)


def _decide_judge_check(item: pytest.Item, ready: Ready, session: LlmSession) -> None:
    check = ready.check
    assert check is not None  # noqa: S101  # the setup of this gate asks for it
    ready.decision = Decision(check.fit, check.reason)
    is_warning = session.settings.check == WARN
    if not check.fit and not (is_warning and warns(item, JudgeCheckWarning(check.reason))):
        pytest.fail(printable(check.reason), pytrace=False)


def _decide_over_all(item: pytest.Item, ready: Ready, session: LlmSession) -> None:
    suite, gate = ready.case.suite, ready.case.id
    samples = ready.run.samples()
    if gate == BASELINE:
        now = suite.side(samples, ready.run.judge)
        before, rule = session.baseline_side(suite), session.rule(suite)
        ready.comparison = compare(before, now, rule)
        ready.decision = decide_baseline(ready.comparison)
    else:
        ready.decision = suite.decide(gate, samples)
    # Some samples have no item in this run, or one that did not come to its end.
    rows = {sample.id: row for sample in samples if (row := suite.row(sample)) is not None}
    session.rows.note(suite.name, gate, rows)
    if ready.comparison is not None and ready.decision.passed and ready.decision.cause is not None:
        warning = InconclusiveWarning(f"{suite.name}[{gate}]: {ready.decision.reason}")
        if not warns(item, warning):
            rule = replace(ready.comparison.rule, inconclusive="fail")
            ready.decision = decide_baseline(replace(ready.comparison, rule=rule))
    if ready.decision.cause is not None:
        note_property(item, CAUSE, ready.decision.cause)
    if ready.decision.passed:
        return
    text = printable(ready.decision.reason)
    if ready.comparison is not None:
        text = comparison_text(ready.decision.reason, ready.comparison)
    pytest.fail(text, pytrace=False)


def _check_unchanged(ready: Ready, session: LlmSession) -> None:
    """Prove that what a gate passes is what was judged.

    Raises:
        LlmJudgeError: A model of the suite is another one now, or a fixture's fingerprint is.
    """
    suite, run = ready.case.suite, ready.run
    agree_on_fixtures(session, suite.name, run.model, run.judge)
    for model in (run.model, *suite.other_models(session.resources)):
        if isinstance(model, LocalModel):
            model.check_still_has(model.fingerprint)
