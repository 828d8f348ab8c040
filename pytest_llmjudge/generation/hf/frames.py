"""Tokenizes templated prompts: only the template writes control tokens.

A control token is one that ends a turn or opens another, such as ``<|im_end|>``. In a record such
words stay words.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.framing import FIRST_PLACE, places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.framing import FramedText

__all__ = ["Frame", "FramedTexts", "Tokenizer", "split_behind", "text_ids"]

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


class Frame:
    """A template around the places of texts.

    Args:
        tokenizer: Of transformers.
        parts: What the template writes, and the characters that stand for texts between, in turn.

    Attributes:
        text: All of it.
    """

    def __init__(self, tokenizer: Tokenizer, parts: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self.text = "".join(parts)
        self._control = _control(tokenizer, self.text)
        self._written = [_template_ids(tokenizer, part) for part in parts[::2]]
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
        ids = _template_ids(self._tokenizer, whole)
        if self._controls_in(ids) == self._added:
            return ids
        first, *others = self._written
        words = [_words(self._tokenizer, text) for text in texts]
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
            answer: Anything; the tokenizer has to be a fast one.
        """
        encoded = self._tokenizer(
            whole + answer, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        ids: list[int] = encoded["input_ids"]
        if self._controls_in(ids) != self._added:
            return self.ids(whole, texts), _words(self._tokenizer, answer)
        return split_behind(ids, encoded["offset_mapping"], len(whole))

    def _controls_in(self, ids: Sequence[int]) -> list[int]:
        return [id_ for id_ in ids if id_ in self._control]


class FramedTexts:
    """Prompts around which a template of the suite stands, as tokens.

    What does not depend on the texts is worked out once.

    Args:
        tokenizer: Of transformers.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._frames: dict[tuple[str, ...], Frame] = {}

    def ids(self, prompt: FramedText) -> list[int]:
        """Return the tokens of a prompt, those for the beginning of a text among them."""
        return self._begun(self._frame(prompt).ids(str(prompt), prompt.texts))

    def pair(self, prompt: FramedText, answer: str) -> tuple[list[int], list[int]]:
        """Return the tokens of a prompt as :meth:`ids` does, and of an answer to it.

        Args:
            prompt: Anything.
            answer: Anything; the tokenizer has to be a fast one.
        """
        before, after = self._frame(prompt).pair(str(prompt), prompt.texts, answer)
        return self._begun(before), after

    def _frame(self, prompt: FramedText) -> Frame:
        if prompt.frame not in self._frames:
            parts = list(prompt.parts)
            parts[1::2] = places(len(prompt.texts))
            self._frames[prompt.frame] = Frame(self._tokenizer, parts)
        return self._frames[prompt.frame]

    def _begun(self, ids: list[int]) -> list[int]:
        """Put the tokens for the beginning in front, unless the template wrote them itself."""
        begin = self._begin
        return ids if ids[: len(begin)] == begin else [*begin, *ids]

    @cached_property
    def _begin(self) -> list[int]:
        plain, whole = (text_ids(self._tokenizer, "a", begin=begin) for begin in (False, True))
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


def _template_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    # The template has written the token for the beginning itself, where the model wants one.
    ids: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return ids


def _control(tokenizer: Tokenizer, template: str) -> set[int]:
    """Return the special tokens, and those that the template uses as such."""
    return {
        number
        for number, token in tokenizer.added_tokens_decoder.items()
        if token.special or (token.content.strip() and token.content in template)
    } - {tokenizer.unk_token_id}


def _words(tokenizer: Tokenizer, text: str) -> list[int]:
    """Return a text's tokens as if the tokenizer had no added ones, special or not."""
    if not tokenizer.is_fast:
        return text_ids(tokenizer, text, begin=False)
    steps = tokenizer.backend_tokenizer
    if steps.normalizer is not None:
        text = steps.normalizer.normalize_str(text)
    pieces = [text]
    if steps.pre_tokenizer is not None:
        pieces = [piece for piece, _ in steps.pre_tokenizer.pre_tokenize_str(text)]
    return [token.id for piece in pieces for token in steps.model.tokenize(piece)]
