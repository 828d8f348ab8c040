"""Reads what a ``torch.save`` file holds without torch, and without running anything in it."""

from __future__ import annotations

import errno
import os
import zipfile
from collections import Counter
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.files.names import Shape, name_some, plain_names, shorten
from pytest_llmjudge.generation.files.pickled import SIZE_LIMIT, Opaque, PickleError, read_pickle
from pytest_llmjudge.paths import HEAD, POINTER, PULL, instead_of_file, is_pointer, reason_of
from pytest_llmjudge.reading import (
    BoundedStream,
    TooMuchError,
    UnusableFileError,
    open_file,
    why_unreadable,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedReader
    from pathlib import Path

__all__ = [
    "FLOATS",
    "StateDict",
    "StoredTensor",
    "damaged",
    "missing",
    "read_torch_file",
    "refuse_pointer",
    "state_dict_in",
    "unreadable",
]

SAVE = "save a plain state dict: torch.save(model.state_dict(), path)"
COPY = "save or copy the checkpoint again"
WRAPPERS = ("model_state_dict", "state_dict", "model")
"""Under which names training checkpoints keep the state dict."""

FLOATS = frozenset({"bfloat16", "float16", "float32", "float64"})
"""torch's names of the numbers that weights are stored in unless they are quantised."""

_ZIP = b"PK"
_GGUF = b"GGUF"
_PICKLES_BEFORE_ZIP = 5
"""Of the old format: its number, its version, sizes of integers, the state dict, its storages."""

_MOST_MEMBERS = 20_000
"""A member for each tensor and a few more."""
_DIRECTORY_LIMIT = 1 << 24
"""Bytes of a zip archive's directory, of which a tensor takes about a hundred."""

_DIMENSIONS = 64
_LARGEST = 1 << 63
_LISTS = (dict, list, tuple)
_LITTLE = b"little"
_DAMAGED = (
    zipfile.BadZipFile,
    TooMuchError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    UnicodeDecodeError,
)
# torch's magic number as a pickle, after two bytes that give the pickle's protocol.
_BEFORE_ZIP = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


class StoredTensor(NamedTuple):
    """A tensor without its numbers; two names of the same memory are equal.

    Attributes:
        file: In which it lies.
        dtype: torch's name of it, such as ``float32``.
        shape: Sizes of the dimensions.
        stride: For each dimension how many elements lie between neighbours.
        storage: Which of the file's memory blocks it lies in.
        offset: Where it begins there, in elements.
    """

    file: Path
    dtype: str
    shape: Shape
    stride: Shape
    storage: str
    offset: int


@dataclass(frozen=True, slots=True)
class StateDict:
    """What a file of weights holds.

    Attributes:
        tensors: By their plain names.
        about: What a training checkpoint holds besides, in plain values.
    """

    tensors: dict[str, StoredTensor]
    about: dict[str, object]


def read_torch_file(path: Path) -> StateDict | None:
    """Read name, type and shape of each tensor of a state dict.

    A training checkpoint that wraps its state dict as ``model``, ``model_state_dict`` or
    ``state_dict`` will do.

    Returns:
        What it holds, or ``None`` if the file has the format that torch wrote before version 1.6,
        which only torch can read.

    Raises:
        CheckpointError: The file is missing, damaged, or something else than a state dict.
    """
    try:
        with open_file(path) as stream:
            head = stream.read(HEAD)
            if head[2:].startswith(_BEFORE_ZIP):
                _check_old(path, stream)
                return None
            refuse_pointer(path, head)
            if head.startswith(_GGUF):
                hint = "let Ollama serve it, and name it ollama:NAME"
                raise CheckpointError(str(path), "a GGUF file, which only servers run", hint)
            if not head.startswith(_ZIP):
                problem = "not a file of torch.save" if head else "an empty file"
                raise CheckpointError(str(path), problem, SAVE if head else COPY)
            content, _ = _Torch(path).read(_read_pickle(path, stream))
    except FileNotFoundError:
        raise missing(path) from None
    except OSError as error:
        raise unreadable(path, error) from None
    except ValueError:
        raise CheckpointError(str(path), "no name of a file", "correct the path") from None
    return _state_dict(path, content)


def missing(path: Path) -> CheckpointError:
    """Make the error of a file of weights that is not there, or of what its path leads to."""
    hint = "check the path, or train and save the model first"
    instead = instead_of_file(path)
    return CheckpointError(
        str(path), "no such file" if instead == "not there" else str(instead), hint
    )


def unreadable(path: Path, error: OSError) -> CheckpointError:
    """Make the error of a file that exists and cannot be read, with the reason."""
    if isinstance(error, UnusableFileError):
        return CheckpointError(str(path), why_unreadable(error), "put a regular file there")
    if error.errno == errno.EINVAL and error.filename is None:
        # Not the file was refused, but a place in it that a damaged directory names.
        return damaged(path)
    problem = f"cannot be read ({reason_of(path, error)})"
    return CheckpointError(str(path), problem, "check the file and its permissions")


def damaged(path: Path) -> CheckpointError:
    """Make the error of a file of weights that does not hold what it says."""
    return CheckpointError(str(path), "cut short or damaged", COPY)


def refuse_pointer(path: Path, content: bytes) -> None:
    """Refuse what stands for a file that Git LFS keeps elsewhere.

    Args:
        path: A file of a model.
        content: What it begins with.

    Raises:
        CheckpointError: It is a pointer.
    """
    if is_pointer(content):
        raise CheckpointError(str(path), POINTER, PULL)


def _read_pickle(path: Path, stream: BufferedReader) -> bytes:
    try:
        with zipfile.ZipFile(BoundedStream(stream, at_once=_DIRECTORY_LIMIT)) as archive:
            names = archive.namelist()
            pickles = [name for name in names if name.endswith("/data.pkl")]
            if len(names) > _MOST_MEMBERS:
                problem = f"it has {len(names):,} members, far more than a state dict has"
                raise CheckpointError(str(path), problem, SAVE)
            # torch does not tell capitals from small letters, and takes either of them.
            counts = Counter(map(str.casefold, names))
            twice = [name for name in names if counts[name.casefold()] > 1]
            if len(pickles) == 1 and not twice:
                data = _stored(path, archive, archive.getinfo(pickles[0]))
                _check_byte_order(path, archive, pickles[0].removesuffix("data.pkl"))
                return data
    except _DAMAGED:
        raise damaged(path) from None
    if twice:
        raise CheckpointError(str(path), f"it has two members named {shorten(twice[0])}", SAVE)
    problem = f"a zip archive of something else; it holds {name_some(names)}"
    raise CheckpointError(str(path), problem, SAVE)


def _check_byte_order(path: Path, archive: zipfile.ZipFile, prefix: str) -> None:
    """Refuse numbers that torch would turn round; before version 2.1 it did not tell the order."""
    name = f"{prefix}byteorder"
    if name not in archive.NameToInfo:
        return
    member = archive.getinfo(name)
    if member.file_size != len(_LITTLE) or _stored(path, archive, member) != _LITTLE:
        hint = "save it on a machine with an x86 or ARM processor"
        raise CheckpointError(str(path), "its numbers are not stored as little-endian", hint)


def _stored(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Read a member that is not packed: a few packed bytes could become gigabytes."""
    if member.compress_type != zipfile.ZIP_STORED:
        problem = f"its {shorten(member.filename)} is compressed, which torch.save does not do"
        raise CheckpointError(str(path), problem, SAVE)
    if member.file_size > SIZE_LIMIT:
        problem = (
            f"its pickle has {member.file_size:,} bytes, more than the {SIZE_LIMIT:,} that are read"
        )
        raise CheckpointError(str(path), problem, SAVE)
    with archive.open(member) as stream:
        return b"".join(iter(lambda: stream.read(_DIRECTORY_LIMIT), b""))


def _check_old(path: Path, stream: BufferedReader) -> None:
    """Refuse a file in the old format that would do harm when torch itself reads it."""
    stream.seek(0)
    size = os.fstat(stream.fileno()).st_size
    data = stream.read(min(size, SIZE_LIMIT))
    end, torch = 0, _Torch(path, is_old=True)
    last: object = None
    for _ in range(_PICKLES_BEFORE_ZIP):
        last, end = torch.read(data, end)
    # Each is preceded by its length.
    if end + sum(8 + block for block in torch.storages.values()) > size:
        raise damaged(path)
    # torch takes memory for each storage that a tensor names, and fills those in the last list.
    keys = [key for key in last if isinstance(key, str)] if isinstance(last, list) else []
    if sorted(keys) != sorted(torch.storages):
        raise CheckpointError(str(path), "its list of storages is not that of its tensors", COPY)


def state_dict_in(
    path: Path, content: object, is_tensor: Callable[[object], bool]
) -> tuple[object, dict[str, object]]:
    """Find the state dict of what a file holds, and what stands beside it.

    Args:
        path: Of the file, for messages.
        content: What it holds.
        is_tensor: Whether a value is a tensor.

    Raises:
        CheckpointError: It holds two of them.
    """
    if not isinstance(content, dict):
        return content, {}
    wrapped = [name for name in WRAPPERS if isinstance(content.get(name), dict)]
    filled = [name for name in wrapped if any(map(is_tensor, content[name].values()))]
    if len(filled) > 1:
        first, second, *_ = filled
        problem = f'it holds two state dicts, "{first}" and "{second}"'
        raise CheckpointError(str(path), problem, "save the one that is to be tested alone")
    name = next(iter(filled or wrapped), None)
    if name is None:
        return content, {}
    return content[name], {key: value for key, value in content.items() if key != name}


def _state_dict(path: Path, whole: object) -> StateDict:
    content, about = state_dict_in(path, whole, lambda value: isinstance(value, StoredTensor))
    if not isinstance(content, dict):
        kind = "an object" if isinstance(content, Opaque) else f"a {type(content).__name__}"
        raise CheckpointError(str(path), f"it holds {kind}", SAVE)
    stored = {
        name: value
        for name, value in content.items()
        if isinstance(name, str) and isinstance(value, StoredTensor)
    }
    tensors = {plain: stored[name] for name, plain in plain_names(stored).items()}
    if len(tensors) < len(content):
        problem = f"not only tensors; it holds {name_some(content)}"
        raise CheckpointError(str(path), problem, SAVE)
    return StateDict(tensors, about)


class _Storage(NamedTuple):
    """A memory block that a pickle names: type of its elements, key in the file, and how many."""

    kind: str
    key: str
    size: int


class _Torch:
    """Stands for what a state dict names: a description in the place of each tensor.

    Nothing that the file names is imported: it gets stand-ins from a fixed list, or an error.

    Args:
        path: The file, for messages.
        is_old: Whether torch will read the pickle as well, and make what is described here.

    Attributes:
        storages: Bytes of each memory block that the pickle names.
    """

    def __init__(self, path: Path, *, is_old: bool = False) -> None:
        self.storages: dict[str, int] = {}
        self._kinds: dict[str, tuple[str, int]] = {}
        self._path = path
        self._is_old = is_old
        self._called: dict[tuple[str, str], Callable[..., object]] = {
            ("collections", "OrderedDict"): self._ordered_dict,
            ("torch._utils", "_rebuild_parameter"): self._rebuild_parameter,
            ("torch._utils", "_rebuild_tensor_v2"): self._rebuild_tensor,
            **dict.fromkeys(_SET_ASIDE, self._set_aside),
        }

    def read(self, data: bytes, start: int = 0) -> tuple[object, int]:
        """Read a pickle; return what it holds, and where it ends."""
        try:
            return read_pickle(data, self, start)
        except PickleError as error:
            problem = f"its pickle {error}"
            raise CheckpointError(str(self._path), problem, COPY) from None

    def global_named(self, module: str, name: str) -> str | Callable[..., object]:
        if module == "torch" and (name.endswith("Storage") or name in _DTYPES.values()):
            return name
        if (module, name) not in self._called:
            called = shorten(f"{module}.{name}")
            raise CheckpointError(str(self._path), f"loading it would run {called}", SAVE)
        return self._called[module, name]

    def persistent(self, pid: object) -> _Storage:
        match pid:
            # The old format has a sixth, the storage that this one is a part of: always None.
            case ("storage", str(kind), str(key), str(), int(size)) | (
                ("storage", str(kind), str(key), str(), int(size), None)
            ) if size >= 0:
                # torch takes memory for the first size, whatever it reads later.
                kind_and_size = (kind if size else "", size)
                if self._kinds.setdefault(key, kind_and_size) != kind_and_size:
                    message = "has a storage of two sizes or types"
                    raise PickleError(message)
                self.storages[key] = size * _BYTES.get(kind, 1)
                return _Storage(kind, key, size)
        message = "is damaged"
        raise PickleError(message)

    def _ordered_dict(self, pairs: object = ()) -> dict[str, object]:
        match pairs:
            case list() | tuple() if all(map(_is_pair, pairs)):
                return dict(pairs)
        message = "is damaged"
        raise PickleError(message)

    def _rebuild_tensor(
        self,
        storage: object,
        offset: int,
        shape: Shape,
        stride: Shape,
        _requires_grad: object,
        _hooks: object,
        metadata: object = None,
    ) -> StoredTensor:
        if not isinstance(storage, _Storage):
            message = "is damaged"
            raise PickleError(message)
        kind, key, size = storage
        # They are looked at before they are put together: a text of any length may stand here.
        is_shape = (
            isinstance(shape, tuple)
            and isinstance(stride, tuple)
            and len(shape) == len(stride) <= _DIMENSIONS
            and all(
                isinstance(one, int) and 0 <= one < _LARGEST for one in (offset, *shape, *stride)
            )
        )
        # A tensor may repeat its numbers by a stride of 0, and would fill the memory with one of
        # them; of the newer format each is checked when it is read.
        if not is_shape or (self._is_old and prod(shape) > size):
            message = "is damaged"
            raise PickleError(message)
        if metadata:
            # It says that the signs of all numbers, or of their imaginary parts, are to be turned.
            problem = "it has a tensor that torch would negate or conjugate when it is loaded"
            raise CheckpointError(
                str(self._path), problem, "save tensor.resolve_neg().resolve_conj() in its place"
            )
        dtype = _DTYPES.get(kind, kind)
        return StoredTensor(self._path, dtype, tuple(shape), tuple(stride), key, offset)

    def _set_aside(self, *parts: object) -> Opaque:
        """Stand for an object that nobody here looks at; torch would hash what a set holds."""
        if self._is_old:
            held = [one for part in parts for one in (part if isinstance(part, _LISTS) else [part])]
            if not all(isinstance(one, str) or _is_small(one) for one in held):
                message = "has a set of other objects"
                raise PickleError(message)
        return Opaque()

    def _rebuild_parameter(self, data: StoredTensor, *_: object) -> StoredTensor:
        return data


def _is_pair(value: object) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[0], str)


def _is_small(value: object) -> bool:
    return isinstance(value, int) and abs(value) < _LARGEST


_SET_ASIDE = {
    ("__builtin__", "frozenset"),
    ("__builtin__", "set"),
    ("builtins", "frozenset"),
    ("builtins", "set"),
    ("collections", "Counter"),
    ("torch", "Size"),
    ("torch", "device"),
}
"""What training programs save beside the weights, such as in the state of a scheduler."""

_DTYPES = {
    "BFloat16Storage": "bfloat16",
    "BoolStorage": "bool",
    "ByteStorage": "uint8",
    "CharStorage": "int8",
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "IntStorage": "int32",
    "LongStorage": "int64",
    "ShortStorage": "int16",
}

_BYTES = {
    "BFloat16Storage": 2,
    "DoubleStorage": 8,
    "FloatStorage": 4,
    "HalfStorage": 2,
    "IntStorage": 4,
    "LongStorage": 8,
    "ShortStorage": 2,
}
"""Of an element; one of the others has at least one."""
