"""Keys: of responses and verdicts, all that decides them; of records, what they say."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Protocol, TypeAlias

from pytest_llmjudge.conversations import content_parts
from pytest_llmjudge.data import Turn
from pytest_llmjudge.errors import storable

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Content",
    "content_digest",
    "content_of",
    "contents",
    "make_key",
    "template_digest",
    "text_digest",
]

Content: TypeAlias = tuple[str, str, str, str, tuple[Turn, ...]]
"""What a record says: instruction, input, reference, system text, and the turns before."""


class _HasContent(Protocol):
    @property
    def instruction(self) -> str: ...
    @property
    def input(self) -> str: ...
    @property
    def output(self) -> str: ...
    @property
    def system(self) -> str: ...
    @property
    def turns(self) -> tuple[Turn, ...]: ...


def contents(record: _HasContent) -> Content:
    """Return what a record says, for :func:`content_of` and :func:`content_digest`."""
    return record.instruction, record.input, record.output, record.system, record.turns


def make_key(*parts: object) -> str:
    """Return the SHA-256, in hex, of the canonical JSON of ``parts``."""
    text = json.dumps(parts, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def text_digest(text: str) -> str:
    """Return the first 16 hex digits of the SHA-256 of a text, outer whitespace left out."""
    return hashlib.sha256(text.strip().encode("utf-8", "surrogatepass")).hexdigest()[:16]


def template_digest(template: str) -> str:
    """Return the first 12 hex digits of the SHA-256 of a template's text."""
    return hashlib.sha256(template.encode("utf-8")).hexdigest()[:12]


def content_digest(
    instruction: str, context: str, output: str, system: str = "", turns: Iterable[Turn] = ()
) -> str:
    """Return the first 16 hex digits of the SHA-256 of what a record says."""
    # As a results file gives them back, from which people vote.
    said = [Turn(turn.role, storable(turn.text)) for turn in turns]
    texts = storable(instruction), storable(context), storable(output), storable(system)
    return make_key(*content_parts(*texts, said))[:16]


def content_of(
    instruction: str, context: str, output: str, system: str = "", turns: Iterable[Turn] = ()
) -> str:
    """Return all that a record says, for pairing it with itself."""
    return json.dumps(content_parts(instruction, context, output, system, turns))
