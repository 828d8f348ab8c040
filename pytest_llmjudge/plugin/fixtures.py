"""Fixtures: the model, the judge, and an item's own record, response and verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from pytest_llmjudge.data import Preference, Verdict
from pytest_llmjudge.plugin.cases import EXAM_FIXTURE, FIXTURE, READY, SESSION, PairReady, Ready

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_llmjudge.data import Record
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
    return _session(request).configured_model()


@pytest.fixture(scope="session")
def llm_judge(request: pytest.FixtureRequest) -> JudgeLike:
    """The judge; override it with anything that has ``score(record, response) -> Verdict``.

    ``llm_compare`` needs ``compare(record, a, b) -> Preference`` instead.
    """
    return _session(request).configured_judge()


@pytest.fixture(name=FIXTURE)
def _case(request: pytest.FixtureRequest) -> None:
    _session(request).set_up(request)


@pytest.fixture(name=EXAM_FIXTURE)
def _exam_case(request: pytest.FixtureRequest) -> None:
    _session(request).exams.set_up(request)


@pytest.fixture
def mmlu_result(request: pytest.FixtureRequest) -> MMLUResult:
    """How the model under test did in this item's subject of MMLU."""
    return _session(request).exams.result_of(request)


@pytest.fixture(scope="session")
def mmlu(request: pytest.FixtureRequest) -> Callable[..., MMLUResult]:
    """Ask the model under test a subject of MMLU: ``mmlu("anatomy", shots=5, mode="letters")``.

    The copy of MMLU is that of the ini option ``llm_mmlu_data``, or ``data=``; ``limit=`` draws so
    many questions.
    """
    session = _session(request)

    def ask(
        subject: str,
        *,
        shots: int = 5,
        mode: str = "letters",
        limit: int | None = None,
        data: str | Path | None = None,
    ) -> MMLUResult:
        found = session.exams.ask(request, subject, data, shots=shots, mode=mode, limit=limit)
        if isinstance(found, str):
            pytest.fail(found, pytrace=False)
        return found

    return ask


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """The record of this item."""
    found = _ready(request).case.record
    assert found is not None  # noqa: S101  # _ready() refuses gates
    return found


@pytest.fixture
def response(request: pytest.FixtureRequest) -> str:
    """What the model under test answered to this item's record."""
    outcome = _ready(request).outcome
    assert outcome is not None  # noqa: S101  # _ready() refuses gates
    found = outcome.response
    assert found is not None  # noqa: S101  # without one the item has erred
    return found if isinstance(found, str) else found.a


@pytest.fixture
def verdict(request: pytest.FixtureRequest) -> Verdict:
    """What the judge made of this item's response; it always has a score."""
    outcome = _ready(request).outcome
    assert outcome is not None  # noqa: S101  # _ready() refuses gates
    if not isinstance(outcome.verdict, Verdict):
        _refuse(request, "a test that compares", "ask for preference, or mark it with llm_judge")
    return outcome.verdict


@pytest.fixture
def preference(request: pytest.FixtureRequest) -> Preference:
    """Which answer is preferred: ``a`` is the model under test; it always has a winner."""
    outcome = _ready(request).outcome
    assert outcome is not None  # noqa: S101  # _ready() refuses gates
    if not isinstance(outcome.verdict, Preference):
        _refuse(request, "a test that compares nothing", "mark the test with llm_compare")
    return outcome.verdict


def _refuse(request: pytest.FixtureRequest, where: str, todo: str) -> NoReturn:
    found = f"fixture '{request.fixturename}' is used in {where}"
    pytest.fail(f"{request.node.nodeid}: {found}; {todo}", pytrace=False)


def _ready(request: pytest.FixtureRequest) -> Ready | PairReady:
    _session(request)
    ready: Ready | PairReady | None = request.node.stash.get(READY, None)
    name = request.fixturename
    if ready is None:
        is_pairs = name == "preference"
        does, marker = ("compares", "llm_compare") if is_pairs else ("judges", "llm_judge")
        _refuse(request, f"a test that {does} nothing", f"mark the test with {marker}")
    if ready.outcome is None:
        found = f"fixture '{name}' is used by an autouse fixture, and a gate has no {name}"
        message = f"{request.node.nodeid}: {found}; let the test function ask for it"
        pytest.fail(message, pytrace=False)
    return ready
