"""Lets frames use a tokenizer of transformers."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from pytest_llmjudge.generation.tokenizers.frames import in_front, split_behind
from pytest_llmjudge.generation.tokenizers.json_file import unadded_ids
from pytest_llmjudge.generation.tokenizers.roles import END_NAMES

__all__ = ["Tokenizer", "TransformersEncoder", "text_ids"]

Tokenizer = Any  # transformers has no types


def text_ids(tokenizer: Tokenizer, text: str, *, begin: bool) -> list[int]:
    """Return the tokens of a text.

    Args:
        tokenizer: Of transformers.
        text: Anything.
        begin: Whether to add what this tokenizer adds to a text, such as a token for its beginning.
    """
    ids: list[int] = tokenizer(
        text, add_special_tokens=begin, split_special_tokens=True, verbose=False
    )["input_ids"]
    return ids


class TransformersEncoder:
    """A tokenizer of transformers as an :class:`.Encoder`."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    @cached_property
    def begin(self) -> list[int]:
        """What it puts in front of a text."""
        plain, whole = (text_ids(self._tokenizer, "a", begin=begin) for begin in (False, True))
        return in_front(plain, whole)

    def control_in(self, template: str) -> frozenset[int]:
        """Return the special tokens, and those that a template uses as such."""
        # A text may have the token that stands for what has none; some end a text with the same.
        unknown = {self._tokenizer.unk_token} - {self._tokenizer.eos_token, *END_NAMES}
        return frozenset(
            number
            for number, token in self._tokenizer.added_tokens_decoder.items()
            if token.content not in unknown
            and (token.special or (token.content.strip() and token.content in template))
        )

    def template_ids(self, text: str) -> list[int]:
        """Encode what a template wrote."""
        # It has written the token for the beginning itself, where the model wants one.
        ids: list[int] = self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    def template_pair(self, text: str, length: int) -> tuple[list[int], list[int]]:
        """Encode likewise, and split the tokens; the tokenizer has to be a fast one."""
        encoded = self._tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        return split_behind(encoded["input_ids"], encoded["offset_mapping"], length)

    def word_ids(self, text: str) -> list[int]:
        """Encode a text as if the tokenizer had no added tokens, special or not."""
        if not self._tokenizer.is_fast:
            return text_ids(self._tokenizer, text, begin=False)
        return unadded_ids(self._tokenizer.backend_tokenizer, text)
