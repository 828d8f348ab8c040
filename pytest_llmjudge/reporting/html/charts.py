"""The charts of the page: what each draws, and what it says in words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_llmjudge.data.page import Histogram, Intervals, PeopleScatter, Scatter
from pytest_llmjudge.reporting import layout
from pytest_llmjudge.reporting.html.drawing import Axis, Chart, Dot, Plot
from pytest_llmjudge.reporting.html.texts import safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.data.page import ChartData, Measured, Shares

__all__ = ["draw"]

_BIN = 5
_MOST_DOTS = 600
_ROW = 22
_LONGEST_NAME = 26


def draw(chart: ChartData) -> Chart:
    """Draw a chart."""
    if isinstance(chart, Histogram):
        return _scores(chart)
    if isinstance(chart, Scatter):
        return _paired(chart)
    if isinstance(chart, PeopleScatter):
        return _people(chart)
    if isinstance(chart, Intervals):
        return _intervals(chart)
    return _shares(chart)


def _scores(chart: Histogram) -> Chart:
    """Draw how scores are distributed, in steps of five points."""
    scores, min_score = chart.scores, chart.min_score
    counted = Counter(min(score, 99) // _BIN for score in scores)
    low = Counter(
        min(score, 99) // _BIN for score in scores if min_score is not None and score < min_score
    )
    highest = max(counted.values())
    plot = Plot.with_axes(
        _score_axis("score"), Axis(0, highest, _labelled(_ticks(highest)), "records")
    )
    plot.bars("value", _steps(counted))
    plot.bars("bad", _steps(low))
    if min_score is not None:
        plot.line("least", (min_score, 0), (min_score, highest))
    text = f"Distribution of {len(scores)} scores. Records by score: {_counts(counted)}."
    legend: tuple[tuple[str, str], ...] = ()
    if min_score is not None:
        below = sum(low.values())
        text += f" {below} are below min_score {min_score}."
        legend = (
            ("box accent", f"{len(scores) - below} reach min_score"),
            ("box bad", f"{below} below"),
            ("dash", f"min_score {min_score}"),
        )
    return Chart("scores", "Distribution of scores", plot, text, legend)


def _paired(chart: Scatter) -> Chart:
    """Draw each record's score in the baseline against its score now."""
    pairs, min_score = chart.pairs, chart.min_score
    counted, note = _places(pairs)
    plot = Plot.with_axes(_score_axis("baseline"), _score_axis("now"))
    plot.line("same", (0, 0), (100, 100))
    if min_score is not None:
        plot.line("least", (0, min_score), (100, min_score))
    for kind, sign in (("tied", 0), ("good", 1), ("bad", -1)):
        plot.dots(
            kind,
            (_dot(at, ("before", "now"), n) for at, n in counted.items() if _sign(at) == sign),
        )
    worse = sum(now < was for was, now in pairs)
    better = sum(now > was for was, now in pairs)
    equal = len(pairs) - worse - better
    text = (
        f"Scores of {len(pairs)} records now against the baseline: {worse} lower, "
        f"{equal} equal, {better} higher."
    )
    legend = (
        ("dot bad", f"{worse} lower"),
        ("dot soft", f"{equal} equal"),
        ("dot good", f"{better} higher"),
        ("thin", "no change"),
        *((("dash", f"min_score {min_score}"),) if min_score is not None else ()),
    )
    return Chart("paired", "Now against the baseline", plot, text, legend, note)


def _people(chart: PeopleScatter) -> Chart:
    """Draw the score of people for each response against that of the judge."""
    pairs = chart.pairs
    counted, note = _places(pairs)
    plot = Plot.with_axes(_score_axis("people"), _score_axis("judge"))
    plot.line("same", (0, 0), (100, 100))
    plot.dots("value", (_dot(at, ("people", "judge"), n) for at, n in counted.items()))
    below = sum(judge < people for people, judge in pairs)
    above = sum(judge > people for people, judge in pairs)
    noun = "record" if len(pairs) == 1 else "records"
    text = (
        f"Scores of the judge against those of people, {len(pairs)} {noun}: {below} lower, "
        f"{len(pairs) - below - above} equal, {above} higher."
    )
    legend = ("dot accent", "a response"), ("thin", "judge and people agree")
    return Chart("people", "Judge against people", plot, text, legend, note)


