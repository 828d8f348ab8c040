"""Reads the files that users name: regular ones of a bounded size, and JSON of a bounded depth."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from pytest_llmjudge.errors import one_line
from pytest_llmjudge.paths import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedReader

__all__ = [
    "DATA_LIMIT",
    "ROWS_LIMIT",
    "SETTINGS_LIMIT",
    "VALUES_LIMIT",
    "BoundedStream",
    "RepeatedKeyError",
    "TooManyValuesError",
    "TooMuchError",
    "UnusableFileError",
    "has_more_values",
    "is_too_deep",
    "open_file",
    "parse_json",
    "read_file",
    "read_stream",
    "unique_keys",
    "why_no_json",
    "why_unreadable",
]

SETTINGS_LIMIT = 1 << 24
"""Bytes of a file of settings, a prompt or a tokenizer: the largest known have a few million."""

DATA_LIMIT = 1 << 30
"""Bytes of a file of records, results, votes or questions: hundreds of thousands of records."""

ROWS_LIMIT = 1 << 20
"""Records of a file."""

VALUES_LIMIT = 1 << 23
"""Values of all records of a file."""

_DOCUMENT_LIMIT: Final = 1 << 25
"""Values of a document: a million records of a results file have some twenty each."""

DEPTH_LIMIT = 100
"""Levels of nested JSON; few files have ten, and Python's own limit of 1000 ends its users."""

_CONTAINERS = {dict, list}
_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class UnusableFileError(OSError):
    """A file that is not regular, or too large; ``strerror`` is a clause that says which."""


class TooMuchError(Exception):
    """An archive that asks for more than one of its kind can hold."""


def open_file(path: Path) -> BufferedReader:
    """Open a regular file for reading; a link to one will do.

    Nothing else is even opened where that can be avoided: a FIFO without a writer would block, a
    device may never end, and some devices do something when they are opened.

    Raises:
        UnusableFileError: It is a FIFO, a socket or a device, or would have to be waited for.
        OSError: It cannot be opened; it may be a directory.
        ValueError: The path holds a NUL character.
    """
    _check_kind(path, path.stat())
    file = open(path, "rb", opener=_open_without_waiting)  # noqa: SIM115 - it is given away
    try:
        # Another file may have taken its place meanwhile.
        status = os.fstat(file.fileno())
        _check_kind(path, status)
        # Some files of the system would have to be waited for.
        if not status.st_size and not file.peek(1) and file.raw.read(1) is None:
            message = "it has nothing to read yet"
            raise UnusableFileError(errno.EAGAIN, message, str(path))
    except BaseException:
        file.close()
        raise
    return file


def read_file(path: Path, limit: int) -> bytes:
    """Read a whole regular file of at most ``limit`` bytes.

    Raises:
        UnusableFileError: It is not regular, or larger than ``limit`` or the memory.
        OSError: It cannot be read.
        ValueError: The path holds a NUL character.
    """
    with open_file(path) as file:
        return read_stream(file, limit)


def read_stream(file: BufferedReader, limit: int) -> bytes:
    """Read all of a file that is open, at most ``limit`` bytes.

    Raises:
        UnusableFileError: It is larger than ``limit`` or the memory.
    """
    size = os.fstat(file.fileno()).st_size
    prefix = f"it has {size:,} bytes, more than"
    if size > limit:
        message = f"{prefix} the {limit:,} that are read"
        raise UnusableFileError(errno.EFBIG, message, file.name)
    try:
        return file.read()
    except MemoryError:
        message = f"{prefix} fit into the memory"
        raise UnusableFileError(errno.ENOMEM, message, file.name) from None


def why_unreadable(error: OSError) -> str:
    """Say why a file cannot be read, as a clause that begins with "it"."""
    if isinstance(error, UnusableFileError):
        return str(error.strerror)
    if error.filename is None:
        return f"it cannot be read ({error.strerror or error})"
    return f"it cannot be read ({reason_of(Path(error.filename), error)})"


