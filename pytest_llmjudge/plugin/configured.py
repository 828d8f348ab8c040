"""Default values of the fixtures ``llm_model`` and ``llm_judge``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.pipeline.turns import turn_of
from pytest_llmjudge.plugin.cases import case_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from pytest_llmjudge.data import Preference, Record, Verdict
    from pytest_llmjudge.generation.base import Model
    from pytest_llmjudge.pipeline import JudgeLike, ModelLike
    from pytest_llmjudge.plugin.session import LlmSession

__all__ = ["ConfiguredJudge", "ConfiguredModel", "is_ours", "judge_of", "model_of"]

_OUR_FIXTURES = "pytest_llmjudge.plugin.fixtures"


class ConfiguredModel:
    """The model that options and markers name, as the ``llm_model`` fixture gives it.

    In an item of a suite it is the suite's, elsewhere the one of ``--llm-judge-checkpoint``.
    """

    def __init__(self, session: LlmSession) -> None:
        self._session = session

    @property
    def fingerprint(self) -> str:
        """A text that changes when the model's answers may."""
        return _model_for(self._session, self._session.item).fingerprint

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int) -> list[str]:
        """Return the model's greedy continuation of each prompt."""
        model = _model_for(self._session, self._session.item)
        with turn_of(self._session.store, model):
            return model.generate(prompts, max_new_tokens=max_new_tokens)


class ConfiguredJudge:
    """The judge that the options name, as the ``llm_judge`` fixture gives it."""

    def __init__(self, session: LlmSession) -> None:
        self._session = session

    def score(self, record: Record, response: str) -> Verdict:
        """Ask the judge about one response; not cached."""
        return self._session.resources.judges.judge.score(record, response)

    def compare(self, record: Record, a: str, b: str) -> Preference:
        """Ask the judge which of two responses is better, in both orders; not cached."""
        return self._session.resources.judges.judge.compare(record, a, b)


def model_of(request: pytest.FixtureRequest, session: LlmSession) -> ModelLike:
    """Return what ``llm_model`` is for an item: the model it is about, or the user's own.

    Raises:
        CheckpointError: No checkpoint is named.
    """
    model: ModelLike = request.getfixturevalue("llm_model")
    if not isinstance(model, ConfiguredModel):
        return model
    # A fixture of the whole session is asked for by the item that is running.
    is_items = request.scope == "function"
    return _model_for(session, request.node if is_items else session.item)


def _model_for(session: LlmSession, item: pytest.Item | None) -> Model:
    case = None if item is None else case_of(item)
    checkpoint = session.settings.checkpoint if case is None else case.suite.checkpoint
    model = session.resources.models.get(checkpoint)
    session.resources.models.watch(model)
    return model


def judge_of(request: pytest.FixtureRequest, session: LlmSession) -> JudgeLike:
    """Return what ``llm_judge`` is for an item: the judge of the options, or the user's own.

    Raises:
        SettingsError: The judge of the options cannot be used.
    """
    judge: JudgeLike = request.getfixturevalue("llm_judge")
    return session.resources.judges.judge if isinstance(judge, ConfiguredJudge) else judge


def is_ours(session: pytest.Session, item: pytest.Item, fixture: str) -> bool:
    """Say whether ``item`` gets our own fixture; pytest has no public way to ask."""
    manager = session._fixturemanager  # noqa: SLF001
    definitions = manager.getfixturedefs(fixture, item)
    return definitions is not None and definitions[-1].func.__module__ == _OUR_FIXTURES
