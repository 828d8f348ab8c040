"""Fixtures: the model, the judge, what any test asks the model, and what an item has of its own."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.errors import LlmJudgeError, SettingsError
from pytest_llmjudge.kinds.markers import MARKERS
from pytest_llmjudge.plugin.cases import FIXTURE, READY, SESSION
from pytest_llmjudge.plugin.timeouts import off_the_clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_llmjudge.kinds.markers import AskFixture, ItemFixture
    from pytest_llmjudge.pipeline import JudgeLike, ModelLike
    from pytest_llmjudge.plugin.session import LlmSession

__all__ = ["llm_judge", "llm_model"]


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
    with off_the_clock(request.node):
        from pytest_llmjudge.plugin.setup import set_up

        set_up(request, session)


def _of_items(one: ItemFixture) -> object:
    """Return a fixture that the items of samples have."""

    def value(request: pytest.FixtureRequest) -> object:
        return _value(request)

    value.__doc__ = one.help
    return pytest.fixture(name=one.name)(value)


def _asking(marker: str, one: AskFixture) -> object:
    """Return a fixture with which any test asks the model under test.

    Args:
        marker: Of the kind that answers.
        one: What it declares.
    """

    def value(request: pytest.FixtureRequest) -> Callable[..., object]:
        session = _session(request)
        from pytest_llmjudge.kinds import all_kinds
        from pytest_llmjudge.plugin.configured import model_of

        (kind,) = (kind for kind in all_kinds() if kind.marker == marker)
        beside = session.resources, lambda: model_of(request, session)

        def ask(*arguments: object, **keywords: object) -> object:
            try:
                call = _read_call(one, kind.ask, *beside, *arguments, **keywords)
                return kind.ask(*call.args, **call.kwargs)
            except LlmJudgeError as error:
                problem = str(error)
            # Outside of the handler: pytest would show what the error was raised from.
            pytest.fail(problem, pytrace=False)

        return ask

    value.__doc__ = one.help
    return pytest.fixture(name=one.name, scope="session")(value)


def _read_call(
    one: AskFixture, function: Callable[..., object], *arguments: object, **keywords: object
) -> inspect.BoundArguments:
    """Return how a function is called.

    Raises:
        SettingsError: It takes other arguments.
    """
    try:
        return inspect.signature(function).bind(*arguments, **keywords)
    except TypeError as error:
        raise SettingsError(one.name, str(error), f"call it as in {one.example}") from None


_OWN = {one.name: (marker.name, one) for marker in reversed(MARKERS) for one in marker.fixtures}
"""Fixtures of items by name, each with the first marker that has it."""
# pytest takes the fixtures of a plugin from the names in its module.
globals().update({name: _of_items(one) for name, (_, one) in _OWN.items()})
globals().update({one.ask.name: _asking(one.name, one.ask) for one in MARKERS if one.ask})


def _value(request: pytest.FixtureRequest) -> object:
    """Return what an item has for one of its fixtures; it fails in one line where it has none."""
    _session(request)
    ready, name = request.node.stash.get(READY, None), request.fixturename
    if ready is not None and ready.sample is None:
        problem = f"fixture '{name}' is used by an autouse fixture, and a gate has no {name}"
        message = f"{request.node.nodeid}: {problem}; let the test function ask for it"
        pytest.fail(message, pytrace=False)
    values = {} if ready is None else ready.case.suite.fixtures(ready.sample.value)
    if name in values:
        return values[name]
    marker, one = _OWN[str(name)]
    where, hint = one.elsewhere, f"mark the test with {marker}"
    if ready is not None:
        where, hint = ready.case.suite.other_fixture(one.name) or (where, hint)
    problem = f"fixture '{name}' is used in {where}"
    pytest.fail(f"{request.node.nodeid}: {problem}; {hint}", pytrace=False)
