"""Keys: of responses and verdicts, all that decides them; of records, what they say."""

from __future__ import annotations

import hashlib
import json

from pytest_llmjudge.errors import storable

__all__ = ["content_digest", "content_of", "make_key", "template_digest", "text_digest"]


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


def content_digest(instruction: str, context: str, output: str) -> str:
    """Return the same of a record: its instruction, input and reference."""
    texts = (instruction, context, output)
    # As a results file gives them back, from which people vote.
    return make_key(*map(storable, texts))[:16]


def content_of(instruction: str, context: str, output: str) -> str:
    """Return all that a record says, for pairing it with itself."""
    return json.dumps([instruction, context, output])
