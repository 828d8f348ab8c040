"""What tokenizers with control tokens have in common."""

from __future__ import annotations

import re
from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_llmjudge.generation.tokenizers.base import Tokenizer
from pytest_llmjudge.generation.tokenizers.frames import FramedTexts, split_behind
from pytest_llmjudge.records.framing import FramedText

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

__all__ = ["ControlTokenizer", "clean"]

_SURROGATES = re.compile("[\ud800-\udfff]")


class ControlTokenizer(Tokenizer):
    """A tokenizer whose control tokens templates may write; an :class:`.Encoder` as well.

    Args:
        text_size: One more than the largest id that it gives to text.
        begin: What it puts in front of a text.
        ends: The tokens that end a text, the one of an answer first.
        controls: Numbers of the control tokens by their names.
    """

    def __init__(
        self, text_size: int, begin: list[int], ends: tuple[int, ...], controls: Mapping[str, int]
    ) -> None:
        self.text_size = text_size
        self.size = max(text_size, *(number + 1 for number in controls.values()))
        self.begin = begin
        self.ends = frozenset(ends)
        self.special_tokens = frozenset(name for name in controls if name.strip())
        self.controls = controls
        self._end = ends[0]

    @abstractmethod
    def spans(self, text: str, *, control: bool) -> tuple[list[int], Sequence[tuple[int, int]]]:
        """Encode a text without lone surrogates, nothing added.

        Args:
            text: The text.
            control: Whether names of control tokens in it are such, else they are words.

        Returns:
            The tokens, and for each its first character and the one behind its last.
        """

    @abstractmethod
    def word_ids(self, text: str) -> list[int]:
        """Encode a text of which nothing is a control token."""

    def encode(self, text: str) -> list[int]:
        """Encode a text by itself: nothing is added, and names of control tokens are words."""
        return self.spans(clean(text), control=False)[0]

    def encode_prompt(self, prompt: str) -> list[int]:
        """Encode the beginning of a text; in a :class:`.FramedText` a template may write control.

        Args:
            prompt: Anything.
        """
        if isinstance(prompt, FramedText):
            return self._framed.ids(_clean_framed(prompt))
        return [*self.begin, *self.encode(prompt)]

    def encode_pair(self, prompt: str, reference: str) -> tuple[list[int], list[int]]:
        """Encode a prompt and what follows it as one text, and split the tokens between the two."""
        reference = clean(reference)
        if isinstance(prompt, FramedText):
            return self._framed.pair(_clean_framed(prompt), reference)
        ids, offsets = self.spans(clean(prompt) + reference, control=False)
        before, after = split_behind(ids, offsets, len(prompt))
        return [*self.begin, *before], after

    def end_behind(self, prompt: str) -> int:
        """Return the token that ends an answer: the template's own, where it writes one."""
        written = prompt.frame if isinstance(prompt, FramedText) else ()
        closing = [
            number
            for name, number in self.controls.items()
            if number in self.ends and any(name in part for part in written)
        ]
        return closing[0] if closing else self._end

    def named(self, names: Collection[str]) -> frozenset[int]:
        """Return the control tokens among some names, which no decoded text holds."""
        return frozenset(self.controls[name] for name in names if name in self.controls)

    def control_in(self, template: str) -> frozenset[int]:  # noqa: ARG002 - whatever it writes
        """Return the tokens that are control tokens in what a template writes."""
        return frozenset(self.controls.values())

    def template_ids(self, text: str) -> list[int]:
        """Encode what a template wrote: names of control tokens are such, nothing is added."""
        return self.spans(text, control=True)[0]

    def template_pair(self, text: str, length: int) -> tuple[list[int], list[int]]:
        """Encode likewise, and split the tokens behind the first characters of the text."""
        ids, offsets = self.spans(text, control=True)
        return split_behind(ids, offsets, length)

    @cached_property
    def _framed(self) -> FramedTexts:
        return FramedTexts(self)


def clean(text: str) -> str:
    """Replace lone surrogates, which JSON can hold and no tokenizer takes."""
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)


def _clean_framed(prompt: FramedText) -> FramedText:
    return FramedText(map(clean, prompt.parts))
