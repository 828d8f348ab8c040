"""A history of runs as lines for a terminal, with the words that all its reports share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.data.comparison import SIGNIFICANCE
from pytest_llmjudge.data.summary import NONE
from pytest_llmjudge.decisions.history import BY_NAME, judge_label, model_label
from pytest_llmjudge.errors import count_of
from pytest_llmjudge.reporting.layout import Table
from pytest_llmjudge.stats.basics import probability, signed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from pytest_llmjudge.data.history import (
        FlippedRecord,
        History,
        Point,
        SuiteHistory,
    )

__all__ = [
    "CAVEAT",
    "apart_line",
    "change_words",
    "flip_cells",
    "flip_headings",
    "flip_title",
    "headline",
    "history_blocks",
    "point_cells",
    "point_headings",
    "suite_line",
    "tests_line",
    "time_of",
]

CAVEAT = (
    f"Each test stands for itself, at {100 * SIGNIFICANCE:g} %: where nothing got worse, one in "
    f"{1 / SIGNIFICANCE:g} shows a drop all the same. A history describes; the gate [baseline] "
    "decides."
)
_MOST_SCORES = 12
_CHART_WIDTH = 24
_ROOM_FOR_CHART = 130
"""Columns of a terminal in which a chart leaves enough of them for what changed."""


def history_blocks(history: History, order: str, columns: int) -> Iterator[str | Table]:
    """Yield a history, suite by suite.

    Args:
        history: The runs.
        order: What their order is by.
        columns: Of the terminal.
    """
    yield headline(history, order)
    yield from (f"note: {note}" for note in history.notes)
    for suite in history.suites:
        yield ""
        yield suite_line(suite)
        yield from _segments(history, suite, columns)
        yield tests_line(suite)
        if suite.tested:
            yield flip_title(suite)
        if suite.flipped:
            rows = [flip_cells(suite, record) for record in suite.flipped]
            yield Table(flip_headings(suite), rows, [""] * len(rows))
    if any(suite.tested for suite in history.suites):
        yield ""
        yield CAVEAT


def headline(history: History, order: str) -> str:
    """Say how many runs there are, and from when."""
    times = [run.created for run in history.runs]
    if len(times) == 1:
        return f"1 run of {time_of(times[0])} UTC"
    by = "the names of their files" if order == BY_NAME else "the times they were created"
    first, last = time_of(min(times)), time_of(max(times))
    return f"{len(times)} runs from {first} to {last} UTC, in the order of {by}"


def suite_line(suite: SuiteHistory) -> str:
    """Name a suite, what is measured, and its earlier names."""
    figure, last = suite.last.figure, suite.last
    runs = count_of(len(suite.points), "run")
    formerly = f", before that {', '.join(suite.earlier_names)}" if suite.earlier_names else ""
    return f"{last.name}: {figure.name} of {last.total} {figure.noun}, {runs}{formerly}"


def tests_line(suite: SuiteHistory) -> str:
    """Say how many neighbours show a drop."""
    if len(suite.points) == 1:
        return "one run, which has no neighbour"
    if suite.last.side is None:
        return "suites of this kind have no paired test"
    if not suite.tested:
        return "no two neighbours compare"
    drop = suite.last.side.measure.drop
    worse = sum(point.step is not None and bool(point.step.worse) for point in suite.points)
    shows = "shows" if worse == 1 else "show"
    return f"{worse} of {count_of(suite.tested, 'pair')} of neighbours {shows} a {drop}"


def apart_line(history: History, suite: SuiteHistory, first: Point) -> str:
    """Say why a run is not held against the one before it."""
    before = suite.points[suite.points.index(first) - 1]
    assert first.step is not None  # noqa: S101  # it has a run before it
    return f"not compared with {history.names[before.run]}: {first.step.apart}"


def _segments(history: History, suite: SuiteHistory, columns: int) -> Iterator[str | Table]:
    headings = point_headings(suite)
    has_chart = columns >= _ROOM_FOR_CHART
    low, high = suite.range
    for segment in suite.segments:
        if segment[0].step is not None:
            yield apart_line(history, suite, segment[0])
        rows = [point_cells(history, point) for point in segment]
        if has_chart:
            axis = f"{low:.{suite.last.figure.interval_digits}f}".ljust(_CHART_WIDTH // 2)
            axis += f"{high:.{suite.last.figure.interval_digits}f}".rjust(_CHART_WIDTH // 2)
            bars = [_bar(point, low, high) for point in segment]
            shown = [(*row[:4], bar, *row[4:]) for row, bar in zip(rows, bars, strict=True)]
            yield Table((*headings[:4], axis, *headings[4:]), shown, [""] * len(rows))
        else:
            yield Table(headings, rows, [""] * len(rows))


def _bar(point: Point, low: float, high: float) -> str:
    """Draw a figure with its interval in ASCII."""
    value = point.suite.value
    if value is None:
        return " " * _CHART_WIDTH

    def place(at: float) -> int:
        return round((at - low) / ((high - low) or 1) * (_CHART_WIDTH - 1))

    start, end = map(place, point.suite.interval or (value, value))
    cells = ["-" if start <= column <= end else " " for column in range(_CHART_WIDTH)]
    cells[place(value)] = "o"
    return "".join(cells)


def point_headings(suite: SuiteHistory) -> tuple[str, ...]:
    """Return the headings of a table of a suite's runs."""
    side, name = suite.last.side, suite.last.figure.name
    change = "change" if side is None else f"change in {side.measure.unit}"
    return "run", "created", name, "95 % interval", change, "p", "what changed"


