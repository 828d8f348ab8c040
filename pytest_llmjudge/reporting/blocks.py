"""Parts of a suite's summary as lines and tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.data.summary import MOST_PARTS, Excerpts, Names
from pytest_llmjudge.decisions.gates import listed
from pytest_llmjudge.errors import one_line
from pytest_llmjudge.reporting.layout import Table, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmjudge.data.summary import Breakdown, Part, Statement, Summary

__all__ = ["block_lines", "breakdown_blocks", "statement_line"]

_INDENT = " " * 7
_LONGEST = 10


def statement_line(statement: Statement, name: str, *, figures: bool) -> str:
    """Return a statement as a line.

    Args:
        statement: About a suite.
        name: Of the suite, where its kind has several; else empty.
        figures: Whether to add those behind it.
    """
    ends = (statement.figures if figures else "", name if statement.is_named else "")
    return statement.text + "".join(f" ({end})" for end in ends if end)


def breakdown_blocks(
    breakdown: Breakdown, suite: Summary, columns: int, most: int | None, *, in_groups: bool
) -> Iterator[str | Table]:
    """Yield a suite's result by its parts.

    Args:
        breakdown: The parts.
        suite: Whose they are.
        columns: Of the terminal.
        most: How many parts without a result are named; ``None`` for all.
        in_groups: Show groups in the place of more than twelve parts.
    """
    yield f"{breakdown.title} in {suite.name}: {breakdown.settings}"
    known = [part for part in breakdown.parts if part.figures]
    if known:
        grouped = in_groups and len(known) > MOST_PARTS
        rows = list(breakdown.groups if grouped else known)
        if breakdown.whole is not None:
            rows.append(breakdown.whole)
        columns_shown = len(breakdown.headings)
        cells = [_cells(row, suite, breakdown)[:columns_shown] for row in rows]
        yield Table(breakdown.headings, cells, [row.outcome for row in rows])
        if grouped and breakdown.left_out:
            yield f"{breakdown.left_out}, -v shows all"
        yield from breakdown.lines
    missing = tuple((part.name, part.error) for part in breakdown.parts if not part.figures)
    if missing:
        names = Names(f"{suite.noun}s without a result in {suite.name}", missing)
        yield from block_lines(names, columns, most)


def _cells(part: Part, suite: Summary, breakdown: Breakdown) -> tuple[str, ...]:
    # What was asked of the whole suite stands in the line of the whole.
    outcome = suite.decided if part is breakdown.whole else f"{part.outcome}{part.remark}"
    return (part.name, *part.figures, outcome)


def block_lines(block: str | Names | Excerpts, columns: int, most: int | None) -> Iterator[str]:
    """Yield the lines of what is worth a look.

    Args:
        block: A line, names or excerpts.
        columns: Of the terminal; a cause takes ten lines of it at most, a quoted text one.
        most: How many samples are shown, of samples with causes how many causes, and how many
            samples of each; ``None`` for all.
    """
    if isinstance(block, str):
        yield block
    elif isinstance(block, Names):
        yield f"{block.title}: {len(block.entries)}"
        causes = list(block.by_cause.items())
        for cause, names in causes[:most]:
            yield f"{_INDENT}{listed(names, most)}  {one_line(cause, _LONGEST * columns)}"
        named = sum(len(names) for _, names in causes[:most])
        yield from _more(len(block.entries), named)
    else:
        yield from _excerpt_lines(block, columns, most)


def _excerpt_lines(block: Excerpts, columns: int, most: int | None) -> Iterator[str]:
    yield f"{block.title}: {len(block.entries)}" if block.are_counted else f"{block.title}:"
    entries = block.entries[:most]
    width = max((3, *(len(excerpt.label) for excerpt in entries)))
    for excerpt in entries:
        start = f"  {excerpt.label:>{width}}  {excerpt.name}  "
        text = excerpt.text
        yield quoted(start, text, columns) if block.are_quoted else f"{start}{text}"
    if block.are_counted:
        yield from _more(len(block.entries), most)


def _more(number: int, most: int | None) -> Iterator[str]:
    """Yield how many of ``number`` were not shown; nothing when all were."""
    if most is not None and number > most:
        yield f"{_INDENT}and {number - most} more"
