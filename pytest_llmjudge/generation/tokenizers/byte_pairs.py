"""Turns text into GPT-2 tokens and back, with GPT-2's own ranks or those beside a checkpoint."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import tiktoken

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.families.gpt2.key_mapping import GPT2_VOCABULARY
from pytest_llmjudge.generation.files.contents import content_of, open_same
from pytest_llmjudge.generation.files.names import stem_of
from pytest_llmjudge.generation.files.state_dict import refuse_pointer, unreadable
from pytest_llmjudge.generation.tokenizers.base import Tokenizer
from pytest_llmjudge.reading import SETTINGS_LIMIT, read_stream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_llmjudge.generation.files.contents import Stamp

__all__ = ["BytePairs", "least_tokens", "load_ranks", "longest_token", "parse_ranks"]

END = "<|endoftext|>"

_MOST_ROWS = 51_200
"""Rows of a model with GPT-2's tokens, whose vocabulary may be padded to a multiple of 1,024."""

# Where GPT-2 splits text before it merges: contractions, words, numbers, signs, white space.
_PATTERN = r"'(?:[sdmt]|ll|re|ve)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


class BytePairs(Tokenizer):
    """A byte-pair encoding with one special token, which ends a text.

    Attributes:
        end: Id of the special token.
    """

    def __init__(self, encoding: tiktoken.Encoding) -> None:
        self.size = self.text_size = encoding.n_vocab
        self.end = encoding.eot_token
        self.ends = frozenset([self.end])
        self._encoding = encoding
        self._longest = longest_token(encoding)

    def encode(self, text: str) -> list[int]:
        """Encode a prompt; ``<|endoftext|>`` in it is ordinary text.

        The lecture's code makes it the special token. But a prompt is data: what a record says
        must not be able to end a text or to reach a token that people cannot type.
        """
        return self._encoding.encode_ordinary(text)

    def encode_prompt(self, prompt: str) -> list[int]:
        """Encode a prompt; nothing is put in front."""
        return self.encode(prompt)

    def encode_pair(self, prompt: str, reference: str) -> tuple[list[int], list[int]]:
        """Encode a prompt and what follows it as one text, and split the tokens between the two.

        A token with bytes of both belongs to the reference.
        """
        ids = self.encode(prompt + reference)
        rest = len(prompt.encode())
        for place, token in enumerate(ids):
            rest -= len(self._encoding.decode_single_token_bytes(token))
            if rest < 0:
                return ids[:place], ids[place:]
        return ids, []

    def end_behind(self, prompt: str) -> int:  # noqa: ARG002 - there is only one
        """Return the token that ends an answer."""
        return self.end

    def decode(self, ids: Sequence[int]) -> str:
        """Decode tokens; bytes that are no UTF-8, as in half a character, become U+FFFD."""
        return self._encoding.decode(ids)

    def ends_with(self, texts: Sequence[str], ids: Sequence[int]) -> bool:
        """Say whether one of ``texts`` is in the text of ``ids`` with their last token.

        Only the end is looked at: it is asked after each token, so that it was not in it before.
        """
        wanted = [text.encode() for text in texts]
        # A token has at least a byte.
        end = self._encoding.decode_bytes(ids[-max(map(len, wanted)) :])
        return any(text in end for text in wanted)

    def at_least(self, text: str) -> int:
        """A lower bound of the number of tokens, computed without encoding the text."""
        return least_tokens(text, self._longest)


def longest_token(encoding: tiktoken.Encoding) -> int:
    """Return how many bytes the longest token has."""
    return max(map(len, encoding.token_byte_values()))


def least_tokens(text: str, longest: int) -> int:
    """Return how many tokens a text has at least if none has more than some bytes."""
    return -(-len(text.encode(errors="replace")) // longest)


def load_ranks(
    path: Path, ranks: Path | None, vocab_size: int, stamp: Stamp | None = None
) -> BytePairs:
    """Load GPT-2's tokenizer, or one that splits text as it does.

    Args:
        path: The checkpoint, for messages.
        ranks: A file with a line for each token, its bytes in base64 and its rank; ``None`` for
            GPT-2's tokenizer.
        vocab_size: How many tokens the model knows.
        stamp: Of the file of ranks, where its content is known already.

    Raises:
        ContentChangedError: The file of ranks may hold something else now.
        CheckpointError: The tokenizer cannot be had, or it is not the model's.
    """
    tokenizer = BytePairs(_gpt2(path) if ranks is None else _read_encoding(ranks, stamp))
    is_padded = tokenizer.size == GPT2_VOCABULARY < vocab_size <= _MOST_ROWS
    if tokenizer.size != vocab_size and not is_padded:
        name = "GPT-2's tokenizer" if ranks is None else ranks.name
        problem = f"the model knows {vocab_size} tokens and {name} has {tokenizer.size}"
        hint = f"put the ranks that it was trained with into {stem_of(path)}.tiktoken beside it"
        raise CheckpointError(str(path), problem, hint)
    return tokenizer


def _gpt2(path: Path) -> tiktoken.Encoding:
    try:
        return tiktoken.get_encoding("gpt2")
    except (OSError, ValueError):
        problem = "GPT-2's tokenizer is not on this machine and cannot be downloaded"
        hint = (
            "run python -c \"import tiktoken; tiktoken.get_encoding('gpt2')\" with a network and "
            "TIKTOKEN_CACHE_DIR=folder, copy the folder here and set TIKTOKEN_CACHE_DIR to it, "
            f"or put {stem_of(path)}.tiktoken beside the checkpoint"
        )
        raise CheckpointError(str(path), problem, hint) from None


def _read_encoding(file: Path, stamp: Stamp | None) -> tiktoken.Encoding:
    try:
        with open_same(file, stamp or content_of(file).stamp) as stream:
            content = read_stream(stream, SETTINGS_LIMIT)
    except OSError as error:
        raise unreadable(file, error) from None
    refuse_pointer(file, content)
    ranks = parse_ranks(file, content)
    # A file of all tokens has the end among them; it is no text.
    end = ranks.pop(END.encode(), len(ranks))
    return tiktoken.Encoding(
        file.name, pat_str=_PATTERN, mergeable_ranks=ranks, special_tokens={END: end}
    )


def parse_ranks(file: Path, content: bytes) -> dict[bytes, int]:
    """Read a line for each token, its bytes in base64 and its rank.

    Args:
        file: For messages.
        content: What it holds.

    Raises:
        CheckpointError: It holds something else, or cannot encode every byte.
    """
    lines = content.splitlines()
    ranks = dict(_parse(file, number, line) for number, line in enumerate(lines, start=1))
    if sorted(ranks.values()) != list(range(len(lines))):
        size = len(lines)
        problem = f"its {size} lines do not give the ranks 0 to {size - 1} to {size} tokens"
        raise _wrong_ranks(file, problem)
    if missing := [byte for byte in range(256) if bytes([byte]) not in ranks]:
        raise _wrong_ranks(file, f"{len(missing)} of the 256 single bytes have no rank")
    return ranks


def _parse(file: Path, number: int, line: bytes) -> tuple[bytes, int]:
    try:
        token, rank = line.split()
        if not rank.isdigit():
            # int() takes signs and underscores as well.
            raise ValueError
        return base64.b64decode(token, validate=True), int(rank)
    except ValueError:
        problem = f"line {number} is not a token in base64, a space and its rank"
        raise _wrong_ranks(file, problem) from None


def _wrong_ranks(file: Path, problem: str) -> CheckpointError:
    return CheckpointError(str(file), problem, "write it again from the tokenizer of the training")
