"""Writes a file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pytest_llmjudge.errors import StoreError

__all__ = ["check_writable", "write_text"]


def check_writable(where: str, path: Path) -> None:
    """Prove, before any work is done, that a file can be written; make its folder.

    Raises:
        StoreError: It cannot.
    """
    todo = "name another place"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        found = f"nothing can be written to {path.parent} ({error.strerror})"
        raise StoreError(where, found, todo) from None
    if path.is_dir():
        raise StoreError(where, f"{path} is a folder", todo)
    if path.exists() and not path.is_file():
        raise StoreError(where, f"{path} is a device or a pipe, no file", todo)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` in UTF-8, in the place of what is there; make its folder.

    Raises:
        StoreError: It cannot be written; what was there stays.
    """
    try:
        # A link stays where it is, and what it leads to is replaced.
        path = path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(text)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        found = f"it cannot be written ({error.strerror})"
        raise StoreError(str(path), found, "make room or name another place") from None
