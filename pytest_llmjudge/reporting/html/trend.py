"""The chart of a suite over time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_llmjudge.reporting.history import point_cells
from pytest_llmjudge.reporting.html.drawing import Axis, Chart, Dot, Plot
from pytest_llmjudge.reporting.html.texts import safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.data.history import History, Point, SuiteHistory

__all__ = ["draw_trend"]

_WIDTH = 880
_HEIGHT = 300
_MOST_TICKS = 6
_MARGIN = 0.06
"""Of the chart's width, beside the first and the last run, for their labels."""
_LARGE, _SMALL = 4.0, 2.5
_MANY = 60
"""Runs whose dots would touch each other."""


def draw_trend(history: History, suite: SuiteHistory) -> Chart:
    """Draw a suite's figure with its intervals, run by run; lines join runs that compare."""
    points, last = suite.points, suite.last
    places = {point.run: place for place, point in enumerate(points)}
    margin = max(0.5, _MARGIN * len(points))
    x = Axis(-margin, len(points) - 1 + margin, _run_ticks(history, points), "created")
    plot = Plot.with_axes(x, _figure_axis(suite), _HEIGHT, _WIDTH)
    for segment in suite.segments:
        first = places[segment[0].run]
        if segment[0].step is not None:
            plot.line("least", (first - 0.5, plot.y.low), (first - 0.5, plot.y.high))
        known = [(places[one.run], one.suite.value) for one in segment]
        joined = [(place, value) for place, value in known if value is not None]
        if len(joined) > 1:
            plot.line("trend", *joined)
    for point in points:
        if point.suite.value is not None and point.suite.interval is not None:
            low, high = point.suite.interval
            plot.line("interval", (places[point.run], low), (places[point.run], high))
    radius = _LARGE if len(points) < _MANY else _SMALL
    worse = [point for point in points if point.step is not None and point.step.worse]
    # Larger, so that not the colour alone tells them apart.
    for kind, shown, size in (("value", points, radius), ("bad", worse, 1.5 * radius)):
        plot.dots(
            kind,
            (
                Dot(places[one.run], one.suite.value, size, _tooltip(history, one))
                for one in shown
                if one.suite.value is not None
            ),
        )
    breaks = len(suite.segments) - 1
    legend = [("dot accent", f"{last.figure.name}, with its 95 % interval")]
    if worse:
        legend.append(("dot bad", "worse than the run before"))
    if breaks:
        legend.append(("dash", "not compared with the run before"))
    return Chart("trend", _title(suite), plot, _text(suite, len(worse), breaks), tuple(legend))


def _title(suite: SuiteHistory) -> str:
    name = suite.last.figure.name
    return f"{name[0].upper()}{name[1:]} over time"


def _text(suite: SuiteHistory, worse: int, breaks: int) -> str:
    figure = suite.last.figure
    first, last = (figure.shown(suite.points[place].suite.value) for place in (0, -1))
    text = f"{_title(suite)}: {first} in the first of {len(suite.points)} runs, {last} in the last."
    if suite.tested:
        text += f" Worse than the run before: {worse}."
    if breaks:
        text += f" Not compared with the run before: {breaks}."
    return f"{text} The table below has all figures."


def _tooltip(history: History, point: Point) -> str:
    name, created, value, interval, change, *_ = point_cells(history, point)
    worse = f", {point.step.worse}" if point.step is not None and point.step.worse else ""
    return safe_text(f"{name}, {created}: {value} ({interval}), change {change}{worse}")


def _run_ticks(history: History, points: Sequence[Point]) -> list[tuple[float, str]]:
    """Label some of the runs with their days, or where all are of one day with their times."""
    times = [history.runs[one.run].created for one in points]
    form = "%H:%M" if len({time.date() for time in times}) == 1 else "%Y-%m-%d"
    step = math.ceil(len(points) / _MOST_TICKS)
    return [(place, times[place].strftime(form)) for place in range(0, len(points), step)]


def _figure_axis(suite: SuiteHistory) -> Axis:
    low, high = suite.range
    step = _step((high - low) or 1)
    first, last = math.floor(low / step), math.ceil(high / step)
    last = max(last, first + 1)
    ticks = [(number * step, f"{number * step:g}") for number in range(first, last + 1)]
    return Axis(first * step, last * step, ticks, suite.last.figure.name)


def _step(span: float) -> float:
    """Return the distance of labels: 1, 2 or 5 times a power of ten, at most six in the span."""
    power: float = 10.0 ** math.floor(math.log10(span / 5))
    return next(size * power for size in (1, 2, 5, 10) if span <= 5 * size * power)
