"""A ``tokenizer.model`` of sentencepiece, as Llama 2, Gemma and Mistral have it."""

from __future__ import annotations

import re
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import sentencepiece

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.tokenizers.control import ControlTokenizer, clean
from pytest_llmjudge.generation.tokenizers.roles import END_NAMES, ends_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_llmjudge.generation.tokenizers.roles import Roles

__all__ = ["SentencePieces", "read_sentence_pieces"]

_OPENING = ("<start_of_turn>", "<|im_start|>")
"""Names of tokens that open a turn."""

_WITHOUT_PREFIX = b"\x1a\x02\x18\x00"
"""Behind a ModelProto: its normalizer_spec with add_dummy_prefix set to false."""

_PIECES, _ID, _SURFACE, _END = 2, 2, 3, 5
"""Fields of a SentencePieceText, and of each of its pieces; ends are in bytes."""


class SentencePieces(ControlTokenizer):
    """A model of sentencepiece.

    Args:
        pieces: The model.
        inner: The same without a space in front of each text.
        begin: What is put in front of a text.
        ends: The tokens that end a text, the one of an answer first.
        controls: Numbers of the control tokens by their names; they may be beyond the model's.
    """

    def __init__(
        self,
        pieces: sentencepiece.SentencePieceProcessor,
        inner: sentencepiece.SentencePieceProcessor,
        begin: list[int],
        ends: tuple[int, ...],
        controls: Mapping[str, int],
    ) -> None:
        super().__init__(pieces.get_piece_size(), begin, ends, controls)
        self._pieces = pieces
        self._inner = inner
        self._left_out = {*controls.values(), pieces.unk_id()}
        names = sorted(controls, key=len, reverse=True)
        self._names = re.compile(f"({'|'.join(map(re.escape, names)) or '(?!)'})")

    def encode(self, text: str) -> list[int]:
        """Encode a text by itself: nothing is added, and names of control tokens are words."""
        text = clean(text)
        ids: list[int] = self._beginning(text).encode(text)
        return ids

    def spans(self, text: str, *, control: bool) -> tuple[list[int], Sequence[tuple[int, int]]]:
        """Encode a text without lone surrogates; see :meth:`.ControlTokenizer.spans`.

        What follows a control token is not the beginning of a text.
        """
        parts = self._names.split(text) if control else [text]
        ids, ends, start = [], [], 0
        for number, part in enumerate(parts):
            if number % 2:
                ids.append(self.controls[part])
                ends.append(start + len(part))
            elif part:
                pieces = self._inner if number else self._beginning(part)
                for token, end in _encode(pieces, part):
                    ids.append(token)
                    ends.append(start + end)
            start += len(part)
        return ids, list(zip([0, *ends], ends, strict=False))

    def _beginning(self, text: str) -> sentencepiece.SentencePieceProcessor:
        """Return what encodes the beginning of a text: a space in front is added if it has none.

        So does transformers; the library by itself would add another one.
        """
        return self._inner if text.startswith(" ") else self._pieces

    def word_ids(self, text: str) -> list[int]:
        """Encode words that stand inside of a text."""
        ids: list[int] = self._inner.encode(text)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Decode tokens, control tokens left out."""
        text: str = self._pieces.decode([number for number in ids if number not in self._left_out])
        return text


def read_sentence_pieces(file: Path, content: bytes, roles: Roles, rows: int) -> SentencePieces:
    """Make a tokenizer of a file's content.

    Args:
        file: For messages.
        content: What it holds.
        roles: What settings beside it say.
        rows: How many tokens the model knows.

    Raises:
        CheckpointError: It is no tokenizer, or nothing says which token ends a text.
    """
    controls = {*END_NAMES, *_OPENING, *roles.names}
    content = _with_controls(content, controls)
    try:
        pieces, inner = (
            sentencepiece.SentencePieceProcessor(model_proto=content + more)
            for more in (b"", _WITHOUT_PREFIX)
        )
        size = pieces.get_piece_size()
        # The library decodes the name of a piece only when somebody asks for it.
        names = [pieces.id_to_piece(number) for number in range(size)]
    except (RuntimeError, ValueError):
        problem = "it is neither a model of sentencepiece nor Llama 3's ranks"
        raise CheckpointError(str(file), problem, "copy it again") from None
    numbers = {name: number for number, name in enumerate(names) if pieces.is_control(number)}
    numbers |= {name: number for name, number in roles.added.items() if size <= number < rows}
    own = [pieces.eos_id()] if pieces.eos_id() >= 0 else []
    ends = ends_of(file, roles, numbers, own, rows)
    begin = numbers.get(roles.begin or "", pieces.bos_id())
    has_begin = begin >= 0 and roles.adds_begin is not False
    return SentencePieces(pieces, inner, [begin] if has_begin else [], ends, numbers)


def _with_controls(content: bytes, names: set[str]) -> bytes:
    """Make control tokens of user-defined ones with some names, which text would become.

    Each piece of a ModelProto is its name, its score and its type: 4 is user-defined, 3 control.
    """
    encoded = (name.encode() for name in names)
    known = b"|".join(re.escape(bytes([len(name)]) + name) for name in encoded if len(name) < 128)
    return re.sub(b"(\x0a(?:" + known + b")(?:\x15.{4})?\x18)\x04", b"\\1\x03", content, flags=re.S)


def _encode(pieces: sentencepiece.SentencePieceProcessor, text: str) -> Iterator[tuple[int, int]]:
    """Yield each token of a text, with the character behind its last."""
    tokens = [
        dict(_fields(token))
        for field, token in _fields(pieces.encode(text, out_type="serialized_proto"))
        if field == _PIECES
    ]
    ids = [token[_ID] for token in tokens]
    ends = [token[_END] for token in tokens]
    # A character of several bytes has a token for each, and only the last of them ends behind it.
    for at in reversed(range(len(ids) - 1)):
        if pieces.is_byte(ids[at]) and not tokens[at].get(_SURFACE):
            ends[at] = ends[at + 1]
    content = text.encode()
    parts = pairwise([0, *ends])
    lengths = (len(content[start:end].decode()) for start, end in parts)
    return zip(ids, accumulate(lengths), strict=True)


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the fields of a SentencePieceText, whose values are numbers or bytes."""
    place = 0
    while place < len(message):
        key, place = _number(message, place)
        value, place = _number(message, place)
        if key & 7:
            place += value
            yield key >> 3, message[place - value : place]
        else:
            yield key >> 3, value


def _number(message: bytes, place: int) -> tuple[int, int]:
    """Read a number of variable length; return it and the place behind it."""
    value = shift = 0
    while message[place] & 0x80:
        value |= (message[place] & 0x7F) << shift
        place, shift = place + 1, shift + 7
    return value | message[place] << shift, place + 1
