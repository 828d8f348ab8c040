"""What a file holds, and proof that what is read of it later is still the same."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.generation.files.state_dict import unreadable
from pytest_llmjudge.reading import open_file

if TYPE_CHECKING:
    import io
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = [
    "Content",
    "ContentChangedError",
    "Stamp",
    "content_of",
    "known_among",
    "open_same",
    "remember",
    "stamp_of",
    "untouched",
]

_SETTLED_NS = 2_000_000_000
"""Two writes within one tick of a file system's clock give a file the same times; the coarsest
clock, that of FAT, ticks every two seconds."""


class ContentChangedError(Exception):
    """A file was written to or replaced; whether it holds something else now is not known."""


class Stamp(NamedTuple):
    """What the file system says of a file; it differs after each write and each replacement.

    Programs can set ``mtime_ns`` back, but not ``ctime_ns``, and a renamed file gets a new one.
    """

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


class Content(NamedTuple):
    """What a file held.

    Attributes:
        stamp: The file's when it was read.
        digest: SHA-256 of its bytes, in hex.
    """

    stamp: Stamp
    digest: str


_known: dict[Stamp, str] = {}


def content_of(file: Path) -> Content:
    """Return what a file holds; its bytes are read only where its stamp is a new one.

    Raises:
        CheckpointError: It cannot be read.
    """
    try:
        with open_file(file) as stream:
            stamp = _stamp(os.fstat(stream.fileno()))
            if stamp in _known:
                return Content(stamp, _known[stamp])
            began, digest = time.time_ns(), hashlib.sha256()
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
            is_settled = max(stamp.mtime_ns, stamp.ctime_ns) < began - _SETTLED_NS
            if is_settled and _stamp(os.fstat(stream.fileno())) == stamp:
                _known[stamp] = digest.hexdigest()
    except OSError as error:
        raise unreadable(file, error) from None
    return Content(stamp, digest.hexdigest())


def known_among(contents: Iterable[Content]) -> list[Content]:
    """Return those that need not be read again as long as their stamps stay."""
    return [content for content in contents if content.stamp in _known]


def remember(contents: Iterable[Content]) -> None:
    """Take over contents that another process of this machine has read."""
    _known.update((content.stamp, content.digest) for content in contents)


def stamp_of(file: Path) -> Stamp:
    """Return the stamp of a file.

    Raises:
        OSError: It is not there.
    """
    return _stamp(file.stat())


@contextmanager
def open_same(file: Path, stamp: Stamp) -> Iterator[io.BufferedReader]:
    """Open a file whose content is known, and prove that this content is what is read.

    Raises:
        ContentChangedError: Its stamp is another one, or becomes another one meanwhile.
        OSError: It cannot be opened.
    """
    with open_file(file) as stream:
        _require(stamp == _stamp(os.fstat(stream.fileno())))
        try:
            yield stream
        finally:
            # Also where reading failed: half of another file looks like a damaged one.
            _require(stamp == _stamp(os.fstat(stream.fileno())))


@contextmanager
def untouched(folder: Path, stamps: Mapping[str, Stamp]) -> Iterator[None]:
    """Prove that a folder's files stay the same while a library reads them by their names.

    Args:
        folder: Without links on the way to it, so that none of them can be changed meanwhile.
        stamps: Of the files that are read, by their names.

    Raises:
        ContentChangedError: A stamp is another one, or something is put into the folder or removed.
    """
    before = _places(folder, stamps)
    _require(list(stamps.values()) == [before[name][0] for name in stamps])
    try:
        yield
    finally:
        _require(before == _places(folder, stamps))


def _places(folder: Path, names: Iterable[str]) -> dict[str, tuple[Stamp, Stamp]]:
    """Return the stamps of a folder and of its files, with those of the links that they may be."""
    try:
        return {
            name: (_stamp((folder / name).stat()), _stamp((folder / name).lstat()))
            for name in ("", *names)
        }
    except OSError:
        raise ContentChangedError from None


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(
        status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    )


def _require(is_same: bool) -> None:  # noqa: FBT001
    if not is_same:
        raise ContentChangedError
