"""Reads what a ``.safetensors`` file holds, without torch and without mapping it.

A map of a file that is cut short meanwhile ends the process; the library maps every file.
"""

from __future__ import annotations

import os
from itertools import accumulate
from math import prod
from operator import mul
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.files.names import name_some, plain_name
from pytest_llmjudge.generation.files.state_dict import (
    COPY,
    SAVE,
    StateDict,
    StoredTensor,
    missing,
    refuse_pointer,
    unreadable,
)
from pytest_llmjudge.paths import HEAD
from pytest_llmjudge.reading import open_file, parse_json

if TYPE_CHECKING:
    from io import BufferedReader
    from pathlib import Path

    from pytest_llmjudge.generation.files.names import Shape

__all__ = ["SUFFIX", "Entry", "read_entries", "read_safetensors"]

SUFFIX = ".safetensors"

_LENGTH = 8
"""Bytes that give the length of the header."""

_HEADER_LIMIT = 1 << 24
"""Bytes of a header, of which a tensor takes about a hundred."""

_DIMENSIONS = 64
_METADATA = "__metadata__"
_DTYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32", "F64": "float64"}
_NAMES_BY_BITS = {
    4: "F4",
    6: "F6_E2M3 F6_E3M2",
    8: "BOOL U8 I8 F8_E4M3 F8_E5M2 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ",
    16: "U16 I16 F16 BF16",
    32: "U32 I32 F32",
    64: "U64 I64 F64 C64",
}
_BITS = {name: bits for bits, names in _NAMES_BY_BITS.items() for name in names.split()}
"""Of an element, for each of the format's types."""


class Entry(NamedTuple):
    """A tensor as a file's header describes it.

    Attributes:
        dtype: The format's name of its type, such as ``F32``.
        shape: Sizes of the dimensions.
        start: Where its bytes begin in the file.
        size: Number of its bytes.
    """

    dtype: str
    shape: Shape
    start: int
    size: int


def read_safetensors(path: Path) -> StateDict:
    """Read name, type and shape of each tensor.

    Raises:
        CheckpointError: The file is missing or damaged.
    """
    try:
        with open_file(path) as stream:
            refuse_pointer(path, stream.read(HEAD))
            stream.seek(0)
            size = int.from_bytes(stream.read(_LENGTH), "little")
            if _HEADER_LIMIT < size < os.fstat(stream.fileno()).st_size:
                problem = (
                    f"its header has {size:,} bytes, more than the {_HEADER_LIMIT:,} that are read"
                )
                raise CheckpointError(str(path), problem, SAVE)
            entries = read_entries(stream)
    except FileNotFoundError:
        raise missing(path) from None
    except OSError as error:
        raise unreadable(path, error) from None
    except ValueError:
        raise CheckpointError(str(path), "cut short or damaged", COPY) from None
    tensors = {
        plain_name(name): _stored(path, name, entry) for name, entry in sorted(entries.items())
    }
    if len(tensors) < len(entries):
        same = [name for name in sorted(entries) if plain_name(name) in entries.keys() - {name}]
        problem = f"it has several tensors of one name but for a prefix, such as {name_some(same)}"
        raise CheckpointError(str(path), problem, "save the model without torch.compile's prefix")
    return StateDict(tensors, {})


def read_entries(stream: BufferedReader) -> dict[str, Entry]:
    """Read a file's header, and prove that its tensors fill the rest of the file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is damaged. https://huggingface.co/docs/safetensors tells the format.
    """
    end = os.fstat(stream.fileno()).st_size
    stream.seek(0)
    size = int.from_bytes(stream.read(_LENGTH), "little")
    _require(size <= min(_HEADER_LIMIT, end - _LENGTH))
    header = parse_json(stream.read(size).decode())
    _require(isinstance(header, dict))
    about = header.pop(_METADATA, None)
    _require(about is None or isinstance(about, dict))
    _require(all(isinstance(value, str) for value in (about or {}).values()))
    entries = {name: _entry(fields, _LENGTH + size) for name, fields in header.items()}
    at = _LENGTH + size
    for entry in sorted(entries.values(), key=lambda entry: (entry.start, entry.size)):
        _require(entry.start == at)
        at += entry.size
    _require(at == end)
    return entries


def _entry(fields: Any, begin: int) -> Entry:  # noqa: ANN401 - any JSON
    _require(isinstance(fields, dict))
    dtype, shape, offsets = (fields.get(key) for key in ("dtype", "shape", "data_offsets"))
    _require(isinstance(dtype, str) and dtype in _BITS)
    _require(_are_counts(shape) and len(shape) <= _DIMENSIONS)
    _require(_are_counts(offsets))
    start, stop = offsets
    _require(8 * (stop - start) == prod(shape) * _BITS[dtype])
    return Entry(dtype, tuple(shape), begin + start, stop - start)


def _are_counts(values: object) -> bool:
    return isinstance(values, list) and all(type(one) is int and one >= 0 for one in values)


def _require(is_sound: bool) -> None:  # noqa: FBT001
    if not is_sound:
        raise ValueError


def _stored(path: Path, name: str, entry: Entry) -> StoredTensor:
    shape = entry.shape
    # As torch has it: the last dimension's neighbours lie side by side.
    stride = tuple(accumulate((1, *shape[:0:-1]), mul))[::-1][: len(shape)]
    dtype = _DTYPES.get(entry.dtype, entry.dtype.lower())
    return StoredTensor(path, dtype, shape, stride, name, 0)
