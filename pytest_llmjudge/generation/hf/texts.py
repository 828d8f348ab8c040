"""Tokens of a transformers tokenizer to the text of an answer, and where stop texts end it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.generation.hf.frames import Tokenizer

__all__ = ["Texts"]

_SPARE = 4
"""Tokens before a stop text: a decoder may drop a space in front, or half a character."""


class Texts:
    """What tokens say, special tokens left out.

    Args:
        tokenizer: Of transformers.
        stop: Texts that end an answer.

    Attributes:
        stop_tokens: Those of them that are tokens by themselves, which no text shows.
    """

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        added = tokenizer.get_added_vocab()
        self.stop_tokens: list[int] = [added[text] for text in stop if text in added]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of tokens."""
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True)
        return text

    def ends_with(self, stop: Sequence[str], ids: Sequence[int]) -> bool:
        """Say whether one of some texts is in the text of tokens with the last of them.

        It is asked after each token, so that no such text was there before.
        """
        # A token has at least a byte.
        longest = max(len(text.encode()) for text in stop)
        end = self.decode(ids[-longest - _SPARE :])
        return any(text in end for text in stop)
