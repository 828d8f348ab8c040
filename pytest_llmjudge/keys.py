"""Keys: of responses and verdicts, all that decides them; of records, what they say."""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple, Protocol

from pytest_llmjudge.data import FollowUp, Turn
from pytest_llmjudge.errors import storable

__all__ = [
    "Content",
    "content_digest",
    "content_of",
    "contents",
    "make_key",
    "storable_contents",
    "template_digest",
    "text_digest",
]


class Content(NamedTuple):
    """What a record says; as in :class:`~pytest_llmjudge.data.Record`."""

    instruction: str
    input: str
    output: str
    system: str = ""
    turns: tuple[Turn, ...] = ()
    follow_ups: tuple[FollowUp, ...] = ()


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
    @property
    def follow_ups(self) -> tuple[FollowUp, ...]: ...


def contents(record: _HasContent) -> Content:
    """Return what a record says."""
    texts = record.instruction, record.input, record.output, record.system
    return Content(*texts, record.turns, record.follow_ups)


def storable_contents(record: _HasContent) -> Content:
    """Return what a record says as a results file gives it back, from which people vote."""
    instruction, context, output, system, turns, follow_ups = contents(record)
    return Content(
        storable(instruction),
        storable(context),
        storable(output),
        storable(system),
        tuple(Turn(turn.role, storable(turn.text)) for turn in turns),
        tuple(FollowUp(storable(one.instruction), storable(one.output)) for one in follow_ups),
    )


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


def content_digest(record: _HasContent) -> str:
    """Return the first 16 hex digits of the SHA-256 of what a record says."""
    return make_key(*_plain(storable_contents(record)))[:16]


def content_of(record: _HasContent) -> str:
    """Return all that a record says, for pairing it with itself."""
    return json.dumps(_plain(record))


def _plain(record: _HasContent) -> list[object]:
    """Return what names a record, as JSON has it: three texts, and more of a conversation."""
    plain: list[object] = [record.instruction, record.input, record.output]
    said = [[turn.role, turn.text] for turn in record.turns]
    follow_ups = [[one.instruction, one.output] for one in record.follow_ups]
    if record.system or said or follow_ups:
        plain += [record.system, said]
    return [*plain, follow_ups] if follow_ups else plain
