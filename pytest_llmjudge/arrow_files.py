"""Reads files of arrow's, Parquet and IPC streams, into records within bounds."""

from __future__ import annotations

import math
import os
from contextlib import contextmanager
from datetime import date, time
from typing import TYPE_CHECKING, Any, Final

from pytest_llmjudge.errors import RecordsError
from pytest_llmjudge.reading import TooMuchError, open_file, why_unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import BufferedReader
    from pathlib import Path

__all__ = ["read_arrow", "read_parquet"]

_BYTES_LIMIT: Final = 1 << 28
_VALUES_LIMIT: Final = 1 << 23
_ROWS_LIMIT: Final = 1 << 20
_ROWS_AT_ONCE: Final = 1000


def read_parquet(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a Parquet file.

    Raises:
        RecordsError: It is none, is larger than a file of records can be, or pyarrow is not there.
    """
    with _errors(path, "Parquet"), open_file(path) as stream:
        return _values(_batches(stream))


def read_arrow(path: Path) -> list[dict[str, Any]]:
    """Read the rows of an IPC stream, as ``datasets`` saves its splits.

    Raises:
        RecordsError: As of :func:`read_parquet`.
    """
    with _errors(path, "Arrow"), open_file(path) as stream:
        import pyarrow as pa

        if os.fstat(stream.fileno()).st_size > _BYTES_LIMIT:
            raise TooMuchError
        return _values(pa.ipc.open_stream(stream))


@contextmanager
def _errors(path: Path, kind: str) -> Iterator[None]:
    try:
        import pyarrow as pa
    except ImportError:
        hint = 'install it with "pip install pytest-llmjudge[parquet]"'
        raise RecordsError(path.name, f"{kind} files need pyarrow", hint) from None
    try:
        yield
    except TooMuchError:
        problem = (
            f"it has more than the {_ROWS_LIMIT:,} rows, {_VALUES_LIMIT:,} values or "
            f"{_BYTES_LIMIT:,} bytes that are read"
        )
        raise RecordsError(path.name, problem, "take a part of its records") from None
    except (pa.ArrowException, ValueError, OverflowError, MemoryError):
        raise RecordsError(path.name, f"it is no {kind} file", "get the file anew") from None
    except OSError as error:
        # Arrow has no class of its own for data that it cannot unpack.
        problem = f"it is no {kind} file" if error.errno is None else why_unreadable(error)
        raise RecordsError(path.name, problem, "get the file anew") from None


def _batches(stream: BufferedReader) -> Iterator[Any]:
    """Yield a Parquet file's rows in batches.

    A few bytes can say that a text is repeated a billion times, so texts are left as references to
    the distinct ones until it is known how long they are together.
    """
    from pyarrow import parquet

    file = parquet.ParquetFile(stream)
    # The metadata of single columns is not asked for: arrow ends the process where it is damaged.
    metadata = file.metadata
    groups = range(metadata.num_row_groups)
    size = sum(metadata.row_group(number).total_byte_size for number in groups)
    if size > _BYTES_LIMIT or metadata.num_rows > _ROWS_LIMIT:
        raise TooMuchError
    leaves = [file.schema.column(number) for number in range(len(file.schema))]
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


def _values(batches: Iterable[Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    size = count = 0
    for batch in batches:
        for column in batch.columns:
            column_size, column_count = _measure(column)
            size, count = size + column_size, count + column_count
        if size > _BYTES_LIMIT or count > _VALUES_LIMIT or len(rows) + len(batch) > _ROWS_LIMIT:
            raise TooMuchError
        rows += map(_plain, batch.to_pylist())
    return rows


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
    else:
        return int(array.nbytes), len(array)
    return sum(size for size, _ in parts), len(array) + sum(count for _, count in parts)


def _is_text(kind: Any) -> bool:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa

    types = pa.types
    tests = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return any(test(kind) for test in tests)


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
        return f"{len(value):,} bytes"
    return value.isoformat() if isinstance(value, (date, time)) else str(value)
