"""Reads what a ``.safetensors`` file holds, without torch."""

from __future__ import annotations

from itertools import accumulate
from operator import mul
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.files.names import plain_name
from pytest_llmjudge.generation.files.state_dict import (
    COPY,
    StateDict,
    StoredTensor,
    missing,
    refuse_pointer,
    unreadable,
)
from pytest_llmjudge.paths import HEAD
from pytest_llmjudge.reading import open_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["SUFFIX", "read_safetensors"]

SUFFIX = ".safetensors"

_DTYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32", "F64": "float64"}


def read_safetensors(path: Path) -> StateDict:
    """Read name, type and shape of each tensor.

    Raises:
        CheckpointError: The file is missing or damaged.
    """
    return StateDict(dict(_tensors(path)), {})


def _tensors(path: Path) -> Iterator[tuple[str, StoredTensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        # The library tells of every file that cannot be opened that there is none.
        with open_file(path) as stream:
            refuse_pointer(path, stream.read(HEAD))
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
