"""Reads files of arrow's, Parquet and IPC streams, into records within bounds."""

from __future__ import annotations

import hashlib
import math
import os
import struct
from collections import Counter
from contextlib import contextmanager
from datetime import date, time
from typing import TYPE_CHECKING, Any, Final

from pytest_llmjudge.errors import RecordsError, one_line
from pytest_llmjudge.reading import (
    ROWS_LIMIT,
    VALUES_LIMIT,
    TooMuchError,
    open_file,
    why_unreadable,
)
from pytest_llmjudge.records.json_values import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from io import BufferedReader
    from pathlib import Path

__all__ = ["read_arrow", "read_parquet"]

_BYTES_LIMIT: Final = 1 << 28
_ROWS_AT_ONCE: Final = 1000
_DAMAGED: Final = (ValueError, OverflowError, MemoryError, SystemError, IndexError, struct.error)
"""What pyarrow raises for damaged files, beside its own errors; the last two are of messages."""


class _CompactError(Exception):
    """A column whose size cannot be bounded before its values are made."""


def read_parquet(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a Parquet file.

    Raises:
        RecordsError: It is none, is larger than a file of records can be, or pyarrow is not there.
    """
    with _errors(path, "Parquet"), open_file(path) as stream:
        return _values(path.name, _batches(path.name, stream))


def read_arrow(path: Path) -> list[dict[str, Any]]:
    """Read the rows of an IPC stream, as ``datasets`` saves its splits.

    Raises:
        RecordsError: As of :func:`read_parquet`.
    """
    with _errors(path, "Arrow"), open_file(path) as stream:
        import pyarrow as pa

        if os.fstat(stream.fileno()).st_size > _BYTES_LIMIT:
            raise TooMuchError
        content = pa.py_buffer(stream.read())
        for message in pa.ipc.MessageReader.open_stream(pa.BufferReader(content)):
            if _is_packed(message.metadata.to_pybytes()):
                hint = "write the file without compression"
                raise RecordsError(path.name, "its batches are compressed", hint)
        return _values(path.name, _sound(pa.ipc.open_stream(pa.BufferReader(content))))


def _sound(batches: Iterable[Any]) -> Iterator[Any]:
    """Check each batch before it is used: wrong offsets in one end the process."""
    for batch in batches:
        batch.validate(full=True)
        yield batch


_DICTIONARY, _RECORDS = 2, 3
_HEADER_TYPE, _HEADER, _DATA, _COMPRESSION = 1, 2, 1, 3


def _is_packed(metadata: bytes) -> bool:
    """Say whether a message of the IPC format has a compressed body.

    A few bytes may unpack to any size, and pyarrow does not say so before it has unpacked them. The
    positions are those of the tables Message, DictionaryBatch and RecordBatch in Arrow's
    ``Message.fbs``, as FlatBuffers writes them.
    """

    def entry(table: int, number: int) -> int:
        vtable = table - struct.unpack_from("<i", metadata, table)[0]
        if 4 + 2 * number >= struct.unpack_from("<H", metadata, vtable)[0]:
            return 0
        offset: int = struct.unpack_from("<H", metadata, vtable + 4 + 2 * number)[0]
        return table + offset if offset else 0

    def pointed(place: int) -> int:
        return place + int(struct.unpack_from("<I", metadata, place)[0])

    message = pointed(0)
    kind = entry(message, _HEADER_TYPE)
    header = entry(message, _HEADER)
    if not kind or not header or metadata[kind] not in (_DICTIONARY, _RECORDS):
        return False
    batch = pointed(header)
    if metadata[kind] == _DICTIONARY:
        batch = pointed(entry(batch, _DATA))
    return entry(batch, _COMPRESSION) != 0


@contextmanager
def _errors(path: Path, kind: str) -> Iterator[None]:
    try:
        import pyarrow as pa
    except ImportError:
        hint = 'install it with pip install "pytest-llmjudge[parquet]"'
        raise RecordsError(path.name, f"{kind} files need pyarrow", hint) from None
    try:
        yield
    except TooMuchError:
        problem = (
            f"it has more than the {ROWS_LIMIT:,} rows, {VALUES_LIMIT:,} values or "
            f"{_BYTES_LIMIT:,} bytes that are read"
        )
        raise RecordsError(path.name, problem, "take a part of its records") from None
    except _CompactError:
        problem = "it has a column of views or of repeated values"
        hint = "write the file with plain strings and lists"
        raise RecordsError(path.name, problem, hint) from None
    except (pa.ArrowException, *_DAMAGED):
        raise RecordsError(path.name, f"it is no {kind} file", "get the file anew") from None
    except OSError as error:
        # Arrow has no class of its own for data that it cannot unpack.
        problem = f"it is no {kind} file" if error.errno is None else why_unreadable(error)
        raise RecordsError(path.name, problem, "get the file anew") from None


def _batches(name: str, stream: BufferedReader) -> Iterator[Any]:
    """Yield a Parquet file's rows in batches.

    A few bytes can say that a text is repeated a billion times, so texts are left as references to
    the distinct ones until it is known how long they are together.
    """
    from pyarrow import parquet

    file = parquet.ParquetFile(stream)
    # Arrow ends the process when the metadata of a single column is asked for and damaged.
    metadata = file.metadata
    groups = range(metadata.num_row_groups)
    size = sum(metadata.row_group(number).total_byte_size for number in groups)
    if size > _BYTES_LIMIT or metadata.num_rows > ROWS_LIMIT:
        raise TooMuchError
    _check_columns(name, file.schema_arrow.names)
    leaves = [file.schema.column(number) for number in range(len(file.schema))]
    lists = [number for number, leaf in enumerate(leaves) if leaf.max_repetition_level]
    if lists:
        # A single row may be a list of any length. Once all could be scanned, which takes little
        # memory, the metadata of single columns is sound.
        file.scan_contents(columns=lists, batch_size=_ROWS_AT_ONCE)
        chunks = ((metadata.row_group(group), leaf) for group in groups for leaf in lists)
        if sum(group.column(leaf).num_values for group, leaf in chunks) > VALUES_LIMIT:
            raise TooMuchError
    texts = [
        leaf.path
        for leaf in leaves
        if leaf.physical_type == "BYTE_ARRAY" and leaf.logical_type.type != "DECIMAL"
    ]
    stream.seek(0)
    file = parquet.ParquetFile(stream, read_dictionary=texts)
    for number in groups:
        # Each group has dictionaries of its own, which arrow cannot join within a list.
        yield from file.iter_batches(batch_size=_ROWS_AT_ONCE, row_groups=[number])


def _check_columns(name: str, columns: Sequence[str]) -> None:
    again = [column for column, count in Counter(columns).items() if count > 1]
    if again:
        problem = f"it has the column {listed(again)} more than once"
        raise RecordsError(name, problem, "keep one of them")


def _values(name: str, batches: Iterable[Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    size = count = 0
    for batch in batches:
        _check_columns(name, batch.schema.names)
        for column in batch.columns:
            column_size, column_count = _measure(column)
            size, count = size + column_size, count + column_count
        if size > _BYTES_LIMIT or count > VALUES_LIMIT or len(rows) + len(batch) > ROWS_LIMIT:
            raise TooMuchError
        try:
            rows += map(_plain, batch.to_pylist())
        except (ValueError, OverflowError):
            _name_column(name, batch)
            raise
    return rows


def _name_column(name: str, batch: Any) -> None:  # noqa: ANN401 - pyarrow has no types
    """Refuse the column of a batch whose values Python has no type for, such as nanoseconds."""
    columns = zip(batch.schema.names, batch.columns, strict=True)
    title = next((title for title, column in columns if not _is_readable(column)), None)
    if title is not None:
        problem = f'its column "{one_line(title, 40)}" holds values that cannot be read'
        raise RecordsError(name, problem, "leave it out, or write it as text")


def _is_readable(column: Any) -> bool:  # noqa: ANN401 - pyarrow has no types
    try:
        column.to_pylist()
    except (ValueError, OverflowError):
        return False
    return True


def _measure(array: Any) -> tuple[int, int]:  # noqa: ANN401 - pyarrow has no types
    """Return how many bytes a column takes when each text stands for itself, and its values."""
    import pyarrow as pa
    from pyarrow import compute

    kind, types = array.type, pa.types
    if types.is_struct(kind):
        parts = [_measure(part) for part in array.flatten()]
    elif types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        parts = [_measure(array.flatten())]
    elif types.is_map(kind):
        parts = [_measure(array.keys), _measure(array.items)]
    elif types.is_dictionary(kind) and _is_text(kind.value_type):
        lengths = compute.binary_length(array.dictionary).take(array.indices)
        return int(compute.sum(lengths).as_py() or 0), len(array)
    elif types.is_dictionary(kind) and types.is_nested(kind.value_type):
        raise TooMuchError
    elif any(test(kind) for test in _compact(types)):
        # A few bytes of these stand for any number of values, and datasets writes none of them.
        raise _CompactError
    else:
        return int(array.nbytes), len(array)
    return sum(size for size, _ in parts), len(array) + sum(count for _, count in parts)


def _compact(types: Any) -> list[Any]:  # noqa: ANN401 - pyarrow has no types
    names = ("string_view", "binary_view", "list_view", "large_list_view", "run_end_encoded")
    # Old versions of pyarrow lack some of them.
    return [test for name in names if (test := getattr(types, f"is_{name}", None)) is not None]


def _is_text(kind: Any) -> bool:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa

    types = pa.types
    tests = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return any(test(kind) for test in tests)


def _text_of(content: bytes) -> object:
    """Return the text that bytes hold, or what tells them from others where they hold none."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


_JSON: Final = (str, int, bool, type(None))


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of arrow's
    """Return a value as JSON has it; NaN is how tables write that there is none."""
    if type(value) in _JSON:
        return value
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return _text_of(value)
    return value.isoformat() if isinstance(value, (date, time)) else str(value)
