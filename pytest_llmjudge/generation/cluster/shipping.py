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

__all__ = ["Receiver", "known_here", "look", "pieces_of", "remove_with_process"]

PIECE_BYTES = 64 << 20
"""Of a file, which is in the object store at a time."""


def known_here(contents: Mapping[Path, Content]) -> list[Content]:
    """Return what a node need not read where it sees the very same files, as on a shared disk."""
    return known_among(contents.values())


def look(contents: Mapping[Path, Content], known: Sequence[Content]) -> list[Content] | None:
    """Say, on a node, whether all files lie there at their paths with the same bytes.

    Args:
        contents: The driver's.
        known: What need not be read again.

    Returns:
        What need not be read again now; ``None`` where a file is missing or another one.
    """
    remember(known)
    try:
        found = {file: content_of(file) for file in contents}
    except CheckpointError:
        return None
    if any(found[file].digest != content.digest for file, content in contents.items()):
        return None
    return known_among(found.values())


def pieces_of(contents: Mapping[Path, Content]) -> Iterator[tuple[str, bytes]]:
    """Read all files, piece by piece.

    Yields:
        The full path of a file, and its next bytes; an empty file has one piece too.

    Raises:
        CheckpointError: A file cannot be read any more.
        ContentChangedError: A file may hold something else than its digest is of.
    """
    for file, content in contents.items():
        name = os.path.normpath(file.absolute())
        try:
            with open_same(file, content.stamp) as stream:
                yield name, stream.read(PIECE_BYTES)
                while piece := stream.read(PIECE_BYTES):
                    yield name, piece
        except OSError as error:
            problem = f"it cannot be read ({error.strerror})"
            raise CheckpointError(str(file), problem, "run again when it can be") from None


class Receiver:
    """Writes the files of a checkpoint on one node, into a folder that goes with this process."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="llmjudge-"))
        remove_with_process(self.folder)
        self._digests: dict[Path, hashlib._Hash] = {}

    def receive(self, name: str, piece: bytes) -> str:
        """Write the next bytes of a file.

        Returns:
            Why they cannot be written; empty where they are.
        """
        file = Path(f"{self.folder}{name}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("ab") as stream:
                stream.write(piece)
        except OSError as error:
            return f"{file} cannot be written ({error.strerror})"
        self._digests.setdefault(file, hashlib.sha256()).update(piece)
        return ""

    def written(self) -> tuple[str, list[Content]]:
        """Return the folder, and what the files in it hold."""
        contents = [
            Content(stamp_of(file), digest.hexdigest()) for file, digest in self._digests.items()
        ]
        return str(self.folder), contents

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


_REMOVE = """
exec 3<&0
(
    cat <&3
    echo "Raylet received SIGTERM" >>"$0/session_latest/logs/raylet.out"
    sleep 5
    rm -rf "$0"
) >/dev/null 2>&1 &
"""
"""The shell that is started ends at once, as Ray ends the children of its own processes. What it
leaves waits for the end of its input: until nobody holds the other end of the pipe any more.

In the folder of a Ray that ended with the process, it lets Ray's agents believe that this was
meant. They look at that log when they miss their parent, and would report its death for a minute
to others that have ended as well."""

_HELD: list[int] = []
"""Ends of pipes that are closed by the end of this process alone."""


def remove_with_process(folder: Path) -> None:
    """Have a folder removed soon after this process has ended, however it ends."""
    reading, writing = os.pipe()
    _HELD.append(writing)
    with os.fdopen(reading) as stream:
        subprocess.run(  # noqa: S603  # the folder is an argument, and no part of the script
            ["/bin/sh", "-c", _REMOVE, str(folder)],
            stdin=stream,
            start_new_session=True,
            check=True,
        )
