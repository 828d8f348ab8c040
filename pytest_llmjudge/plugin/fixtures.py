"""Fixtures: the model, the judge, and an item's own record, response and verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.errors import LlmJudgeError
from pytest_llmjudge.plugin.cases import FIXTURE, READY, SESSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_llmjudge.data import Preference, Record, Verdict
    from pytest_llmjudge.mmlu.accuracy import MMLUResult
    from pytest_llmjudge.pipeline import JudgeLike, ModelLike
    from pytest_llmjudge.plugin.session import LlmSession

__all__ = [
    "llm_judge",
    "llm_model",
    "mmlu",
    "mmlu_result",
    "preference",
    "record",
    "response",
    "verdict",
]


def _session(request: pytest.FixtureRequest) -> LlmSession:
    session = request.config.stash.get(SESSION, None)
    if session is None:
        pytest.skip("needs --llm-judge")
    return session


@pytest.fixture(scope="session")
def llm_model(request: pytest.FixtureRequest) -> ModelLike:
    """The model under test; override it to test anything.

    All it needs is ``generate(prompts, *, max_new_tokens) -> list[str]`` and a string
    ``fingerprint`` that changes when its answers may.
    """
    from pytest_llmjudge.plugin.configured import ConfiguredModel

    return ConfiguredModel(_session(request))


@pytest.fixture(scope="session")
def llm_judge(request: pytest.FixtureRequest) -> JudgeLike:
    """The judge; override it with anything that has ``score(record, response) -> Verdict``.

    ``llm_compare`` needs ``compare(record, a, b) -> Preference`` instead.
    """
    from pytest_llmjudge.plugin.configured import ConfiguredJudge

    return ConfiguredJudge(_session(request))


@pytest.fixture(name=FIXTURE)
def _case(request: pytest.FixtureRequest) -> None:
    session = _session(request)
    from pytest_llmjudge.plugin.setup import set_up

    set_up(request, session)


@pytest.fixture(scope="session")
def mmlu(request: pytest.FixtureRequest) -> Callable[..., MMLUResult]:
    """Ask the model under test a subject of MMLU: ``mmlu("anatomy", shots=5, mode="letters")``.

    The copy of MMLU is that of the ini option ``llm_mmlu_data``, or ``data=``; ``limit=`` draws so
    many questions.
    """
    session = _session(request)
    from pytest_llmjudge.kinds.mmlu import ask_subject, named_subject
    from pytest_llmjudge.plugin.configured import model_of

    def ask(
        subject: str,
        *,
        shots: int = 5,
        mode: str = "letters",
        limit: int | None = None,
        data: str | Path | None = None,
    ) -> MMLUResult:
        how = {"shots": shots, "mode": mode, "limit": limit}
        try:
            exam = named_subject(session.resources, subject, data, **how)
            return ask_subject(session.resources, exam, model_of(request, session))
        except LlmJudgeError as error:
            problem = str(error)
        # Outside of the handler: pytest would show what the error was raised from.
        pytest.fail(problem, pytrace=False)

    return ask


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """The record of this item."""
    found: Record = _value(request)
    return found


@pytest.fixture
def response(request: pytest.FixtureRequest) -> str:
    """What the model under test answered to this item's record."""
    found: str = _value(request)
    return found


@pytest.fixture
def verdict(request: pytest.FixtureRequest) -> Verdict:
    """What the judge made of this item's response; it always has a score."""
    found: Verdict = _value(request)
    return found


@pytest.fixture
def preference(request: pytest.FixtureRequest) -> Preference:
    """Which answer is preferred: ``a`` is the model under test; it always has a winner."""
    found: Preference = _value(request)
    return found


@pytest.fixture
def mmlu_result(request: pytest.FixtureRequest) -> MMLUResult:
    """How the model under test did in this item's subject of MMLU."""
    found: MMLUResult = _value(request)
    return found


_ELSEWHERE = {
    "preference": ("a test that compares nothing", "mark the test with llm_compare"),
    "mmlu_result": ("a test that is no subject of MMLU", "mark the test with llm_mmlu"),
}
"""Where a fixture is used that has no value there, and what to do."""


def _value(request: pytest.FixtureRequest) -> Any:  # noqa: ANN401  # each fixture has its own type
    """Return what an item has for one of its fixtures; it fails in one line where it has none."""
    _session(request)
    ready, name = request.node.stash.get(READY, None), request.fixturename
    if ready is not None and ready.sample is None:
        found = f"fixture '{name}' is used by an autouse fixture, and a gate has no {name}"
        message = f"{request.node.nodeid}: {found}; let the test function ask for it"
        pytest.fail(message, pytrace=False)
    values = {} if ready is None else ready.case.suite.fixtures(ready.sample.value)
    if name in values:
        return values[name]
    default = "a test that judges nothing", "mark the test with llm_judge"
    where, todo = _ELSEWHERE.get(str(name), default)
    if name == "verdict" and "preference" in values:
        where, todo = "a test that compares", "ask for preference, or mark it with llm_judge"
    found = f"fixture '{name}' is used in {where}"
    pytest.fail(f"{request.node.nodeid}: {found}; {todo}", pytrace=False)
