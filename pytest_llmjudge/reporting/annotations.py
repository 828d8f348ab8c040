"""Failures as the commands by which GitHub Actions annotates files."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Failure", "annotation_lines"]

_SHOWN = 10
"""GitHub shows so many errors of a step."""
_LONGEST = 1000


class Failure(NamedTuple):
    """An item that did not pass.

    Attributes:
        title: Its name.
        message: Why, in one line or more.
        file: From the root of the repository.
        line: Of the test function, from 1; ``None`` when nobody knows.
        level: Of the annotation: ``error``, or ``warning`` for what passed all the same.
    """

    title: str
    message: str
    file: str
    line: int | None
    level: str = "error"


def annotation_lines(failures: Sequence[Failure]) -> Iterator[str]:
    """Yield a command for each failure, ten at most; the last one counts those that are left.

    The form and its escapes are those of GitHub's documentation of workflow commands.
    """
    shown = failures if len(failures) <= _SHOWN else failures[: _SHOWN - 1]
    yield from map(_command, shown)
    left = len(failures) - len(shown)
    if left:
        yield f"::error title=llm-judge::and {left} more, see the log"


def _command(failure: Failure) -> str:
    line = "" if failure.line is None else f",line={failure.line}"
    place = f"file={_property(failure.file)}{line},title={_property(failure.title)}"
    return f"::{failure.level} {place}::{_data(failure.message)}"


def _data(text: str) -> str:
    shown = printable(text)
    shown = shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
