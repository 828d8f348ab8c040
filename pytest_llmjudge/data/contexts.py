"""Tokens of which a model gives log-probabilities."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Context"]


@dataclass(frozen=True, slots=True)
class Context:
    """Tokens that several continuations follow.

    Attributes:
        ids: What all of them see; never empty.
        branches: The continuations, each of at least one token.
    """

    ids: list[int]
    branches: tuple[list[int], ...]
