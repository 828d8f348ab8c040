"""Divides what is to be scored into passes, as plain data that other processes compute alike.

Rounding depends on what a pass computes together. So one process plans the passes, and whoever
computes one gets the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.data import Context
from pytest_llmjudge.generation.shared_prefix import shared_prefix

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PASS_TOKENS", "Plan", "plan_trees", "tree_size"]

PASS_TOKENS = 1024
"""About how many tokens one pass takes: enough for two cores to be compute-bound."""


class Plan(NamedTuple):
    """What is computed together.

    Attributes:
        prefix: What all contexts begin with, computed once; may be empty.
        passes: Their own tokens behind the prefix, and their branches; none is empty.
        order: The number of each context, pass by pass.
    """

    prefix: list[int]
    passes: list[list[Context]]
    order: Sequence[int]


def plan_trees(contexts: Sequence[Context], pass_tokens: int = PASS_TOKENS) -> Plan:
    """Plan the native engine's passes: a context and its branches are one row of tokens.

    Args:
        contexts: In the order in which they are computed.
        pass_tokens: About how many tokens a pass takes.
    """
    if not contexts:
        return Plan([], [], ())
    prefix = shared_prefix([context.ids for context in contexts])
    passes: list[list[Context]] = []
    left = 0
    for context in contexts:
        own = Context(context.ids[len(prefix) :], context.branches)
        size = tree_size(own)
        if not passes or size > left:
            passes.append([])
            left = pass_tokens
        passes[-1].append(own)
        left -= size
    return Plan(prefix, passes, range(len(contexts)))


def tree_size(context: Context) -> int:
    """Return how many tokens are computed for a context: the last of a branch predicts nothing."""
    return len(context.ids) + sum(len(branch) - 1 for branch in context.branches)
