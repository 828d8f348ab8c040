"""Whether a model of this package's own reads a suite's prompts as what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.errors import CheckpointError, SettingsError

if TYPE_CHECKING:
    from pytest_llmjudge.generation.base import Model
    from pytest_llmjudge.records.suites import Suite

__all__ = ["check_prompts_of"]


def check_prompts_of(suite: Suite, model: Model) -> None:
    """Prove that a model reads all prompts of a suite as what they are.

    Args:
        suite: Its template has a place for all that its records have.
        model: It has been found to be there.

    Raises:
        CheckpointError: It has no chat template where one is asked for.
        SettingsError: Its server leaves system texts out, or :meth:`.Suite.framed` says why not.
    """
    from pytest_llmjudge.records.answers import final_turn
    from pytest_llmjudge.settings import CHAT

    if suite.is_chat and not model.is_served and not model.chat_template:
        hint = f"choose another prompt than {CHAT!r}"
        raise CheckpointError(str(model.info.path), "it has no chat template", hint)
    if suite.is_chat:
        _check_system(suite, model)
    elif suite.is_jinja and model.special_tokens:
        for record in map(final_turn, suite.records):
            suite.framed(record, suite.prompt(record), model.special_tokens)


def _check_system(suite: Suite, model: Model) -> None:
    if any(record.system for record in suite.records) and not model.has_place_for_system:
        problem = f"the chat template of {model.info.path} has no place for a system text"
        hint = "add {{ .System }} to the TEMPLATE of its Modelfile, or leave the text out"
        raise SettingsError(suite.where, problem, hint)
