"""Unpacks compressed texts, and stops before one can fill the memory."""

from __future__ import annotations

import io
import zlib
from gzip import GzipFile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from pytest_llmjudge.errors import RecordsError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PARQUET", "unpacked"]

_PACKED: Final = (".gz", ".zst")
"""How the names of compressed files end."""

PARQUET: Final = b"PAR1"
"""First bytes of a Parquet file."""

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"

_OTHER: Final[dict[str, bytes | tuple[bytes, ...]]] = {
    "bzip2": tuple(b"BZh%d1AY&SY" % level for level in range(1, 10)),
    "xz": b"\xfd7zXZ\x00",
    "zip": b"PK\x03\x04",
}
"""First bytes of what is compressed in other ways."""

_LIMIT: Final = 1 << 28
"""Bytes of an unpacked text; a million short records have as many."""


def unpacked(path: Path, content: bytes) -> tuple[bytes, str]:
    """Return a file's text, and how its name ends without the suffix of the compression.

    Args:
        path: Of the file.
        content: Of the file, compressed or not: its first bytes decide.

    Raises:
        RecordsError: It is damaged, too large, or nothing is there that could unpack it.
    """
    suffix = path.suffix.lower()
    inner = Path(path.stem).suffix.lower() if suffix in _PACKED else suffix
    if content.startswith(_GZIP):
        return _read(path.name, lambda: GzipFile(fileobj=io.BytesIO(content))), inner
    if content.startswith(_ZSTD):
        return _read(path.name, lambda: _zstd(path.name, content)), inner
    for kind, begin in _OTHER.items():
        if content.startswith(begin):
            problem = f"it is compressed as {kind}, which is not read"
            raise RecordsError(path.name, problem, "unpack it, or pack it as .gz or .zst")
    return content, inner


def _read(name: str, opened: Callable[[], BinaryIO | GzipFile]) -> bytes:
    try:
        with opened() as stream:
            text = stream.read(_LIMIT + 1)
    except (OSError, EOFError, zlib.error) as error:
        problem = f"it cannot be unpacked ({error or 'it ends too early'})"
        raise RecordsError(name, problem, "get the file anew") from None
    if len(text) > _LIMIT:
        problem = f"it unpacks to more than the {_LIMIT:,} bytes that are read"
        raise RecordsError(name, problem, "take a part of its records")
    if text.startswith((_GZIP, _ZSTD, PARQUET)):
        kind = "a Parquet file" if text.startswith(PARQUET) else "another compressed file"
        raise RecordsError(
            name, f"it unpacks to {kind}, which is no text", "unpack it and name that"
        )
    return bytes(text)


def _zstd(name: str, content: bytes) -> BinaryIO:
    try:
        import pyarrow as pa
    except ImportError:
        hint = 'install it with pip install "pytest-llmjudge[parquet]", or unpack the file'
        raise RecordsError(name, "Zstandard files need pyarrow", hint) from None
    stream: BinaryIO = pa.CompressedInputStream(pa.BufferReader(content), "zstd")
    return stream
