"""Reads single tensors of a checkpoint into memory of their own, and none twice."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from math import prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pytest_llmjudge.generation.files.contents import open_same
from pytest_llmjudge.generation.files.safetensors import SUFFIX, read_entries
from pytest_llmjudge.generation.files.state_dict import damaged, unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_llmjudge.generation.files.contents import Content
    from pytest_llmjudge.generation.files.state_dict import StoredTensor

__all__ = ["TensorReader"]

# https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, section 4.3.7: the header before a
# member's bytes begins with a signature; its last two fields are the lengths of the member's name
# and of its extra field, which follow.
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_SIGNATURE = b"PK\3\4"
_IS_ENCRYPTED = 1 << 0
_IS_UTF8 = 1 << 11

_Block = tuple[int, int]
"""Where a memory block begins in its file, and how many bytes it has."""


class TensorReader:
    """Reads tensors of files; where they lie in a file is read once, as it may take long.

    Args:
        contents: Of the files, as they became known.
    """

    def __init__(self, contents: Mapping[Path, Content]) -> None:
        self._contents = contents
        self._blocks: dict[Path, Mapping[str, _Block]] = {}

    def read(self, stored: StoredTensor) -> Tensor:
        """Read one tensor; its memory is not the file's, which may be overwritten afterwards.

        Raises:
            ContentChangedError: The file may hold something else now.
            CheckpointError: The file is damaged, or cannot be read.
        """
        file = stored.file
        try:
            with open_same(file, self._contents[file].stamp) as stream:
                if file not in self._blocks:
                    # The file's content is the known one, so that they hold for all of its tensors.
                    find = _in_safetensors if file.name.endswith(SUFFIX) else _in_torch_file
                    self._blocks[file] = find(stream)
                start, size = self._blocks[file][stored.storage]
                stream.seek(start)
                return _read(stream, stored, size)
        except OSError as error:
            raise unreadable(file, error) from None
        except (KeyError, ValueError, RuntimeError, struct.error, zipfile.BadZipFile):
            raise damaged(file) from None


def _in_safetensors(stream: io.BufferedReader) -> dict[str, _Block]:
    """Find the tensors of a file.

    ``safe_open`` takes only a file's name, so what it opens need not be what was hashed, and its
    tensors are maps of the file.
    """
    return {name: (entry.start, entry.size) for name, entry in read_entries(stream).items()}


def _in_torch_file(stream: io.BufferedReader) -> dict[str, _Block]:
    with zipfile.ZipFile(stream) as archive:
        (pickled,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        folder = f"{pickled.removesuffix('data.pkl')}data/"
        members = [one for one in archive.infolist() if one.filename.startswith(folder)]
    end = stream.seek(0, io.SEEK_END)
    blocks = {}
    for member in members:
        start = _begin(stream, member)
        # torch packs none; unpacked, a small file could fill the memory.
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & _IS_ENCRYPTED:
            raise ValueError(member.filename)
        if start + member.file_size > end:
            raise ValueError(member.filename)
        blocks[member.filename.removeprefix(folder)] = (start, member.file_size)
    return blocks


def _begin(stream: io.BufferedReader, member: zipfile.ZipInfo) -> int:
    """Return where a member's bytes begin; what lies before them must be its own header."""
    stream.seek(member.header_offset)
    signature, length, extra = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
    name = stream.read(length).decode("utf-8" if member.flag_bits & _IS_UTF8 else "cp437")
    if signature != _SIGNATURE or name != member.orig_filename:
        raise ValueError(member.filename)
    return stream.seek(extra, os.SEEK_CUR)


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


def _reach(stored: StoredTensor) -> int:
    """How many elements lie between the first and the last one, both included."""
    if not prod(stored.shape):
        return 0
    return 1 + sum((n - 1) * step for n, step in zip(stored.shape, stored.stride, strict=True))
