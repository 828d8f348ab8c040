"""Sets an item up: its suite has begun, its judge is fit, and its sample has a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from pytest_llmjudge.errors import JudgeError, LlmJudgeError, SettingsError, printable
from pytest_llmjudge.kinds.base import CAUSE, JUDGE_CHECK
from pytest_llmjudge.pipeline.protocols import KnownProblemError
from pytest_llmjudge.plugin.cases import READY, Case, Ready
from pytest_llmjudge.plugin.configured import judge_of, model_of
from pytest_llmjudge.plugin.identity import agree_on_fixtures
from pytest_llmjudge.plugin.planner import suite_facts
from pytest_llmjudge.plugin.sharding import is_left_to_merge
from pytest_llmjudge.sharding import MERGED

if TYPE_CHECKING:
    from pytest_llmjudge.kinds.base import Suite, SuiteRun
    from pytest_llmjudge.plugin.session import LlmSession

__all__ = ["UNDECIDED", "note_property", "set_up"]

UNDECIDED = "nothing else of this suite is decided"
"""Ends the message of every item of a suite whose judge is not fit."""
_PROPERTY = "llm_judge_"


def set_up(request: pytest.FixtureRequest, session: LlmSession) -> None:
    """Prepare a suite item's result; if that fails, the item errs with a one-line message."""
    item: pytest.Item = request.node
    case: Case = request.param
    suite, ready, problem = case.suite, None, ""
    if case.is_data_gate:
        return
    try:
        ready = item.stash[READY] = _ready(case, request, session)
        if is_left_to_merge(case, session.settings):
            _leave_to_merge(ready, session)
        _get_result(ready, session, again=_is_rerun(item))
    except LlmJudgeError as error:
        problem = str(error)
    # Outside of the handler: pytest would show what the error was raised from.
    if problem:
        if suite.kind.asks_judge:
            note_property(item, CAUSE, "rig")
        pytest.fail(problem, pytrace=False)
    sample = None if ready is None else ready.sample
    if sample is None:
        return
    if sample.error is not None:
        if suite.kind.asks_judge:
            note_property(item, CAUSE, sample.cause)
        pytest.fail(printable(sample.error), pytrace=False)
    for name, value in suite.properties(sample.value).items():
        note_property(item, name, value)


def _get_result(ready: Ready, session: LlmSession, *, again: bool) -> None:
    """Get the result of an item of a sample, and keep it where the results are written."""
    case = ready.case
    if case.is_gate:
        return
    sample = ready.sample = ready.run.sample(case.id, again=again)
    row = case.suite.row(sample)
    if row is not None:
        session.rows.note(case.suite.name, case.id, {case.id: row})


def _leave_to_merge(ready: Ready, session: LlmSession) -> NoReturn:
    """Keep what a gate would decide over, as of samples whose items the user skips, and skip it.

    Raises:
        pytest.skip.Exception: Always.
    """
    ready.is_left = True
    suite = ready.case.suite
    rows = {one.id: row for one in ready.run.samples() if (row := suite.row(one)) is not None}
    session.rows.note(suite.name, ready.case.id, rows)
    raise pytest.skip.Exception(MERGED, _use_item_location=True)


def _ready(case: Case, request: pytest.FixtureRequest, session: LlmSession) -> Ready:
    """Prepare what an item decides by; in strict mode only a fit judge lets a suite decide.

    Raises:
        LlmJudgeError: The infrastructure failed, or the judge did.
    """
    fault = session.store.fault() if case.suite.kind.asks_judge else None
    if fault is not None:
        raise KnownProblemError(fault, is_infrastructure=True)
    ready = Ready(case, _run(case.suite, request, session))
    checks, again = case.id == JUDGE_CHECK and case.is_gate, _is_rerun(request.node)
    if checks or session.settings.check == "strict":
        _check_judge(ready, session, again=checks and again)
    if case.is_gate and not checks:
        ready.run.prepare(again=again)
    return ready


def _check_judge(ready: Ready, session: LlmSession, *, again: bool) -> None:
    """Ask the judge about known answers; without a fit one only that gate goes on.

    Raises:
        LlmJudgeError: The infrastructure failed, or the judge did.
    """
    case = ready.case
    check = ready.check = ready.run.check(again=again)
    if check is None or check.fit or (case.is_gate and case.id == JUDGE_CHECK):
        return
    name = case.suite.name
    if JUDGE_CHECK not in session.due.get(name, ()):
        # No gate reports why.
        problem = f"the judge failed known answers: {check.reason}"
        raise JudgeError(name, problem, UNDECIDED)
    where, problem = f"{name}[{JUDGE_CHECK}]", "the judge failed known answers"
    raise JudgeError(where, problem, f"see there, {UNDECIDED}")


def _run(suite: Suite[Any], request: pytest.FixtureRequest, session: LlmSession) -> SuiteRun[Any]:
    judge = judge_of(request, session) if suite.uses_judge else None
    model = model_of(request, session) if suite.uses_model else None
    for fixture, value, is_used in (
        ("llm_judge", judge, suite.uses_judge),
        ("llm_model", model, suite.uses_model),
    ):
        if is_used and value is None:
            problem = f"its fixture {fixture} returned None"
            raise SettingsError(suite.name, problem, f"let the fixture return its {fixture[4:]}")
    run = session.runs.get(suite.name)
    if run is None:
        facts = suite_facts(session, suite, model, judge)
        agree_on_fixtures(session, suite.name, model, judge)
        session.store.note_suite(suite.name, facts)
        needed = session.needed[suite.name]
        run = suite.start(session.resources, model=model, judge=judge, needed=needed)
        session.runs[suite.name] = run
    if run.judge is not judge or run.model is not model:
        fixture = "llm_judge" if run.judge is not judge else "llm_model"
        problem = f"{fixture} is made anew for every item"
        raise SettingsError(suite.name, problem, 'give the fixture scope="session"')
    return run


def note_property(item: pytest.Item, name: str, value: object) -> None:
    """Put a property on an item for JUnit XML, in the place of what an earlier try left."""
    kept = [pair for pair in item.user_properties if not pair[0].startswith(_PROPERTY)]
    item.user_properties[:] = [*kept, (name, value)]


def _is_rerun(item: pytest.Item) -> bool:
    """Say whether pytest-rerunfailures runs ``item`` once more."""
    return bool(getattr(item, "execution_count", 1) > 1)
