"""Files of JSON Lines that people's answers are appended to, one object a line."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import PeopleFileError, one_line
from pytest_llmjudge.paths import POINTER, PULL, is_pointer
from pytest_llmjudge.reading import (
    DATA_LIMIT,
    RepeatedKeyError,
    parse_json,
    read_file,
    why_unreadable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["append_line", "has_lines", "parse_line", "read_lines"]

_SHOWN = 120


def read_lines(path: Path, where: str, written_by: str) -> Iterator[tuple[str, str]]:
    """Yield the lines of a file that are not blank, each after its place for messages.

    Args:
        path: Of the file.
        where: The file, for messages.
        written_by: The command that writes such files.

    Raises:
        PeopleFileError: The file cannot be read, or is no text.
    """
    hint = f"name a file that {written_by} wrote"
    try:
        content = read_file(path, DATA_LIMIT)
        if is_pointer(content):
            raise PeopleFileError(where, POINTER, PULL)
        if b"\0" in content:
            raise PeopleFileError(where, "it holds NUL bytes", hint)
        text = content.decode("utf-8-sig")
    except OSError as error:
        problem = why_unreadable(error)
        raise PeopleFileError(where, problem, hint) from None
    except UnicodeDecodeError:
        raise PeopleFileError(where, "it is no UTF-8", hint) from None
    except ValueError:
        raise PeopleFileError(where, "its name holds a NUL character", hint) from None
    # Only what JSON Lines ends a line with: a text may hold other line breaks.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield f"{where}: line {number}", line


def has_lines(path: Path) -> bool:
    """Whether a file is there and holds more than blanks; true as well if it cannot be read."""
    try:
        return bool(read_file(path, DATA_LIMIT).strip())
    except FileNotFoundError:
        return False
    except OSError:
        # Reported by what reads it whole.
        return True


def parse_line(place: str, line: str) -> Any:  # noqa: ANN401  # whatever stands there
    """Return what a line holds.

    Raises:
        PeopleFileError: It is no JSON, or has a key twice.
    """
    try:
        return parse_json(line)
    except RepeatedKeyError as error:
        problem = f'it has the key "{one_line(str(error), 60)}" twice'
        raise PeopleFileError(place, problem, "keep one of them") from None
    except ValueError:
        problem = f"it is no JSON: {one_line(line, _SHOWN)}"
        raise PeopleFileError(place, problem, "correct or remove the line") from None


def append_line(path: Path, value: Mapping[str, object], what: str) -> None:
    """Add an object to the end of a file, and return when it is on the disk.

    Args:
        path: Of the file.
        value: The object.
        what: It is, for messages.

    Raises:
        PeopleFileError: It cannot be written.
    """
    line = json.dumps(value, ensure_ascii=True) + "\n"
    try:
        with path.open("ab+") as file:
            if file.tell():
                # What was cut off in the middle of a line must not swallow this one.
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else f"\n{line}"
            file.write(line.encode("ascii"))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        problem = f"the {what} cannot be written ({error.strerror})"
        raise PeopleFileError(str(path), problem, "make room or name another place") from None
