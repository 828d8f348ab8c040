"""Reads what ``.safetensors`` files hold, one or several with an index, without torch."""

from __future__ import annotations

import json
from itertools import accumulate
from operator import mul
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.naming import plain_name
from pytest_llmjudge.generation.statedict import COPY, StateDict, StoredTensor, missing, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["INDEX", "SUFFIX", "files_in", "read_index", "read_safetensors"]

SUFFIX = ".safetensors"
INDEX = ".safetensors.index.json"

_DTYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32", "F64": "float64"}


def read_safetensors(path: Path) -> StateDict:
    """Read name, type and shape of each tensor.

    Raises:
        CheckpointError: The file is missing or damaged.
    """
    return StateDict(dict(_tensors(path)), {})


def read_index(path: Path) -> StateDict:
    """Read the same of a checkpoint that is spread over several files.

    Args:
        path: Of the index, which names a file beside it for each tensor.

    Raises:
        CheckpointError: The index or a file is missing or damaged.
    """
    weight_map = _weight_map(path)
    files = dict.fromkeys(weight_map.values())
    tensors = {name: tensor for file in files for name, tensor in _tensors(file)}
    lost = [name for name in weight_map if plain_name(name) not in tensors]
    if lost:
        found = f"{lost[0]} is in none of its files"
        raise CheckpointError(str(path), found, COPY)
    return StateDict(tensors, {})


def files_in(index: Path) -> list[Path]:
    """Return the files that an index names, of tensors in either format.

    Raises:
        CheckpointError: The index is missing or damaged.
    """
    return list(dict.fromkeys(_weight_map(index).values()))


def _weight_map(path: Path) -> dict[str, Path]:
    """Read which file beside an index holds each tensor."""
    try:
        index = json.loads(path.read_bytes())
        files = {name: path.parent / file for name, file in index["weight_map"].items()}
    except OSError as error:
        raise unreadable(path, error) from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        kind = SUFFIX if path.name.endswith(INDEX) else ".bin"
        raise CheckpointError(str(path), f"no index of {kind} files", COPY) from None
    for file in files.values():
        if file.parent.resolve() != path.parent.resolve():
            found = f"it names {file.name} in another folder"
            raise CheckpointError(str(path), found, "put all files into one folder")
    return files


def _tensors(path: Path) -> Iterator[tuple[str, StoredTensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        # The library tells of every file that cannot be opened that there is none.
        path.open("rb").close()
        # Of all frameworks this one needs no torch; no tensor is read.
        with safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118  # it is no dict
                part = file.get_slice(name)
                shape, dtype = tuple(part.get_shape()), part.get_dtype()
                # As torch has it: the last dimension's neighbours lie side by side.
                stride = tuple(accumulate((1, *shape[:0:-1]), mul))[::-1][: len(shape)]
                kind = _DTYPES.get(dtype, dtype.lower())
                yield plain_name(name), StoredTensor(path, kind, shape, stride, name, 0)
    except FileNotFoundError:
        raise missing(path) from None
    except OSError as error:
        raise unreadable(path, error) from None
    except SafetensorError:
        raise CheckpointError(str(path), "cut short or damaged", COPY) from None
