"""The charts of the page: what each draws, and what it says in words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.reporting.html.drawing import Chart, bar, plot, svg_of
from pytest_llmjudge.reporting.html.texts import safe_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Measured", "Shown", "intervals", "paired", "scores", "shares"]

_SCORES = [0, 20, 40, 60, 80, 100]
_BIN = 5
_MOST_DOTS = 600
_ROW = 22

Shown = tuple[float, float]
"""A score in the baseline, and the score now."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A share with its interval, all 0 to 1.

    Attributes:
        name: Of what was measured.
        value: The share.
        interval: Its 95 % interval.
        before: The share in the baseline; ``None`` without.
    """

    name: str
    value: float
    interval: tuple[float, float]
    before: float | None


def scores(found: Sequence[int], min_score: int | None) -> Chart:
    """Draw how scores are distributed, in steps of five points.

    Args:
        found: The scores there are, at least one.
        min_score: What a record has to score; ``None`` when nothing is set.
    """
    counted = Counter(min(score, 99) // _BIN for score in found)
    low = Counter(
        min(score, 99) // _BIN for score in found if min_score is not None and score < min_score
    )
    highest = max(counted.values())
    chart = plot(
        x_labels=_SCORES,
        y_labels=_ticks(highest),
        xrange=(0, 100),
        range=(0, highest),
        x_title="score",
        y_title="records",
        fill=True,
        show_dots=False,
    )
    chart.add("all", list(_steps(counted)))
    chart.add("low", list(_steps(low)))
    line = [] if min_score is None else [(min_score, 0), (min_score, highest)]
    chart.add("least", line, fill=False)
    text = f"Distribution of {len(found)} scores. Records by score: {_counts(counted)}."
    legend: tuple[tuple[str, str], ...] = ()
    if min_score is not None:
        below = sum(low.values())
        text += f" {below} are below min_score {min_score}."
        legend = (
            ("box accent", f"{len(found) - below} reach min_score"),
            ("box bad", f"{below} below"),
            ("dash", f"min_score {min_score}"),
        )
    return Chart("scores", "Distribution of scores", svg_of(chart, text), text, legend)


def paired(pairs: Sequence[Shown], min_score: int | None) -> Chart:
    """Draw each record's score in the baseline against its score now.

    Args:
        pairs: At least one.
        min_score: What a record has to score; ``None`` when nothing is set.
    """
    counted = Counter(pairs)
    note = ""
    if len(counted) > _MOST_DOTS:
        counted = Counter((_rounded(was), _rounded(now)) for was, now in pairs)
        note = f"Scores are rounded to steps of {_BIN} points."
    chart = plot(
        x_labels=_SCORES,
        y_labels=_SCORES,
        xrange=(0, 100),
        range=(0, 100),
        x_title="baseline",
        y_title="now",
        stroke=False,
    )
    chart.add("same", [(0, 0), (100, 100)], stroke=True, show_dots=False)
    least = [] if min_score is None else [(0, min_score), (100, min_score)]
    chart.add("least", least, stroke=True, show_dots=False)
    for name, sign in (("equal", 0), ("better", 1), ("worse", -1)):
        chart.add(name, [_dot(at, n) for at, n in counted.items() if _sign(at) == sign])
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
    return Chart("paired", "Now against the baseline", svg_of(chart, text), text, legend, note)


def intervals(measured: Sequence[Measured], wanted: float | None) -> Chart:
    """Draw shares with their intervals, one below the other.

    Args:
        measured: From top to bottom, at least one.
        wanted: What each has to reach, 0 to 1; ``None`` when nothing is set.
    """
    places = {one: len(measured) - place for place, one in enumerate(measured)}
    top = len(measured) + 0.6
    chart = plot(
        height=_ROW * len(measured) + 70,
        x_labels=[0, 0.25, 0.5, 0.75, 1],
        y_labels=[{"label": _cut(one.name), "value": place} for one, place in places.items()],
        xrange=(0, 1),
        range=(0.4, top),
        x_title="accuracy",
        stroke=False,
    )
    line = [] if wanted is None else [(wanted, 0.4), (wanted, top)]
    chart.add("least", line, stroke=True, show_dots=False)
    spans = [
        point
        for one, place in places.items()
        for point in ((one.interval[0], place), (one.interval[1], place), (None, None))
    ]
    chart.add("interval", spans, stroke=True, show_dots=False, allow_interruptions=True)
    # Rings, that are seen around a dot at the same place.
    before = [(one.before, at) for one, at in places.items() if one.before is not None]
    chart.add("before", before, dots_size=5)
    chart.add(
        "value",
        [{"value": (one.value, at), "tooltip": _shown(one)} for one, at in places.items()],
    )
    text = f"Accuracy by subject with 95 % intervals: {'; '.join(map(_shown, measured))}."
    has_before = any(one.before is not None for one in measured)
    legend = (
        ("dot accent", "accuracy, with its 95 % interval"),
        *((("ring", "baseline"),) if has_before else ()),
        *((("dash", f"wanted {wanted:g}"),) if wanted is not None else ()),
    )
    return Chart("intervals", "Accuracy by subject", svg_of(chart, text), text, legend)


def shares(wins: int, ties: int, losses: int) -> Chart:
    """Draw how many pairs were won, tied and lost; there is at least one."""
    total = wins + ties + losses
    chart = bar(total)
    for name, count in (("won", wins), ("tied", ties), ("lost", losses)):
        chart.add(name, [count])
    text = f"Of {total} pairs {wins} are won, {ties} tied and {losses} lost."
    legend = (
        ("box good", f"{wins} won"),
        ("box soft", f"{ties} tied"),
        ("box bad", f"{losses} lost"),
    )
    return Chart("shares", "Won, tied, lost", svg_of(chart, text), text, legend)


def _steps(counted: Counter[int]) -> Iterator[tuple[float, int]]:
    """Yield the outline of a histogram; a gap divides its bars."""
    for step in range(100 // _BIN):
        left, right = step * _BIN + 0.3, (step + 1) * _BIN - 0.3
        height = counted[step]
        yield from ((left, 0), (left, height), (right, height), (right, 0))


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


def _sign(pair: Shown) -> int:
    was, now = pair
    return (now > was) - (now < was)


def _dot(pair: Shown, count: int) -> dict[str, Any]:
    size = min(9.0, 2.5 + count**0.5)
    records = "1 record" if count == 1 else f"{count} records"
    told = f"{pair[0]:g} before, {pair[1]:g} now: {records}"
    return {"value": pair, "tooltip": told, "node": {"r": f"{size:.1f}"}}


def _shown(one: Measured) -> str:
    low, high = one.interval
    return f"{safe_text(one.name)} {one.value:.2f} ({low:.2f} to {high:.2f})"


def _cut(name: str) -> str:
    shown = safe_text(name)
    return shown if len(shown) <= 26 else f"{shown[:25]}…"
