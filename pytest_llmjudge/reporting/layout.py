"""Text laid out for a terminal's columns: how wide it is, where it is cut, folded or stacked."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from wcwidth import wcswidth, wcwidth

from pytest_llmjudge.errors import one_line, printable
from pytest_llmjudge.reporting.table import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "UNBOUNDED",
    "Line",
    "Table",
    "columns_for",
    "cut",
    "fold",
    "lay_out",
    "quoted",
    "shown",
    "width_of",
]

UNBOUNDED = 1000
"""Columns of what is no terminal."""
_STEP = "  "
_LEAST = 20
"""Columns below which an outcome or a response is not read any more."""
_WIDEST = 200
_MOST_LINES = 3
"""Into which an outcome is folded; one of more is read better where it has a line to itself."""


class Line(NamedTuple):
    """A finished line.

    Attributes:
        text: What stands first.
        result: What follows, in the colour of ``outcome``; empty for nothing.
        outcome: ``passed``, ``failed``, ``incomplete`` or ``error``.
    """

    text: str
    result: str = ""
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that begin with a name and end with what became of it.

    Attributes:
        headings: Of the columns; without any there is no line for them.
        rows: As many cells each as there are headings, the last one beginning with an outcome.
        outcomes: The outcome of each row; empty for none.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    outcomes: Sequence[str]


def columns_for(width: int, *, is_terminal: bool) -> int:
    """Return how long a line may be: as the terminal is wide, or as ``COLUMNS`` says.

    A log in a file is searched line by line, and whoever shows it folds it, so there a line is
    whole.

    Args:
        width: Of the terminal, of which nothing is known where there is none.
        is_terminal: Whether there is one.
    """
    return width if is_terminal or os.environ.get("COLUMNS") else UNBOUNDED


def shown(text: str) -> str:
    """Show a text from a file or a server on one line, with nothing in it that is obeyed."""
    line = printable(text).replace("\n", " ").replace("\t", " ")
    # Where a line is folded, any word may become the first one.
    return re.sub(r"(?<= ):(?=:[\w-])", r"\\x3a", line)


def width_of(text: str) -> int:
    """Return how many columns a text takes that :func:`shown` gave."""
    return max(0, wcswidth(text))


def cut(text: str, columns: int) -> str:
    """Return as much of a text as fits, with a mark where something is left out."""
    if width_of(text) <= columns:
        return text
    end = used = 0
    for char in text:
        used += max(0, wcwidth(char))
        if used > columns - 1:
            break
        end += 1
    # Some marks widen the letter before them.
    while end and width_of(text[:end]) > columns - 1:
        end -= 1
    return f"{text[:end]}…"


def quoted(start: str, text: str, columns: int) -> str:
    """Return a line that ends with a text in quotes, cut to the terminal's columns, 200 at most."""
    start = shown(start)
    room = max(_LEAST, min(columns, _WIDEST) - width_of(start))
    # Longer than what is shown, and short enough that a text of any length is cut at once.
    whole = shown(one_line(f'"{text}"', 4 * columns))
    return f"{start}{cut(whole, room)}"


def fold(text: str, columns: int) -> Iterator[str]:
    """Yield the lines of a text; those after the first are indented by two more than it.

    A word that no line can hold stays whole.
    """
    indent = len(text) - len(text.lstrip(" "))
    hang = " " * (indent + len(_STEP))
    line, used = [" " * indent], indent
    for gap, word in re.findall(r"( *)([^ ]+)", text[indent:]):
        width = width_of(word)
        is_too_long = used + len(gap) + width > columns
        if len(line) > 1 and is_too_long and len(hang) + width <= columns:
            yield "".join(line)
            line, used = [hang, word], len(hang) + width
        else:
            line += [gap, word]
            used += len(gap) + width
    yield "".join(line)


def lay_out(block: str | Table, columns: int) -> Iterator[Line]:
    """Yield the lines of a text or a table.

    Where a table is too wide its outcomes are folded, and where even that does not help it is
    stacked: each row becomes its name, its outcome, and its figures with their headings, so that
    nothing is left out.
    """
    if isinstance(block, str):
        yield from (Line(line) for line in fold(shown(block), columns))
        return
    cells = [[shown(cell) for cell in row] for row in block.rows]
    *headings, last = block.headings
    lines = list(table([headings, *(row[:-1] for row in cells)], left={0}))
    start = max(map(width_of, lines)) + len(_STEP)
    room, widest = columns - start, max(width_of(row[-1]) for row in cells)
    if room < min(_LEAST, widest) or widest > _MOST_LINES * room:
        for row, outcome in zip(cells, block.outcomes, strict=True):
            yield from _stacked(block.headings, row, outcome, columns)
        return
    yield from _beside(lines[0], last, "", start=start, columns=columns)
    for line, row, outcome in zip(lines[1:], cells, block.outcomes, strict=True):
        yield from _beside(line, row[-1], outcome, start=start, columns=columns)


def _beside(figures: str, result: str, outcome: str, *, start: int, columns: int) -> Iterator[Line]:
    gap = " " * (start - width_of(figures))
    for number, line in enumerate(fold(result, columns - start)):
        text = f"{figures}{gap}" if number == 0 else " " * start
        yield Line(text if line else text.rstrip(), line, outcome)


def _stacked(
    headings: Sequence[str], row: Sequence[str], outcome: str, columns: int
) -> Iterator[Line]:
    name, *figures, result = row
    if not result or width_of(name) + len(_STEP) + width_of(result) <= columns:
        yield Line(f"{name}{_STEP}" if result else name, result, outcome)
    else:
        yield Line(name)
        yield from (Line(_STEP, line, outcome) for line in fold(result, columns - len(_STEP)))
    line = _STEP
    for heading, figure in zip(headings[1:-1], figures, strict=True):
        item = f"{heading} {figure}, "
        if line != _STEP and width_of(f"{line}{item}") - 1 > columns:
            yield Line(line.rstrip())
            line = _STEP
        line += item
    yield Line(line.rstrip(", "))
