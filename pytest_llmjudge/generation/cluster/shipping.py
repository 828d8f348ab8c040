"""A checkpoint on other machines: which have its files, and how the others get them, once each."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.files.contents import (
    Content,
    content_of,
    known_among,
    open_same,
    remember,
    stamp_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Found", "Receiver", "look", "pieces_of", "remove_now", "remove_with_process"]

Found = tuple[str, list[Content]]
"""The folder below which a node has all files at their full paths, empty where it has them at these
paths themselves, and what need not be read again there."""

PIECE_BYTES = 64 << 20
"""Of a file, which is in the object store at a time."""


def look(contents: Mapping[Path, Content], known: Sequence[Content]) -> Found | None:
    """Look, on a node, for all files at their paths with the same bytes.

    Args:
        contents: The driver's.
        known: What need not be read where this is the very same file, as on a shared disk.

    Returns:
        ``None`` where a file is missing or another one.
    """
    remember(known)
    try:
        found = {file: content_of(file) for file in contents}
    except CheckpointError:
        return None
    if any(found[file].digest != content.digest for file, content in contents.items()):
        return None
    return "", known_among(found.values())


def pieces_of(contents: Mapping[Path, Content]) -> Iterator[tuple[str, bytes | str]]:
    """Read all files, piece by piece.

    A file that links lead to is sent as the file and a link: what belongs to a checkpoint may lie
    beside either.

    Yields:
        The full path of a file, and its next bytes, or the path that it is a link to; an empty file
        has one piece too.

    Raises:
        CheckpointError: A file cannot be read any more.
        ContentChangedError: A file may hold something else than its digest is of.
    """
    sent = set()
    for file, content in contents.items():
        name = os.path.normpath(file.absolute())
        real = os.path.realpath(file)
        if name != real:
            yield name, real
        if real in sent:
            continue
        sent.add(real)
        try:
            with open_same(file, content.stamp) as stream:
                yield real, stream.read(PIECE_BYTES)
                while piece := stream.read(PIECE_BYTES):
                    yield real, piece
        except OSError as error:
            problem = f"it cannot be read ({error.strerror})"
            raise CheckpointError(str(file), problem, "run again when it can be") from None


class Receiver:
    """Writes the files of a checkpoint on one node, into a folder that goes with this process."""

    def __init__(self) -> None:
        # Without links, so that the folder can be told from what is below it.
        self.folder = Path(tempfile.mkdtemp(prefix="llmjudge-")).resolve()
        remove_with_process(self.folder)
        self._digests: dict[Path, hashlib._Hash] = {}

    def receive(self, name: str, piece: bytes | str) -> str:
        """Write the next bytes of a file, or a link to another one.

        Returns:
            Why they cannot be written; empty where they are.
        """
        file = Path(f"{self.folder}{name}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(piece, str):
                file.symlink_to(f"{self.folder}{piece}")
                return ""
            with file.open("ab") as stream:
                stream.write(piece)
        except OSError as error:
            return f"{file} cannot be written ({error.strerror})"
        self._digests.setdefault(file, hashlib.sha256()).update(piece)
        return ""

    def written(self) -> Found:
        """Return the folder, and what the files in it hold."""
        contents = [
            Content(stamp_of(file), digest.hexdigest()) for file, digest in self._digests.items()
        ]
        return str(self.folder), contents

    def remove(self) -> None:
        """Remove the folder."""
        remove_now(self.folder)


_REMOVE = """
exec 3<&0
(
    cat <&3
    [ -d "$0" ] || exit
    ls -l /proc/[0-9]*/fd | while read -r line; do
        case $line in
            /proc/*) pid=${line#/proc/} pid=${pid%%/*} ;;
            *"-> $0/"*) kill -9 "$pid" ;;
        esac
    done
    sleep 3
    rm -rf "$0"
) >/dev/null 2>&1 &
"""
"""The shell that is started ends at once, as Ray ends the children of its own processes. What it
leaves waits for the end of its input: until nobody holds the other end of the pipe any more.

On Linux it ends whoever has files of the folder open, as the log of a Ray that was started there:
Ray's agents outlive a driver that is killed by a minute, in which they report that to nobody."""

_HELD: dict[Path, int] = {}
"""The other ends of the pipes, by the folders that are removed."""


def remove_with_process(folder: Path) -> None:
    """Have a folder removed soon after this process has ended, however it ends.

    Who has files of it open then is killed.
    """
    reading, _HELD[folder] = os.pipe()
    with os.fdopen(reading) as stream:
        subprocess.run(  # noqa: S603  # the folder is an argument, and no part of the script
            ["/bin/sh", "-c", _REMOVE, str(folder)],
            stdin=stream,
            start_new_session=True,
            check=True,
        )


def remove_now(folder: Path) -> None:
    """Remove a folder, and end what waits to remove it."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder in _HELD:
        os.close(_HELD.pop(folder))