def _places(pairs: Sequence[tuple[float, float]]) -> tuple[Counter[tuple[float, float]], str]:
    """Count the pairs at each place; many different ones are rounded, which a note says."""
    counted = Counter(pairs)
    if len(counted) <= _MOST_DOTS:
        return counted, ""
    rounded = Counter((_rounded(first), _rounded(second)) for first, second in pairs)
    return rounded, f"Scores are rounded to steps of {_BIN} points."


def _intervals(chart: Intervals) -> Chart:
    """Draw shares with their intervals, one below the other."""
    measured, wanted = chart.measured, chart.wanted
    title = f"{chart.measure.capitalize()} by {chart.noun}"
    rows = [(len(measured) - row, one) for row, one in enumerate(measured)]
    names = Axis(
        *(0.4, len(measured) + 0.6),
        [(at, layout.cut(layout.shown(one.name), _LONGEST_NAME)) for at, one in rows],
        has_guides=False,
    )
    shares = Axis(0, 1, _labelled([0, 0.25, 0.5, 0.75, 1]), chart.measure)
    plot = Plot.with_axes(shares, names, height=_ROW * len(measured) + 70)
    if wanted is not None:
        plot.line("least", (wanted, names.low), (wanted, names.high))
    plot.spans("interval", ((*one.interval, at) for at, one in rows))
    # Rings, so that they can be seen around a dot at the same place.
    plot.dots("before", (Dot(one.before, at, 5) for at, one in rows if one.before is not None))
    plot.dots("value", (Dot(one.value, at, tooltip=_shown(one)) for at, one in rows))
    text = f"{title} with 95 % intervals: {'; '.join(map(_shown, measured))}."
    has_before = any(one.before is not None for one in measured)
    legend = (
        ("dot accent", f"{chart.measure}, with its 95 % interval"),
        *((("ring", "baseline"),) if has_before else ()),
        *((("dash", f"wanted {wanted:g}"),) if wanted is not None else ()),
    )
    return Chart("intervals", title, plot, text, legend)


def _shares(chart: Shares) -> Chart:
    """Draw how many came out good, undecided and bad."""
    total = sum(chart.counts)
    plot = Plot.bare(total, height=48)
    start = 0
    for kind, count in zip(("good", "tied", "bad"), chart.counts, strict=True):
        plot.bars(kind, [(start, start + count, 1)])
        start += count
    good, even, bad = (
        f"{count} {word}" for count, word in zip(chart.counts, chart.words, strict=True)
    )
    first, rest = chart.counts[0], f"{chart.words[0]}, {even} and {bad}"
    text = f"Of {total} {chart.noun} {first} are {rest}."
    legend = ("box good", good), ("box soft", even), ("box bad", bad)
    return Chart("shares", ", ".join(chart.words).capitalize(), plot, text, legend)


def _score_axis(title: str) -> Axis:
    return Axis(0, 100, _labelled([0, 20, 40, 60, 80, 100]), title)


def _labelled(values: Sequence[float]) -> list[tuple[float, str]]:
    return [(value, f"{value:g}") for value in values]


def _steps(counted: Counter[int]) -> list[tuple[float, float, float]]:
    """Return the bars of a histogram, with gaps in between."""
    return [(step * _BIN + 0.3, (step + 1) * _BIN - 0.3, counted[step]) for step in sorted(counted)]


def _counts(counted: Counter[int]) -> str:
    last = 100 // _BIN - 1
    return ", ".join(
        f"{step * _BIN} to {(step + 1) * _BIN - (step < last)}: {counted[step]}"
        for step in sorted(counted)
    )


def _ticks(highest: int) -> list[int]:
    step = next(
        size * 10**power
        for power in range(9)
        for size in (1, 2, 5)
        if highest <= 4 * size * 10**power
    )
    return list(range(0, highest + 1, step))


def _rounded(score: float) -> float:
    return _BIN * round(score / _BIN)


def _sign(pair: tuple[float, float]) -> int:
    was, now = pair
    return (now > was) - (now < was)


def _dot(pair: tuple[float, float], words: tuple[str, str], count: int) -> Dot:
    records = "1 record" if count == 1 else f"{count} records"
    first, second = (f"{score:g} {word}" for score, word in zip(pair, words, strict=True))
    tooltip = f"{first}, {second}: {records}"
    return Dot(*pair, min(9.0, 2.5 + count**0.5), tooltip)


def _shown(one: Measured) -> str:
    low, high = one.interval
    return f"{safe_text(one.name)} {one.value:.2f} ({low:.2f} to {high:.2f})"
