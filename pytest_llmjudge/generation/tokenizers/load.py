"""Loads the tokenizer of a checkpoint, and holds it to the model's size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.tokenizers.files import OPTION, no_tokenizer, read_part
from pytest_llmjudge.generation.tokenizers.roles import read_roles

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_llmjudge.generation.files.contents import Stamp
    from pytest_llmjudge.generation.tokenizers.base import Tokenizer
    from pytest_llmjudge.generation.tokenizers.files import TokenizerFiles
    from pytest_llmjudge.generation.tokenizers.roles import Roles

__all__ = ["load_tokenizer"]

_MOST_PADDING = 0.1
"""Which part of a model's rows may lack a token: published models pad by at most 3 %."""


def load_tokenizer(
    path: Path,
    files: TokenizerFiles | None,
    vocab_size: int,
    stamps: Mapping[Path, Stamp] | None = None,
) -> Tokenizer:
    """Load the tokenizer of a checkpoint; GPT-2's own may be downloaded.

    Args:
        path: The checkpoint, for messages.
        files: Of the tokenizer; ``None`` where there are none.
        vocab_size: How many tokens the model knows.
        stamps: Of the files whose content is known already.

    Raises:
        ContentChangedError: A file may hold something else now.
        CheckpointError: The tokenizer cannot be had, or it is not the model's.
    """
    if files is None:
        raise no_tokenizer(path)
    known = stamps or {}
    if files.kind in ("gpt2", "ranks"):
        from pytest_llmjudge.generation.tokenizers.byte_pairs import load_ranks

        stamp = known.get(files.file) if files.file else None
        return load_ranks(path, files.file, vocab_size, stamp)
    assert files.file is not None  # noqa: S101 - only GPT-2's own has none
    content = read_part(files.file, known)
    tokenizer = _read(files.file, content, read_roles(files, known), vocab_size)
    is_too_small = tokenizer.size < (1 - _MOST_PADDING) * vocab_size and not files.is_chosen
    if tokenizer.text_size > vocab_size or is_too_small:
        count = max(tokenizer.text_size, tokenizer.size)
        problem = f"the model knows {vocab_size} tokens and {files.name} has {count}"
        hint = f"put the tokenizer that it was trained with beside it, or name it with {OPTION}"
        raise CheckpointError(str(path), problem, hint)
    return tokenizer


def _read(file: Path, content: bytes, roles: Roles, rows: int) -> Tokenizer:
    try:
        if file.name.endswith(".json"):
            from pytest_llmjudge.generation.tokenizers.json_file import read_json_tokenizer

            return read_json_tokenizer(file, content, roles, rows)
        from pytest_llmjudge.generation.tokenizers.llama3 import has_ranks, read_llama3_tokenizer

        if has_ranks(content):
            return read_llama3_tokenizer(file, content, roles, rows)
        from pytest_llmjudge.generation.tokenizers.sentence_pieces import read_sentence_pieces

        return read_sentence_pieces(file, content, roles, rows)
    except ModuleNotFoundError as error:
        problem = f"it needs the package {error.name}"
        raise CheckpointError(
            str(file), problem, 'pip install "pytest-llmjudge[tokenizers]"'
        ) from None