def point_cells(history: History, point: Point) -> tuple[str, ...]:
    """Return a run of a suite as the cells of a table."""
    run, suite, step = history.runs[point.run], point.suite, point.step
    comparison = None if step is None else step.comparison
    figure = suite.figure.shown(suite.value), suite.figure.shown_interval(suite.interval)
    change = p = NONE
    if comparison is not None and comparison.difference is not None:
        change = signed(comparison.difference)
    if comparison is not None and comparison.p is not None:
        p = probability(comparison.p).removeprefix("= ")
    worse = [step.worse] if step is not None and step.worse else []
    words = "; ".join((*worse, *change_words(point)))
    return history.names[point.run], time_of(run.created), *figure, change, p, words


def change_words(point: Point) -> Iterator[str]:
    """Yield what changed from the run before, each in a few words; of the first run what it was."""
    suite, step = point.suite, point.step
    if step is None:
        if suite.judge is not None:
            yield f"judge: {judge_label(suite.judge)}"
        yield f"model: {model_label(suite.model)}"
        return
    counts = (("added", step.added), ("removed", step.removed), ("edited", step.edited))
    yield from (f"{number} {what}" for what, number in counts if number)
    # Of a judged suite the note says that the judge's version changed, as its label does.
    if step.comparison is not None and step.comparison.note and suite.judge is None:
        yield step.comparison.note
    for change in step.changes:
        # What a judge or a model was stands above.
        before = "" if change.what in {"judge", "model"} else f"{change.before} -> "
        yield f"{change.what}: {before}{change.after}"


def flip_title(suite: SuiteHistory) -> str:
    """Say what the table of records shows, of a suite that was tested."""
    noun, what = suite.last.figure.noun, "flipped" if suite.has_limit else "changed their score"
    if not suite.flipped:
        return f"no {noun} {what}"
    return f"{noun} that {what} most often: {len(suite.flipped)} of {suite.flipped_total}"


def flip_headings(suite: SuiteHistory) -> tuple[str, ...]:
    """Return the headings of a table of records that flipped."""
    counts = ("fell", "rose") if suite.has_limit else ("changes", "moved by")
    return "record", *counts, "scores, the last one at the end"


def flip_cells(suite: SuiteHistory, record: FlippedRecord) -> tuple[str, ...]:
    """Return a record that flipped as the cells of a table."""
    if suite.has_limit:
        counts = str(record.fell), str(record.rose)
    else:
        counts = str(record.changes), f"{record.distance:.4g}"
    return record.id, *counts, _track(suite, record.scores)


def _track(suite: SuiteHistory, scores: Sequence[float | None]) -> str:
    """Write the last scores of a record, with a bar where neighbours do not compare."""
    words: list[str] = []
    for point, score in list(zip(suite.points, scores, strict=True))[-_MOST_SCORES:]:
        if words and point.step is not None and point.step.apart:
            words.append("|")
        words.append(NONE if score is None else f"{score:.4g}")
    return " ".join(["...", *words] if len(scores) > _MOST_SCORES else words)


def time_of(time: datetime) -> str:
    """Write a time, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M")
