"""Which records people label, and which response a label belongs to."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import storable
from pytest_llmjudge.keys import make_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_llmjudge.data import Design, Label

__all__ = [
    "LEAST_LABELS",
    "draw",
    "records_digest",
    "response_digest",
    "seal",
    "seal_design",
]

LEAST_LABELS = 20
"""With fewer labels nothing is decided: intervals from fewer are too narrow."""


def draw(ids: Iterable[str], size: int, seed: int) -> tuple[str, ...]:
    """Draw a simple random sample of records, in the order in which they are shown.

    The records with the smallest SHA-256 of seed and id are drawn, so that the sample depends on
    nothing but the ids, and a larger one with the same seed contains a smaller one.

    Args:
        ids: Of all records of a suite, in any order.
        size: How many to draw; all where there are no more.
        seed: Another one draws another sample.
    """
    ranked = sorted(ids, key=lambda one: (make_key("sample/1", seed, one), one))
    return tuple(ranked[:size])


def records_digest(records: Iterable[tuple[str, str]]) -> str:
    """Return the SHA-256, in hex, of which records a suite has.

    Args:
        records: Id and :func:`~pytest_llmjudge.keys.content_digest` of each, in any order.
    """
    return make_key("records/1", sorted(records))


def response_digest(response: str) -> str:
    """Return the SHA-256, in hex, of a response as a results file has it."""
    return hashlib.sha256(storable(response).encode("utf-8")).hexdigest()


def seal(label: Label) -> str:
    """Return the first 16 hex digits of the SHA-256 of a label, by which an edited one is found."""
    said: Sequence[object] = label.score, label.labeler, label.at, label.note
    replaced = [label.replaces] if label.replaces else []
    return make_key("label/1", *label.key, *said, *replaced)[:16]


def seal_design(design: Design) -> str:
    """Return the first 16 hex digits of the SHA-256 of a design, by which an edited one is found.

    Otherwise a sample could be made smaller after it was labelled, or drawn by another seed.
    """
    drawn = design.suite, design.total, design.size, design.seed, design.records
    return make_key("design/1", *drawn)[:16]
