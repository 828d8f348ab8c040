"""Says what is at a path in the place of a file that can be used."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

__all__ = [
    "FOLDER",
    "HEAD",
    "POINTER",
    "PULL",
    "instead_of_file",
    "is_pointer",
    "real_path",
    "reason_of",
]

POINTER: Final = "it is a Git LFS pointer, not the file itself"
PULL: Final = "run git lfs pull"
FOLDER: Final = "a folder"
HEAD: Final = 64
"""How many bytes of a file are enough for :func:`is_pointer`."""


def is_pointer(content: bytes) -> bool:
    """Say whether a file that begins with ``content`` only says where Git LFS keeps the file."""
    return content.startswith(b"version https://git-lfs.github.com/spec/v1")


def instead_of_file(path: Path) -> str | None:
    """Say what is at ``path``, to follow "it is"; ``None`` for a regular file.

    A file that exists but cannot be reached is not called missing.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116  # also of names that pathlib refuses
    except (OSError, ValueError) as error:
        return _unreachable(path, error)
    if stat.S_ISDIR(mode):
        return FOLDER
    return None if stat.S_ISREG(mode) else "a device or a pipe"


def real_path(path: Path) -> Path:
    """Return where a path leads; one that is a loop of links leads to itself.

    ``Path.resolve()`` raises a RuntimeError then, before Python 3.13.
    """
    return Path(os.path.realpath(path))


def reason_of(path: Path, error: OSError) -> str:
    """Say why ``path`` cannot be opened; the system calls a broken link a file that is missing."""
    if isinstance(error, FileNotFoundError) and os.path.islink(path):  # noqa: PTH114  # as above
        return _broken_link(path)
    return error.strerror or str(error)


def _broken_link(path: Path) -> str:
    return f"a link to {os.readlink(path)}, which is not there"  # noqa: PTH115  # as above


def _unreachable(path: Path, error: OSError | ValueError) -> str:
    number = getattr(error, "errno", None)
    if number == errno.ENOENT:
        if os.path.islink(path):  # noqa: PTH114  # as above
            return _broken_link(path)
        return "not there"
    if number == errno.ELOOP:
        return "a loop of links"
    # Python says the other in words that differ from version to version.
    if isinstance(error, OSError):
        return f"out of reach ({error.strerror})"
    holds = "half a surrogate pair" if isinstance(error, UnicodeError) else "a NUL character"
    return f"out of reach (its name holds {holds})"
