"""Questions with a choice of answers as tokens, encoded and cut as lm-evaluation-harness does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from pytest_llmjudge.data import Context
from pytest_llmjudge.errors import PromptError

__all__ = ["Encode", "EncodedChoices", "encode_behind", "encode_choices", "too_long"]

Encode: TypeAlias = Callable[[str], list[int]]
"""A tokenizer's encoding of the beginning of a text, with the tokens that it puts in front."""


@dataclass(frozen=True, slots=True)
class EncodedChoices:
    """A question as tokens.

    Attributes:
        contexts: Their branches, one after the other, are the choices in their order.
        is_cut: Whether a prompt lost tokens at its beginning.
    """

    contexts: tuple[Context, ...]
    is_cut: bool


def encode_choices(
    where: str, pairs: Sequence[tuple[str, str]], *, encode: Encode, context: int
) -> EncodedChoices:
    """Encode what a model reads before each choice, and the choice behind it.

    The two are encoded together, with white space between them as part of the choice. Of what is
    too long the beginning is cut off, so that prompt and choice fill the context, the choice's last
    token not counted. (``TemplateLM._encode_pair`` and ``HFLM._loglikelihood_tokens`` of
    lm-evaluation-harness 0.4.13.)

    Args:
        where: The question, for messages.
        pairs: For each choice what is read before it, and its text.
        encode: The model's tokenizer.
        context: The model's context in tokens.

    Raises:
        PromptError: There is nothing to read before a choice, or a choice has no token of its own,
            or more than the context.
    """
    rows: list[tuple[list[int], list[int]]] = []
    encoded: dict[str, list[int]] = {}
    for text, choice in pairs:
        before = text.rstrip()
        if before not in encoded:
            encoded[before] = encode(before)
        ids = encoded[before]
        rows.append((ids, encode_behind(ids, before, text[len(before) :] + choice, encode)))
    _check(where, rows, context)
    kept = [(ids[-(context + 1 - len(branch)) :], branch) for ids, branch in rows]
    contexts = tuple(
        Context(ids, tuple(branch for _, branch in group))
        for ids, group in groupby(kept, key=lambda row: row[0])
    )
    is_cut = any(len(left) < len(ids) for (left, _), (ids, _) in zip(kept, rows, strict=True))
    return EncodedChoices(contexts, is_cut)


def encode_behind(ids: Sequence[int], text: str, answer: str, encode: Encode) -> list[int]:
    """Return the tokens of an answer as they are behind its prompt.

    Args:
        ids: Those of the prompt.
        text: The prompt.
        answer: Alone it might begin with a token of its own.
        encode: The model's tokenizer.
    """
    return encode(text + answer)[len(ids) :]


def too_long(where: str, tokens: int, context: int) -> PromptError:
    """Return the error that a choice does not fit into the context."""
    problem = f"a choice has {tokens} tokens and the context {context}"
    return PromptError(where, problem, "leave the question out, or take a larger model")


def _check(where: str, rows: Sequence[tuple[list[int], list[int]]], context: int) -> None:
    longest = max(len(branch) for _, branch in rows)
    if longest > context:
        raise too_long(where, longest, context)
    if not all(ids for ids, _ in rows):
        raise PromptError(where, "no token stands before a choice", "give the question a text")
    if not all(branch for _, branch in rows):
        problem = "the tokenizer gives a choice no token of its own behind its prompt"
        raise PromptError(where, problem, "leave the question out, or correct the tokenizer")
