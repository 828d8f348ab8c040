"""Writes a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import StoreError
from pytest_llmjudge.paths import real_path

if TYPE_CHECKING:
    from io import FileIO

__all__ = ["append_text", "check_writable", "mode_of", "size_of", "write_text"]


def check_writable(where: str, path: Path) -> None:
    """Prove, before any work is done, that a file can be written; make its folder.

    Raises:
        StoreError: It cannot.
    """
    hint = "name another place"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        problem = f"nothing can be written to {path.parent} ({error.strerror})"
        raise StoreError(where, problem, hint) from None
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(where, f"{path} cannot be written ({error.strerror})", hint) from None
    if stat.S_ISDIR(mode):
        raise StoreError(where, f"{path} is a folder", hint)
    if not stat.S_ISREG(mode):
        raise StoreError(where, f"{path} is a device or a pipe, no file", hint)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` in UTF-8, in the place of what is there; make its folder.

    Raises:
        StoreError: It cannot be written; what was there stays.
    """
    try:
        # A link stays where it is, and what it leads to is replaced. The name of the temporary
        # file holds nothing of the other, which may be as long as names can be.
        path = real_path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".llm-judge-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(text)
            Path(name).chmod(mode_of(path))
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        problem = f"it cannot be written ({error.strerror})"
        raise StoreError(str(path), problem, "make room or name another place") from None


def mode_of(path: Path) -> int:
    """Return the rights that a file has, or that a new one gets."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def size_of(where: str, path: Path) -> int:
    """Return how many bytes a file has; 0 when there is none.

    Args:
        where: What named the file, for messages.
        path: The file.

    Raises:
        StoreError: It cannot be looked at.
    """
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise _unusable(where, path, error) from None


def append_text(where: str, path: Path, text: str) -> None:
    """Add ``text`` in UTF-8 to what a file holds.

    Args:
        where: What named the file, for messages.
        path: The file; it need not be there, but its folder must.
        text: What is added.

    Raises:
        StoreError: It cannot be written; what was there stays as it was.
    """
    try:
        # Without a buffer, which would be written once more when the rest is cut off.
        with path.open("ab", buffering=0) as file:
            before = file.seek(0, os.SEEK_END)
            try:
                _write_all(file, text.encode())
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(before)
                raise
    except OSError as error:
        raise _unusable(where, path, error) from None


def _unusable(where: str, path: Path, error: OSError) -> StoreError:
    problem = f"{path} cannot be written ({error.strerror})"
    return StoreError(where, problem, "make room, or name a file that can be written")


def _write_all(file: FileIO, data: bytes) -> None:
    while data:
        data = data[file.write(data) :]
