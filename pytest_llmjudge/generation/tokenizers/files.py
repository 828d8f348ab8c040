"""Finds the files of a checkpoint's tokenizer, without reading them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.families.gpt2.config_file import places_of, stems_of
from pytest_llmjudge.generation.families.gpt2.key_mapping import GPT2_VOCABULARY
from pytest_llmjudge.generation.files.contents import open_same
from pytest_llmjudge.generation.files.names import stem_of
from pytest_llmjudge.generation.files.state_dict import refuse_pointer, unreadable
from pytest_llmjudge.paths import instead_of_file
from pytest_llmjudge.reading import open_file, read_stream

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_llmjudge.generation.files.contents import Stamp

__all__ = ["GPT2S_OWN", "OPTION", "TokenizerFiles", "find_tokenizer", "no_tokenizer", "read_part"]

OPTION = "--llm-judge-tokenizer"

Kind = Literal["gpt2", "ranks", "json", "model"]

_JSON, _MODEL, _RANKS = "tokenizer.json", "tokenizer.model", ".tiktoken"
_LIMIT = 1 << 27
"""Bytes of a file: the largest known, with 262,144 tokens, has 33 million."""

# The first that says something wins.
_SETTINGS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_ENDS = ("generation_config.json", "config.json")


@dataclass(frozen=True, slots=True)
class TokenizerFiles:
    """Which files make up a tokenizer.

    Attributes:
        kind: Of ``file``: GPT-2's own, which tiktoken brings; ranks for it; a ``tokenizer.json``;
            a ``tokenizer.model``, of sentencepiece or with Llama 3's ranks.
        file: The tokenizer; ``None`` for GPT-2's own.
        settings: Files that say how it is used, those that are there.
        is_chosen: Whether the user named it.
    """

    kind: Kind
    file: Path | None = None
    settings: tuple[Path, ...] = ()
    is_chosen: bool = False

    @property
    def files(self) -> tuple[Path | None, ...]:
        """All of them; the first is the tokenizer."""
        return (self.file, *self.settings)

    @property
    def has_controls(self) -> bool:
        """Whether it has control tokens that templates may write."""
        return self.kind in ("json", "model")

    @property
    def name(self) -> str:
        """For messages."""
        return "GPT-2's tokenizer" if self.file is None else self.file.name


GPT2S_OWN = TokenizerFiles("gpt2")


def find_tokenizer(
    path: Path, vocab_size: int | None, *, chosen: Path | None = None, is_gpt2: bool = True
) -> TokenizerFiles | None:
    """Find the tokenizer of a checkpoint.

    Files with the checkpoint's own stem come first, then those of its folder; for a link also those
    where it leads. The folder's are not looked at for a GPT-2 with GPT-2's vocabulary.

    Args:
        path: The file of weights, or an index of several.
        vocab_size: How many tokens the model knows; ``None`` if only torch can tell.
        chosen: A tokenizer's file, or a folder that holds one, whatever lies beside the checkpoint.
        is_gpt2: Whether the model is a GPT-2, which has GPT-2's tokenizer where it has no other.

    Returns:
        The files; ``None`` where there are none and no other tokenizer can be meant.

    Raises:
        CheckpointError: What was chosen is no tokenizer.
    """
    if chosen is not None:
        return _chosen(chosen, path, is_gpt2=is_gpt2)
    has_gpt2s = vocab_size == GPT2_VOCABULARY
    for place in places_of(path):
        for stem in stems_of(place):
            for suffix in (_RANKS, f".{_JSON}", f".{_MODEL}"):
                own = place.with_name(stem + suffix)
                # In the place of a broken link no other tokenizer must be taken.
                if os.path.lexists(own):
                    return _files(own, stem=f"{stem}.", checkpoint=place)
        if is_gpt2 and has_gpt2s:
            continue
        file = _in_folder(place.parent, place, is_gpt2=is_gpt2)
        # What is as old as a file that only torch can read has no other tokenizer than GPT-2's.
        if file is not None and (vocab_size is not None or file.name.endswith(_RANKS)):
            return _files(file, checkpoint=place)
    return GPT2S_OWN if is_gpt2 or has_gpt2s else None


def no_tokenizer(path: Path) -> CheckpointError:
    """Make the error of a checkpoint without a tokenizer."""
    own = f"{stem_of(path)}{_RANKS}"
    problem = f"no tokenizer lies beside it ({_JSON}, {_MODEL} or {own})"
    hint = f"put the one that it was trained with there, or name it with {OPTION}"
    return CheckpointError(str(path), problem, hint)


def read_part(file: Path, stamps: Mapping[Path, Stamp]) -> bytes:
    """Read a file of a tokenizer.

    Args:
        file: Any of them.
        stamps: Of the files whose content is known already.

    Raises:
        ContentChangedError: It may hold something else than is known.
        CheckpointError: It cannot be read.
    """
    stamp = stamps.get(file)
    try:
        with open_file(file) if stamp is None else open_same(file, stamp) as stream:
            content = read_stream(stream, _LIMIT)
    except OSError as error:
        raise unreadable(file, error) from None
    refuse_pointer(file, content)
    return content


def _chosen(chosen: Path, checkpoint: Path, *, is_gpt2: bool) -> TokenizerFiles:
    file: Path | None = chosen
    if os.path.isdir(chosen):  # noqa: PTH112 - pathlib raises where a folder is closed
        file = _in_folder(chosen, checkpoint, is_gpt2=False)
        file = file or _in_folder(chosen, checkpoint, is_gpt2=is_gpt2)
    elif (instead := instead_of_file(chosen)) is not None:
        hint = f"name a {_JSON}, a {_MODEL} or a {_RANKS} file, or a folder with one"
        raise CheckpointError(OPTION, f"{chosen} is {instead}", hint)
    if file is None:
        problem = f"{chosen} holds no tokenizer ({_JSON} or {_MODEL})"
        raise CheckpointError(OPTION, problem, "name the file of the tokenizer")
    return _files(file, checkpoint=checkpoint, is_chosen=True)


def _in_folder(folder: Path, checkpoint: Path, *, is_gpt2: bool) -> Path | None:
    """Return the tokenizer of the checkpoints in a folder."""
    named = [file for name in (_JSON, _MODEL) if os.path.lexists(file := folder / name)]
    # As "Build a Reasoning Model (From Scratch)" has them beside qwen3-0.6B-base.pth and its like.
    kinds = sorted(folder.glob("tokenizer-*.json"))
    own = f"tokenizer-{stem_of(checkpoint).rpartition('-')[2]}.json"
    named += [file for file in kinds if file.name == own]
    # Only a GPT-2 splits text as such a file is read here.
    ranks = sorted(folder.glob(f"*{_RANKS}")) if is_gpt2 else []
    # Of several nobody knows which is meant.
    files = [*(ranks if len(ranks) == 1 else []), *named, *(kinds if len(kinds) == 1 else [])]
    return next(iter(files), None)


def _files(
    file: Path, *, checkpoint: Path, stem: str = "", is_chosen: bool = False
) -> TokenizerFiles:
    """Join a tokenizer with its settings: beside files with a stem, those with the same one."""
    if file.name.endswith(_RANKS):
        return TokenizerFiles("ranks", file, is_chosen=is_chosen)
    kind: Kind = "json" if file.name.endswith(".json") else "model"
    stems = (*(f"{own}." for own in stems_of(checkpoint)), "")
    settings = [file.with_name(f"{stem}{name}") for name in _SETTINGS]
    for name in _ENDS:
        settings += [checkpoint.with_name(f"{own}{name}") for own in stems]
        settings.append(file.with_name(f"{stem}{name}"))
    there = tuple(one for one in dict.fromkeys(settings) if os.path.lexists(one))
    return TokenizerFiles(kind, file, there, is_chosen)
