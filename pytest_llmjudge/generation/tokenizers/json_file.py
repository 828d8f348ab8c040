"""A ``tokenizer.json``, run by the package tokenizers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import tokenizers

from pytest_llmjudge.errors import CheckpointError, LlmJudgeError, one_line
from pytest_llmjudge.generation.tokenizers.bounds import bounded
from pytest_llmjudge.generation.tokenizers.control import ControlTokenizer
from pytest_llmjudge.generation.tokenizers.frames import in_front
from pytest_llmjudge.generation.tokenizers.roles import END_NAMES, ends_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_llmjudge.generation.tokenizers.roles import Roles

__all__ = ["JsonTokenizer", "read_json_tokenizer", "unadded_ids"]

_UNKNOWN = "\U0010fffd"
"""A character of which no tokenizer has a token of its own."""


class JsonTokenizer(ControlTokenizer):
    """A tokenizer of the package tokenizers.

    Args:
        backend: The tokenizer, which neither cuts nor pads.
        added: Its added tokens by their numbers, but for one that stands for what has none.
        text_size: One more than the largest id that it gives to text.
        ends: The tokens that end a text, the one of an answer first.
        controls: Numbers of the control tokens by their names.
        file: For messages.
    """

    def __init__(
        self,
        backend: tokenizers.Tokenizer,
        added: Mapping[int, tokenizers.AddedToken],
        text_size: int,
        ends: tuple[int, ...],
        controls: Mapping[str, int],
        *,
        file: Path,
    ) -> None:
        with _in_one_line(file, "encode a text"):
            begin = _begin(backend)
        super().__init__(text_size, begin, ends, controls)
        self._file = file
        self._backend = backend
        self._added = added

    def spans(self, text: str, *, control: bool) -> tuple[list[int], Sequence[tuple[int, int]]]:
        """Encode a text without lone surrogates; see :meth:`.ControlTokenizer.spans`."""
        if self._backend.encode_special_tokens is control:
            self._backend.encode_special_tokens = not control
        with _in_one_line(self._file, "encode a text"):
            encoded = self._backend.encode(text, add_special_tokens=False)
        return encoded.ids, encoded.offsets

    def word_ids(self, text: str) -> list[int]:
        """Encode a text as if there were no added tokens, special or not."""
        with _in_one_line(self._file, "encode a text"):
            return unadded_ids(self._backend, text)

    def control_in(self, template: str) -> frozenset[int]:
        """Return the special tokens, and added ones that a template uses as such."""
        return frozenset(
            number
            for number, token in self._added.items()
            if token.special or (token.content.strip() and token.content in template)
        )

    def decode(self, ids: Sequence[int]) -> str:
        """Decode tokens, control tokens left out."""
        with _in_one_line(self._file, "decode a text"):
            text: str = self._backend.decode(ids, skip_special_tokens=True)
        return text


def read_json_tokenizer(file: Path, content: bytes, roles: Roles, rows: int) -> JsonTokenizer:
    """Make a tokenizer of a file's content.

    Args:
        file: For messages.
        content: What it holds.
        roles: What settings beside it say.
        rows: How many tokens the model knows.

    Raises:
        CheckpointError: It is no tokenizer, or nothing says which token ends a text.
    """
    with _in_one_line(file, "read it"):
        backend = tokenizers.Tokenizer.from_buffer(bounded(file, content))
        # Some raise for what they do not know, which nobody should learn in the middle of a run.
        backend.encode(_UNKNOWN)
    backend.add_special_tokens(
        [name for name in sorted(roles.names) if backend.token_to_id(name) is not None]
    )
    added = backend.get_added_tokens_decoder()
    in_text = [number for number, token in added.items() if not token.special]
    text_size = (
        max([*backend.get_vocab(with_added_tokens=False).values(), *in_text], default=-1) + 1
    )
    # A text may have the token that stands for what has none; some models end texts with the same.
    unknown = {roles.unknown, getattr(backend.model, "unk_token", None)} - {roles.end, *END_NAMES}
    added = {number: token for number, token in added.items() if token.content not in unknown}
    controls = {
        token.content: number
        for number, token in sorted(added.items())
        # A tokenizer for several models may have tokens that this one lacks, as for pictures.
        if token.special and number < rows
    }
    ends = ends_of(file, roles, controls, (), rows)
    return JsonTokenizer(backend, added, text_size, ends, controls, file=file)


@contextmanager
def _in_one_line(file: Path, what: str) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        # What panics in the library is no Exception.
        is_other = isinstance(error, LlmJudgeError) or not isinstance(error, Exception)
        if is_other and type(error).__name__ != "PanicException":
            raise
        problem = f"tokenizers {tokenizers.__version__} cannot {what} ({one_line(str(error), 200)})"
        hint = "copy it again, or pip install --upgrade tokenizers"
        raise CheckpointError(str(file), problem, hint) from None


def _begin(backend: tokenizers.Tokenizer) -> list[int]:
    """Return what is put in front of a text, which the file decides, as it does in transformers."""
    plain, whole = (backend.encode("a", add_special_tokens=begin).ids for begin in (False, True))
    return in_front(plain, whole)


def unadded_ids(backend: tokenizers.Tokenizer, text: str) -> list[int]:
    """Encode a text as if a tokenizer had no added tokens, special or not."""
    if backend.normalizer is not None:
        text = backend.normalizer.normalize_str(text)
    pieces = [text]
    if backend.pre_tokenizer is not None:
        pieces = [piece for piece, _ in backend.pre_tokenizer.pre_tokenize_str(text)]
    return [token.id for piece in pieces for token in backend.model.tokenize(piece)]
