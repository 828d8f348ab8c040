"""A history of runs as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.reporting.history import (
    CAVEAT,
    apart_line,
    flip_cells,
    flip_headings,
    flip_title,
    headline,
    point_cells,
    point_headings,
    suite_line,
    tests_line,
)
from pytest_llmjudge.reporting.markup import head, inline, row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmjudge.data.history import History, SuiteHistory

__all__ = ["history_markdown"]


def history_markdown(history: History, order: str) -> str:
    """Return a history as Markdown.

    Args:
        history: The runs.
        order: What their order is by.
    """
    return "\n".join(_lines(history, order))


def _lines(history: History, order: str) -> Iterator[str]:
    yield f"{inline(headline(history, order))}."
    if history.notes:
        yield ""
        yield from (f"- {inline(note)}" for note in history.notes)
    for suite in history.suites:
        yield from _suite_lines(history, suite)
    if any(suite.tested for suite in history.suites):
        yield ""
        yield inline(CAVEAT)


def _suite_lines(history: History, suite: SuiteHistory) -> Iterator[str]:
    yield from ("", f"### {inline(suite_line(suite))}")
    for segment in suite.segments:
        yield ""
        if segment[0].step is not None:
            yield from (f"**{inline(apart_line(history, suite, segment[0]))}**", "")
        yield from head(point_headings(suite))
        yield from (row([inline(cell) for cell in point_cells(history, one)]) for one in segment)
    yield from ("", f"{inline(tests_line(suite))}.")
    if suite.tested:
        yield from ("", f"{inline(flip_title(suite))}.")
    if suite.flipped:
        yield ""
        yield from head(flip_headings(suite))
        for record in suite.flipped:
            yield row([inline(cell) for cell in flip_cells(suite, record)])