class BoundedStream:
    """A stream that a library reads an archive from, and that says no where it asks for too much.

    Args:
        stream: May unpack what it gives.
        at_once: Bytes that it may be asked for at once.
        in_all: Bytes that it may be asked for in all.
        furthest: The last place that may be gone to.

    Raises:
        TooMuchError: From every method, when it is asked for more.
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        at_once: int,
        in_all: int = sys.maxsize,
        furthest: int = sys.maxsize,
    ) -> None:
        self._stream = stream
        self._at_once = at_once
        self._left = in_all
        self._furthest = furthest

    def read(self, size: int | None = -1, /) -> bytes:
        """Read ``size`` bytes, or all."""
        if size is None or size < 0:
            size = self._at_once + 1
        elif size > self._at_once:
            raise TooMuchError
        data = self._stream.read(size)
        self._left -= len(data)
        if len(data) > self._at_once or self._left < 0:
            raise TooMuchError
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a place."""
        if offset > self._furthest:
            raise TooMuchError
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._stream.tell()

    def seekable(self) -> bool:
        """Say that any place can be gone to."""
        return True


def parse_json(
    text: str | bytes,
    *,
    parse_constant: Callable[[str], object] | None = None,
    parse_int: Callable[[str], int] | None = None,
    allow_repeated_keys: bool = False,
) -> Any:  # noqa: ANN401 - any JSON
    """Parse JSON whose values later code may walk through recursively.

    Args:
        text: The JSON.
        parse_constant: Called with ``NaN``, ``Infinity`` and ``-Infinity``.
        parse_int: Called with the digits of each integer.
        allow_repeated_keys: Let the last value of a key count, as Python's ``json`` does.

    Raises:
        RepeatedKeyError: An object has a key twice; the error's text is that key.
        TooManyValuesError: It has more values than there is memory for.
        ValueError: It is not JSON, is nested too deeply, or has an integer of thousands of digits.
    """
    message = "it is nested too deeply"
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    if has_more_values(text, _DOCUMENT_LIMIT):
        raise TooManyValuesError
    try:
        value = json.loads(
            text,
            parse_constant=parse_constant,
            parse_int=parse_int,
            object_pairs_hook=None if allow_repeated_keys else unique_keys,
        )
    except RecursionError:
        raise ValueError(message) from None
    if is_too_deep(value):
        raise ValueError(message)
    return value


class TooManyValuesError(ValueError):
    """A JSON text of more values than there is memory for."""

    def __init__(self) -> None:
        super().__init__(f"it has more than the {_DOCUMENT_LIMIT:,} values that are read")


def has_more_values(text: str, limit: int) -> bool:
    """Say whether a JSON text has more values than ``limit``, without decoding it."""
    if _structure(text) <= limit:
        return False
    # What looks like structure may be a part of its strings.
    unescaped = text.replace("\\\\", "").replace('\\"', "")
    return _structure(_STRING.sub("", unescaped)) > limit


_STRING: Final = re.compile(r'"[^"]*"?')


def _structure(text: str) -> int:
    return sum(map(text.count, "[{,"))


class RepeatedKeyError(ValueError):
    """An object has two values for one key, of which a reader would see the last alone."""


def why_no_json(error: ValueError) -> str:
    """Say what is wrong with a text that is not JSON, or has a key twice, as a clause."""
    if isinstance(error, RepeatedKeyError):
        return f'it has the key "{one_line(str(error), 80)}" twice'
    if isinstance(error, TooManyValuesError):
        return str(error)
    return f"not JSON ({error})"


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its names and values; a hook for :func:`json.loads`.

    Raises:
        RepeatedKeyError: A name stands there twice; the error's text is that name.
    """
    unique = dict(pairs)
    if len(unique) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise RepeatedKeyError(next(key for key, count in counts.items() if count > 1))
    return unique


def is_too_deep(value: object) -> bool:
    """Say whether lists and objects are nested in more than :data:`DEPTH_LIMIT` levels."""
    level: list[Any] = [[value]]
    for _ in range(DEPTH_LIMIT + 1):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) in _CONTAINERS
        ]
        if not level:
            return False
    return True


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _check_kind(path: Path, status: os.stat_result) -> None:
    kind = _KINDS.get(stat.S_IFMT(status.st_mode))
    if kind is not None:
        raise UnusableFileError(errno.EINVAL, f"it is {kind}, not a regular file", str(path))
