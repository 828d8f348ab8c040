"""Llama 3's ``tokenizer.model``: ranks for tiktoken, with the tokens that Meta published."""

from __future__ import annotations

import re
from itertools import accumulate, chain
from typing import TYPE_CHECKING

import tiktoken

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.tokenizers.byte_pairs import (
    least_tokens,
    longest_token,
    parse_ranks,
)
from pytest_llmjudge.generation.tokenizers.control import ControlTokenizer
from pytest_llmjudge.generation.tokenizers.roles import ends_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_llmjudge.generation.tokenizers.roles import Roles

__all__ = ["Llama3Tokenizer", "has_ranks", "read_llama3_tokenizer"]

_RANKS = 128_000
_CONTROLS = 256
_BEGIN, _END = "<|begin_of_text|>", "<|end_of_text|>"
_NAMES = (
    _BEGIN,
    _END,
    "<|reserved_special_token_0|>",
    "<|reserved_special_token_1|>",
    "<|finetune_right_pad_id|>",
    "<|step_id|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|python_tag|>",
    "<|image|>",
)
"""Of the control tokens behind the ranks, as since Llama 3.2; all others are reserved from 2 on."""

_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Where Meta's tokenizer.py splits text before it merges."""

_LONG_RUN = re.compile(r"\s{25000}(?=\s)|\S{25000}(?=\S)")
"""Behind which Meta's tokenizer.py cuts a text: endless white space overflows tiktoken's stack."""

_FIRST_LINE = re.compile(rb"[A-Za-z0-9+/]+=* \d+\r?\n")


class Llama3Tokenizer(ControlTokenizer):
    """Llama 3's byte-pair encoding.

    Args:
        encoding: Of tiktoken.
        begin: What it puts in front of a text.
        ends: The tokens that end a text, the one of an answer first.
        controls: Numbers of the control tokens by their names.
    """

    def __init__(
        self,
        encoding: tiktoken.Encoding,
        begin: list[int],
        ends: tuple[int, ...],
        controls: Mapping[str, int],
    ) -> None:
        super().__init__(encoding.n_vocab - _CONTROLS, begin, ends, controls)
        self._encoding = encoding
        self._control = frozenset(controls.values())
        self._longest = longest_token(encoding)

    def spans(self, text: str, *, control: bool) -> tuple[list[int], Sequence[tuple[int, int]]]:
        """Encode a text without lone surrogates; see :meth:`.ControlTokenizer.spans`."""
        ids = self._template_ids(text) if control else self.word_ids(text)
        # A character is counted at its first byte, the only one that UTF-8 begins otherwise.
        begun = (
            sum(byte & 0xC0 != 0x80 for byte in self._encoding.decode_single_token_bytes(number))
            for number in ids
        )
        ends = list(accumulate(begun))
        return ids, list(zip([0, *ends], ends, strict=False))

    def word_ids(self, text: str) -> list[int]:
        """Encode a text of which nothing is a control token."""
        parts = map(self._encoding.encode_ordinary, _parts(text))
        return list(chain.from_iterable(parts))

    def _template_ids(self, text: str) -> list[int]:
        parts = (self._encoding.encode(part, allowed_special="all") for part in _parts(text))
        return list(chain.from_iterable(parts))

    def decode(self, ids: Sequence[int]) -> str:
        """Decode tokens, control tokens left out."""
        return self._encoding.decode([number for number in ids if number not in self._control])

    def at_least(self, text: str) -> int:
        """Return a lower bound of the number of tokens, computed without encoding the text."""
        return least_tokens(text, self._longest)


def _parts(text: str) -> Iterator[str]:
    start = 0
    for run in _LONG_RUN.finditer(text):
        yield text[start : run.end()]
        start = run.end()
    yield text[start:]


def has_ranks(content: bytes) -> bool:
    """Tell a file of ranks from a model of sentencepiece."""
    return _FIRST_LINE.match(content) is not None


def read_llama3_tokenizer(file: Path, content: bytes, roles: Roles, rows: int) -> Llama3Tokenizer:
    """Make a tokenizer of a file's content.

    Args:
        file: For messages.
        content: What it holds.
        roles: What settings beside it say.
        rows: How many tokens the model knows.

    Raises:
        CheckpointError: It is damaged, or the tokenizer of another family.
    """
    ranks = parse_ranks(file, content)
    if len(ranks) != _RANKS:
        problem = f"it has {len(ranks):,} ranks, and only Llama 3's {_RANKS:,} are known"
        raise CheckpointError(str(file), problem, "put the model's tokenizer.json there instead")
    reserved = range(2, 2 + _CONTROLS - len(_NAMES))
    names = (*_NAMES, *(f"<|reserved_special_token_{number}|>" for number in reserved))
    controls = {name: number for number, name in enumerate(names, start=_RANKS)}
    encoding = tiktoken.Encoding(
        file.name, pat_str=_PATTERN, mergeable_ranks=ranks, special_tokens=controls
    )
    ends = ends_of(file, roles, controls, [controls[_END]], rows)
    begin = [] if roles.adds_begin is False else [controls[_BEGIN]]
    return Llama3Tokenizer(encoding, begin, ends, controls)
