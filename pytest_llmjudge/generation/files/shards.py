"""Reads a checkpoint that is spread over several files with an index, without torch."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.files.names import name_some, plain_name, shorten, shorten_json
from pytest_llmjudge.generation.files.safetensors import SUFFIX, read_safetensors
from pytest_llmjudge.generation.files.state_dict import (
    COPY,
    StateDict,
    read_torch_file,
    refuse_pointer,
    unreadable,
)
from pytest_llmjudge.reading import (
    RepeatedKeyError,
    parse_json,
    read_file,
    why_no_json,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["INDICES", "files_in", "read_index"]

_LIMIT = 1 << 26
"""Bytes of an index; that of a trillion weights has about fifteen million."""

_MOST_FILES = 10_000
"""Files of one model: the largest known have a few hundred."""

_NAME_BYTES = 255
"""Of a file's name, on every usual file system."""

INDICES = (".safetensors.index.json", ".bin.index.json")


def read_index(path: Path) -> StateDict | None:
    """Read name, type and shape of each tensor.

    Args:
        path: Of the index, which names a file beside it for each tensor.

    Returns:
        What the files hold, or ``None`` if one has the format that torch wrote before version 1.6.

    Raises:
        CheckpointError: The index or a file is missing or damaged, or holds something else.
    """
    weight_map = _weight_map(path)
    read = read_safetensors if _is_safe(path) else read_torch_file
    files = list(dict.fromkeys(weight_map.values()))
    _check_there(path, files)
    # All of them: this refuses a pickle that would run something, before torch does.
    parts = [read(file) for file in files]
    whole = [part for part in parts if part is not None]
    if len(whole) < len(parts):
        return None
    tensors = {name: tensor for part in whole for name, tensor in part.tensors.items()}
    lost = [name for name in weight_map if plain_name(name) not in tensors]
    if lost:
        problem = f"{shorten(lost[0])} is in none of its files"
        raise CheckpointError(str(path), problem, COPY)
    return StateDict(tensors, {})


def _check_there(index: Path, files: Sequence[Path]) -> None:
    # A broken link is there, and whoever opens it says where it leads.
    lost = [file.name for file in files if not os.path.lexists(file)]
    if lost:
        problem = f"{len(lost)} of the {len(files)} files that it names are not beside it"
        hint = "copy or download all of them"
        raise CheckpointError(str(index), f"{problem}: {name_some(lost)}", hint)


def files_in(index: Path) -> list[Path]:
    """Return the files that an index names, of tensors in either format.

    Raises:
        CheckpointError: The index is missing or damaged.
    """
    return list(dict.fromkeys(_weight_map(index).values()))


def _is_safe(index: Path) -> bool:
    return index.name.endswith(f"{SUFFIX}.index.json")


def _weight_map(path: Path) -> dict[str, Path]:
    """Read which file beside an index holds each tensor."""
    try:
        content = read_file(path, _LIMIT)
        refuse_pointer(path, content)
        index = parse_json(content)
        names: dict[str, str] = dict(index["weight_map"].items())
        # A file has many tensors, and what it takes to look at a path is for each file only.
        files = {name: path.parent / name for name in dict.fromkeys(names.values())}
    except OSError as error:
        raise unreadable(path, error) from None
    except RepeatedKeyError as error:
        raise CheckpointError(str(path), why_no_json(error), COPY) from None
    except (ValueError, LookupError, TypeError, AttributeError):
        kind = SUFFIX if _is_safe(path) else ".bin"
        raise CheckpointError(str(path), f"no index of {kind} files", COPY) from None
    if len(files) > _MOST_FILES:
        problem = f"it names {len(files):,} files, far more than a model has"
        raise CheckpointError(str(path), problem, COPY)
    # Unlike pathlib it has an answer for links that lead to themselves.
    folder = os.path.realpath(path.parent)
    for name, file in files.items():
        _check_name(path, name)
        if file.parent != path.parent and os.path.realpath(file.parent) != folder:
            problem = f"it names {shorten(file.name)} in another folder"
            raise CheckpointError(str(path), problem, "put all files into one folder")
    return {tensor: files[name] for tensor, name in names.items()}


def _check_name(index: Path, name: str) -> None:
    try:
        encoded = os.fsencode(name)
        is_name = b"\0" not in encoded and len(encoded.rpartition(b"/")[2]) <= _NAME_BYTES
    except UnicodeEncodeError:
        is_name = False
    if not is_name:
        problem = f"it names {shorten_json(name)}, which no file can be called"
        raise CheckpointError(str(index), problem, COPY)
