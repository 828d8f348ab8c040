"""Reads single tensors of a checkpoint into memory of their own, and none twice."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from math import prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.files.contents import open_same
from pytest_llmjudge.generation.files.safetensors import SUFFIX
from pytest_llmjudge.generation.files.state_dict import COPY, unreadable

if TYPE_CHECKING:
    from pytest_llmjudge.generation.files.contents import Stamp
    from pytest_llmjudge.generation.files.state_dict import StoredTensor

__all__ = ["read_tensor"]

# https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, section 4.3.7: the header before a
# member's bytes, whose last two fields are the lengths of its name and of its extra field.
_LOCAL_HEADER = struct.Struct("<26xHH")


def read_tensor(stored: StoredTensor, stamp: Stamp) -> Tensor:
    """Read one tensor; its memory is not the file's, which may be overwritten afterwards.

    Args:
        stored: What is read.
        stamp: The file's, when its content became known.

    Raises:
        ContentChangedError: The file may hold something else now.
        CheckpointError: The file is damaged, or cannot be read.
    """
    try:
        if stored.file.name.endswith(SUFFIX):
            return _of_safetensors(stored, stamp)
        return _of_torch_file(stored, stamp)
    except OSError as error:
        raise unreadable(stored.file, error) from None
    except (KeyError, ValueError, RuntimeError, struct.error, zipfile.BadZipFile):
        raise CheckpointError(str(stored.file), "cut short or damaged", COPY) from None


def _of_safetensors(stored: StoredTensor, stamp: Stamp) -> Tensor:
    """Read a tensor of a file whose header the library has checked.

    ``safe_open`` takes only a file's name, so what it opens need not be what was hashed, and its
    tensors are maps of the file.
    """
    with open_same(stored.file, stamp) as stream:
        size = int.from_bytes(stream.read(8), "little")
        begin, end = json.loads(stream.read(size))[stored.storage]["data_offsets"]
        stream.seek(8 + size + begin)
        return _read(stream, stored, end - begin)


def _of_torch_file(stored: StoredTensor, stamp: Stamp) -> Tensor:
    with open_same(stored.file, stamp) as stream, zipfile.ZipFile(stream) as archive:
        member = _member(archive, stored.storage)
        if member.compress_type != zipfile.ZIP_STORED:
            # torch writes none such; unpacked, a small file could fill the memory.
            raise ValueError(member.filename)
        there = min(member.file_size, _bytes_behind(stream, member))
        return _read(stream, stored, there)


def _read(stream: io.BufferedReader, stored: StoredTensor, there: int) -> Tensor:
    """Read a tensor straight into its place, out of a block of ``there`` bytes that begins here."""
    dtype = getattr(torch, stored.dtype)
    needed = _reach(stored) * dtype.itemsize
    before = stored.offset * dtype.itemsize
    # A tensor may repeat its numbers by a stride of 0, and would fill the memory with one of them.
    whole = prod(stored.shape) * dtype.itemsize
    if before + max(needed, whole) > there:
        raise ValueError(stored.storage)
    memory = bytearray(needed)
    stream.seek(before, io.SEEK_CUR)
    if stream.readinto(memory) != needed:
        raise ValueError(stored.storage)
    if not memory:
        return torch.empty(stored.shape, dtype=dtype)
    return torch.frombuffer(memory, dtype=dtype).as_strided(stored.shape, stored.stride)


def _member(archive: zipfile.ZipFile, storage: str) -> zipfile.ZipInfo:
    (pickled,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
    return archive.getinfo(f"{pickled.removesuffix('data.pkl')}data/{storage}")


def _bytes_behind(stream: io.BufferedReader, member: zipfile.ZipInfo) -> int:
    """Go to where a member's bytes begin; say how many there can be."""
    stream.seek(member.header_offset)
    name, extra = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
    start = stream.seek(name + extra, io.SEEK_CUR)
    end = stream.seek(0, io.SEEK_END)
    stream.seek(start)
    return end - start


def _reach(stored: StoredTensor) -> int:
    """How many elements lie between the first and the last one, both included."""
    if not prod(stored.shape):
        return 0
    return 1 + sum((n - 1) * step for n, step in zip(stored.shape, stored.stride, strict=True))
