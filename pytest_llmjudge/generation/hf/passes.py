"""Divides what transformers is to score into passes of padded rows, as plain data."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.data import Context
from pytest_llmjudge.generation.passes import Plan

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["plan_next", "plan_rows", "read_rows"]

_PASS_TOKENS = 2048
"""Most tokens of a pass of several contexts, which bounds its memory."""
_PASS_LOGITS = 2**26
"""Most logits of such a pass: 256 MiB in float32."""


def plan_rows(contexts: Sequence[Context], vocabulary: int) -> Plan:
    """Plan passes of contexts, in order, as many at a time as one pass bears.

    Args:
        contexts: Their tokens and those of their longest branch, its last one not counted, fit into
            the model's context together.
        vocabulary: How many logits the model gives a token.
    """
    passes: list[list[Context]] = []
    whole = _Extent()
    for context in contexts:
        own = _extent(context)
        whole = whole.with_(own)
        if not passes or whole.is_too_large(vocabulary):
            passes.append([])
            whole = own
        passes[-1].append(context)
    return Plan([], passes, range(len(contexts)))


def plan_next(rows: Sequence[list[int]], vocabulary: int) -> Plan:
    """Plan passes that read what may follow each row; those of a length come together.

    Args:
        rows: Each at least one token, and no longer than the model's context.
        vocabulary: How many logits the model gives a token.
    """
    order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
    # A continuation of one token is read from the logits of the row alone.
    plan = plan_rows([Context(rows[number], ([0],)) for number in order], vocabulary)
    return plan._replace(order=order)


def read_rows(context: Context) -> list[list[int]]:
    """Return what the model has to read: branches that differ in their last token share a row."""
    seen = dict.fromkeys(tuple(branch[:-1]) for branch in context.branches)
    return [[*context.ids, *branch] for branch in seen]


class _Extent(NamedTuple):
    """What the rows of some contexts take.

    Attributes:
        rows: How many there are.
        tokens: Of all of them, without padding.
        width: Of the longest.
        first: The first token whose logits are kept of any.
    """

    rows: int = 0
    tokens: int = 0
    width: int = 0
    first: int = sys.maxsize

    def with_(self, other: _Extent) -> _Extent:
        """Return what both take in one pass."""
        return _Extent(
            self.rows + other.rows,
            self.tokens + other.tokens,
            max(self.width, other.width),
            min(self.first, other.first),
        )

    def is_too_large(self, vocabulary: int) -> bool:
        logits = self.rows * (self.width - self.first) * vocabulary
        return self.tokens > _PASS_TOKENS or logits > _PASS_LOGITS


def _extent(context: Context) -> _Extent:
    sizes = [len(row) for row in read_rows(context)]
    return _Extent(len(sizes), sum(sizes), max(sizes), len(context.ids) - 1)
