"""Whether a model of this package's own reads a suite's prompts as what they are."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import SettingsError

if TYPE_CHECKING:
    from pytest_llmjudge.generation.base import Model
    from pytest_llmjudge.suites import Suite

__all__ = ["check_prompts_of"]


def check_prompts_of(suite: Suite, model: Model) -> None:
    """Prove that a model reads all prompts of a suite as what they are.

    Args:
        suite: Its template has a place for all that its records have.
        model: It has been found to be there.

    Raises:
        SettingsError: Its server leaves system texts out, or its tokenizer has special tokens where
            a prompt has words.
    """
    if suite.is_chat:
        _check_system(suite, model)
    elif suite.is_jinja:
        token = _special_among_words(suite, model.special_tokens)
        if token is not None:
            name = Path(model.info.path).name
            problem = f'the model would read its "{token}" as words, a special token of {name}'
            hint = 'let it write each message as it is, or choose prompt="chat"'
            raise SettingsError(suite.where, problem, hint)


def _check_system(suite: Suite, model: Model) -> None:
    if any(record.system for record in suite.records) and not model.has_place_for_system:
        problem = f"the chat template of {model.info.path} has no place for a system text"
        hint = "add {{ .System }} to the TEMPLATE of its Modelfile, or leave the text out"
        raise SettingsError(suite.where, problem, hint)


def _special_among_words(suite: Suite, tokens: frozenset[str]) -> str | None:
    """Return a special token that the template writes into a prompt where it changes a message."""
    if not tokens:
        return None
    from pytest_llmjudge.answers import final_turn
    from pytest_llmjudge.framing import FramedText
    from pytest_llmjudge.prompts import messages_of

    names = re.compile("|".join(map(re.escape, sorted(tokens, key=len, reverse=True))))
    for record in map(final_turn, suite.records):
        prompt = suite.framed(record, suite.prompt(record), tokens)
        if isinstance(prompt, FramedText):
            continue
        written: Counter[str] = Counter(names.findall(str(prompt)))
        for message in messages_of(record):
            written.subtract(names.findall(message.text))
        token = next((name for name, count in written.items() if count > 0), None)
        if token is not None:
            return token
    return None
