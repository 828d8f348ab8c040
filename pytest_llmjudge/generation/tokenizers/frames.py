"""Tokens of prompts that a template wrote: only the template writes control tokens.

A control token is one that ends a turn or opens another, such as ``<|im_end|>``. In a record such
words stay words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pytest_llmjudge.records.framing import FIRST_PLACE, places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.records.framing import FramedText

__all__ = ["Encoder", "Frame", "FramedTexts", "in_front", "split_behind"]


class Encoder(Protocol):
    """A tokenizer with control tokens."""

    @property
    def begin(self) -> list[int]:
        """What it puts in front of a text."""

    def control_in(self, template: str) -> frozenset[int]:
        """Return the tokens that are control tokens in what a template writes."""

    def template_ids(self, text: str) -> list[int]:
        """Encode what a template wrote: names of control tokens are such, nothing is added."""

    def template_pair(self, text: str, length: int) -> tuple[list[int], list[int]]:
        """Encode likewise, and split the tokens behind the first characters of the text.

        A token with characters of both parts belongs to the second.
        """

    def word_ids(self, text: str) -> list[int]:
        """Encode a text of which nothing is a control token."""


class Frame:
    """A template around the places of texts.

    Args:
        encoder: Of the model.
        parts: What the template writes, and the characters that stand for texts between, in turn.

    Attributes:
        text: All of it.
    """

    def __init__(self, encoder: Encoder, parts: Sequence[str]) -> None:
        self._encoder = encoder
        self.text = "".join(parts)
        self._control = encoder.control_in(self.text)
        self._written = [encoder.template_ids(part) for part in parts[::2]]
        self._places = [ord(place) - FIRST_PLACE for place in parts[1::2]]
        self._added = [id_ for ids in self._written for id_ in self._controls_in(ids)]

    def ids(self, whole: str, texts: Sequence[str]) -> list[int]:
        """Return the tokens of the texts with the template around them.

        They are those of the whole text. Only where words of the texts look like control tokens is
        each part encoded by itself.

        Args:
            whole: What the template makes of the texts.
            texts: By the numbers of their places.
        """
        ids = self._encoder.template_ids(whole)
        if self._controls_in(ids) == self._added:
            return ids
        first, *others = self._written
        words = [self._encoder.word_ids(text) for text in texts]
        parts = [first]
        for place, after in zip(self._places, others, strict=True):
            parts += [words[place], after]
        return [id_ for part in parts for id_ in part]

    def pair(self, whole: str, texts: Sequence[str], answer: str) -> tuple[list[int], list[int]]:
        """Return the tokens of the texts with the template around them, and of an answer to them.

        Both are encoded as one text, in which a token with characters of both belongs to the
        answer. Only where words of theirs look like control tokens is each encoded by itself.

        Args:
            whole: As :meth:`ids` takes it.
            texts: As :meth:`ids` takes them.
            answer: Anything.
        """
        before, after = self._encoder.template_pair(whole + answer, len(whole))
        if self._controls_in([*before, *after]) != self._added:
            return self.ids(whole, texts), self._encoder.word_ids(answer)
        return before, after

    def _controls_in(self, ids: Sequence[int]) -> list[int]:
        return [id_ for id_ in ids if id_ in self._control]


class FramedTexts:
    """Prompts around which a template of the suite stands, as tokens.

    What does not depend on the texts is worked out once.

    Args:
        encoder: Of the model.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._frames: dict[tuple[str, ...], Frame] = {}

    @property
    def begin(self) -> list[int]:
        """What the tokenizer puts in front of a text."""
        return self._encoder.begin

    def ids(self, prompt: FramedText) -> list[int]:
        """Return the tokens of a prompt, those for the beginning of a text among them."""
        return self._begun(self._frame(prompt).ids(str(prompt), prompt.texts))

    def pair(self, prompt: FramedText, answer: str) -> tuple[list[int], list[int]]:
        """Return the tokens of a prompt as :meth:`ids` does, and of an answer to it."""
        before, after = self._frame(prompt).pair(str(prompt), prompt.texts, answer)
        return self._begun(before), after

    def _frame(self, prompt: FramedText) -> Frame:
        if prompt.frame not in self._frames:
            parts = list(prompt.parts)
            parts[1::2] = places(len(prompt.texts))
            self._frames[prompt.frame] = Frame(self._encoder, parts)
        return self._frames[prompt.frame]

    def _begun(self, ids: list[int]) -> list[int]:
        """Put the tokens for the beginning in front, unless the template wrote them itself."""
        begin = self.begin
        return ids if ids[: len(begin)] == begin else [*begin, *ids]


def in_front(plain: list[int], whole: list[int]) -> list[int]:
    """Return what a tokenizer puts in front of a text.

    Args:
        plain: The tokens of any text by itself.
        whole: The same with what the tokenizer adds.
    """
    starts = (at for at in range(len(whole)) if whole[at : at + len(plain)] == plain)
    return whole[: next(starts, 0)]


def split_behind(
    ids: list[int], offsets: Sequence[tuple[int, int]], length: int
) -> tuple[list[int], list[int]]:
    """Split the tokens of a text behind its first characters.

    Args:
        ids: Of the text.
        offsets: First character of each token, and the one behind its last.
        length: How many characters belong to the first part; a token that has characters of both
            belongs to the second.
    """
    split = next((at for at, (_, end) in enumerate(offsets) if end > length), len(ids))
    return ids[:split], ids[split:]
