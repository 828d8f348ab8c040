"""What the native engine asks of a tokenizer of any kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = ["Tokenizer"]


class Tokenizer(ABC):
    """Turns text into tokens and back.

    Attributes:
        size: One more than its largest id.
        text_size: One more than the largest id that it gives to text.
        ends: The tokens that end a text; at least one.
        begin: The tokens that it puts in front of a text.
        special_tokens: Names of control tokens, which only a template writes as such.
    """

    size: int
    text_size: int
    ends: frozenset[int]
    begin: list[int] = []  # noqa: RUF012 - never changed
    special_tokens: frozenset[str] = frozenset()

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Encode a text by itself: nothing is added, and names of control tokens are words."""

    @abstractmethod
    def encode_prompt(self, prompt: str) -> list[int]:
        """Encode the beginning of a text, with the tokens that this tokenizer puts in front.

        Args:
            prompt: In a :class:`.FramedText` what the template wrote may be control tokens.
        """

    @abstractmethod
    def encode_pair(self, prompt: str, reference: str) -> tuple[list[int], list[int]]:
        """Encode a prompt and what follows it as one text, and split the tokens between the two.

        A token with characters of both belongs to the reference.

        Args:
            prompt: As :meth:`encode_prompt` takes it.
            reference: Anything.
        """

    @abstractmethod
    def end_behind(self, prompt: str) -> int:
        """Return the token that ends an answer to a prompt."""

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """Decode tokens, control tokens left out.

        Bytes that are no UTF-8, as in half a character, become U+FFFD.
        """

    def ends_with(self, texts: Sequence[str], ids: Sequence[int]) -> bool:
        """Say whether one of ``texts`` is in the text of ``ids`` with their last token.

        It is asked after each token, so that none of them was in it before.
        """
        decoded = self.decode(ids)
        return any(text in decoded for text in texts)

    def at_least(self, text: str) -> int:  # noqa: ARG002 - of this kind nothing is known
        """Return a lower bound of the number of tokens, computed without encoding the text."""
        return 0

    def named(self, names: Collection[str]) -> frozenset[int]:  # noqa: ARG002 - it has none
        """Return the control tokens among some names, which no decoded text holds."""
        return frozenset()
