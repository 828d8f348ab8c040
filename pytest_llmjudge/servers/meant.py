"""Which judge a name was meant for that no server has."""

from __future__ import annotations

import os.path
import re
from difflib import get_close_matches
from typing import Final

from pytest_llmjudge.settings import EMBEDDED, LOCAL, OPENAI

__all__ = ["meant_judge", "or_meant"]

_LIKENESS: Final = 0.75
_METRICS: Final = frozenset({"chrf", "chrf++", "sacrebleu"})
_PREFIXED: Final = re.compile(
    r"(?P<kind>open[-_ ]?ai|ollama|local)\s*[:/=]\s*(?P<name>\S.*)", re.IGNORECASE
)
# Ollama's own gpt-oss is no model of OpenAI's API.
_OPENAIS: Final = re.compile(r"(?:chatgpt|gpt-?\d|o\d(?![^-\d])).*", re.IGNORECASE)


def meant_judge(name: str) -> str:
    """Return the name of a judge that an Ollama model's name looks like; empty for any other.

    Args:
        name: What ``--llm-judge-model`` has in the place of an Ollama model.
    """
    text = name.strip()
    folded = text.casefold().removesuffix(":latest")
    if folded in _METRICS or get_close_matches(folded, [EMBEDDED], cutoff=_LIKENESS):
        return EMBEDDED
    prefixed = _PREFIXED.fullmatch(text)
    if prefixed is not None:
        # A judge at Ollama has no prefix.
        prefix = {"local": LOCAL, "ollama": ""}.get(prefixed["kind"].casefold(), OPENAI)
        return prefix + prefixed["name"]
    if _OPENAIS.fullmatch(text):
        return f"{OPENAI}{text}"
    # pathlib raises for what no path can be.
    is_folder = os.path.isdir(text)  # noqa: PTH112
    is_path = is_folder or text.startswith((".", "/", "~")) or "\\" in text
    return f"{LOCAL}{text}" if is_path else ""


def or_meant(name: str, hint: str) -> str:
    """Return a hint that begins with the judge that a name was meant for, if it was for another."""
    meant = meant_judge(name)
    return f'did you mean "{meant}"? If not, {hint}' if meant else hint
