"""Reads what a ``torch.save`` file holds without torch, and without running anything in it."""

from __future__ import annotations

import io
import lzma
import pickle
import pickletools
import zipfile
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.layout import Shape, name_some
from pytest_llmjudge.generation.naming import plain_name
from pytest_llmjudge.paths import HEAD, POINTER, PULL, instead_of_file, is_pointer, reason_of

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "StateDict",
    "StoredTensor",
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

_ZIP = b"PK"
_GGUF = b"GGUF"
_TUPLES_A_TENSOR = 16
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
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
        dtype: torch's name of it, for example ``float32``.
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
        about: What a training checkpoint tells besides, in plain values.
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
        with path.open("rb") as stream:
            head = stream.read(HEAD)
            if head[2:].startswith(_BEFORE_ZIP):
                return None
            refuse_pointer(path, head)
            if head.startswith(_GGUF):
                todo = "let Ollama serve it, and name it ollama:NAME"
                raise CheckpointError(str(path), "a GGUF file, which only servers run", todo)
            if not head.startswith(_ZIP):
                found = "not a file of torch.save" if head else "an empty file"
                raise CheckpointError(str(path), found, SAVE if head else COPY)
            content = _Unpickler(path, _read_pickle(path, stream)).read()
    except FileNotFoundError:
        raise missing(path) from None
    except OSError as error:
        raise unreadable(path, error) from None
    except ValueError:
        raise CheckpointError(str(path), "no name of a file", "correct the path") from None
    return _state_dict(path, content)


def missing(path: Path) -> CheckpointError:
    """Tell that a file of weights is not there, or what its path leads to."""
    todo = "check the path, or train and save the model first"
    found = instead_of_file(path)
    return CheckpointError(str(path), "no such file" if found == "not there" else str(found), todo)


def unreadable(path: Path, error: OSError) -> CheckpointError:
    """Tell why a file that exists cannot be read."""
    found = f"cannot be read ({reason_of(path, error)})"
    return CheckpointError(str(path), found, "check the file and its permissions")


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


def _read_pickle(path: Path, stream: io.BufferedReader) -> bytes:
    try:
        with zipfile.ZipFile(stream) as archive:
            names = archive.namelist()
            pickles = [name for name in names if name.endswith("/data.pkl")]
            if len(pickles) == 1:
                return archive.read(pickles[0])
    except _DAMAGED:
        raise CheckpointError(str(path), "cut short or damaged", COPY) from None
    found = f"a zip archive of something else; it holds {name_some(names)}"
    raise CheckpointError(str(path), found, SAVE)


def state_dict_in(content: object) -> tuple[object, dict[str, object]]:
    """Find the state dict of what a file holds, and what stands beside it."""
    if isinstance(content, dict):
        for name in WRAPPERS:
            inner = content.get(name)
            if isinstance(inner, dict):
                return inner, {key: value for key, value in content.items() if key != name}
    return content, {}


def _state_dict(path: Path, whole: object) -> StateDict:
    content, about = state_dict_in(whole)
    if not isinstance(content, dict):
        raise CheckpointError(str(path), f"it holds a {type(content).__name__}", SAVE)
    tensors = {
        plain_name(name): value
        for name, value in content.items()
        if isinstance(name, str) and isinstance(value, StoredTensor)
    }
    if len(tensors) < len(content):
        found = f"not only tensors; it holds {name_some([str(name) for name in content])}"
        raise CheckpointError(str(path), found, SAVE)
    return StateDict(tensors, about)


class _Unpickler(pickle.Unpickler):
    """Rebuilds a state dict with a description in the place of each tensor.

    Nothing that the file names is imported: it gets stand-ins from a fixed list, or an error.
    """

    def __init__(self, path: Path, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self._path = path
        self._data = data

    def read(self) -> object:
        try:
            self._check_nesting()
            return self.load()
        except (
            pickle.UnpicklingError,
            ArithmeticError,
            AttributeError,
            EOFError,
            LookupError,
            MemoryError,
            TypeError,
            ValueError,
        ):
            raise CheckpointError(str(self._path), "its pickle is damaged", COPY) from None

    def _check_nesting(self) -> None:
        """Refuse what is nested so deeply that hashing it would end the process."""
        names = [code.name for code, _, _ in pickletools.genops(self._data)]
        tuples = sum(name.startswith("TUPLE") for name in names)
        if tuples > _TUPLES_A_TENSOR * (names.count("BINPERSID") + 1):
            message = "more tuples than tensors have"
            raise pickle.UnpicklingError(message)

    def find_class(self, module: str, name: str, /) -> object:
        if module == "torch" and (name.endswith("Storage") or name in _DTYPES.values()):
            return name
        if (module, name) in _SET_ASIDE:
            return self._set_aside
        stand_ins = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_parameter"): self._rebuild_parameter,
            ("torch._utils", "_rebuild_tensor_v2"): self._rebuild_tensor,
        }
        if (module, name) not in stand_ins:
            raise CheckpointError(str(self._path), f"loading it would run {module}.{name}", SAVE)
        return stand_ins[module, name]

    def persistent_load(self, pid: object, /) -> tuple[str, str]:
        match pid:
            case ("storage", str(kind), str(key), str(), int()):
                return kind, key
        message = "not a storage"
        raise pickle.UnpicklingError(message)

    def _rebuild_tensor(
        self, storage: tuple[str, str], offset: int, shape: Shape, stride: Shape, *_: object
    ) -> StoredTensor:
        kind, key = storage
        sizes = (offset, *shape, *stride)
        if not all(isinstance(size, int) and size >= 0 for size in sizes):
            message = "not a shape"
            raise pickle.UnpicklingError(message)
        dtype = _DTYPES.get(kind, kind)
        return StoredTensor(self._path, dtype, tuple(shape), tuple(stride), key, offset)

    def _set_aside(self, *parts: object) -> tuple[object, ...]:
        """Keep what an object would be made of, which nobody here looks at; make nothing of it."""
        return parts

    def _rebuild_parameter(self, data: StoredTensor, *_: object) -> StoredTensor:
        return data


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
