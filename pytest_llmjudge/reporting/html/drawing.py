"""What a chart consists of, its values turned into places in the drawing; a template writes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_llmjudge.reporting.layout import width_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Axis", "Chart", "Dot", "Plot"]

_WIDTH = 440
_HEIGHT = 264
_TOP = 12
_RIGHT = 16
_BOTTOM = 44
_TITLE_WIDTH = 18
_GAP = 12
# At the 12 pixels that the style gives to labels.
_CHARACTER = 7.2
_ABOVE_BASELINE = 4


@dataclass(frozen=True, slots=True)
class Axis:
    """One direction of a chart.

    Attributes:
        low: The value at its start.
        high: The value at its end.
        ticks: Values that are labelled, each with its label.
        title: Empty for none.
        has_guides: Whether lines across the chart lead from the ticks.
    """

    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    title: str = ""
    has_guides: bool = True


@dataclass(frozen=True, slots=True)
class Dot:
    """A value in the chart.

    Attributes:
        x: Value on the horizontal axis.
        y: Value on the vertical axis.
        radius: In pixels.
        tooltip: Empty for none.
    """

    x: float
    y: float
    radius: float = 3
    tooltip: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    kind: str
    path: str


@dataclass(frozen=True, slots=True)
class _Label:
    kind: str
    text: str
    x: str
    y: str
    is_upright: bool = False


@dataclass(frozen=True, slots=True)
class _Circle:
    x: str
    y: str
    radius: str
    tooltip: str


@dataclass(frozen=True, slots=True)
class _Group:
    kind: str
    dots: tuple[_Circle, ...]


@dataclass(slots=True)
class Plot:
    """A drawing of lines, bars and dots, each with the ``kind`` that the page's style names."""

    left: float
    top: float
    right: float
    bottom: float
    x: Axis
    y: Axis
    width: int = _WIDTH
    height: int = _HEIGHT
    lines: list[_Line] = field(default_factory=list)
    labels: list[_Label] = field(default_factory=list)
    groups: list[_Group] = field(default_factory=list)

    @classmethod
    def with_axes(cls, x: Axis, y: Axis, height: int = _HEIGHT, width: int = _WIDTH) -> Plot:
        """Return a chart that has its axes and nothing else yet."""
        widest = max(width_of(label) for _, label in y.ticks) * _CHARACTER
        left = _GAP + (_TITLE_WIDTH if y.title else 0) + widest + _GAP
        plot = cls(left, _TOP, width - _RIGHT, height - _BOTTOM, x, y, width, height)
        plot._draw_axes()
        return plot

    @classmethod
    def bare(cls, high: float, height: int) -> Plot:
        """Return an empty drawing without axes, of values from 0 to ``high`` and 0 to 1."""
        return cls(0, 0, _WIDTH, height, Axis(0, high, ()), Axis(0, 1, ()), height=height)

    def line(self, kind: str, *points: tuple[float, float]) -> None:
        """Draw a line through the points."""
        places = " ".join(f"{self._x(x)} {self._y(y)}" for x, y in points)
        self.lines.append(_Line(kind, f"M{places}"))

    def spans(self, kind: str, spans: Iterable[tuple[float, float, float]]) -> None:
        """Draw horizontal lines, each from one x to another at a y."""
        path = "".join(f"M{self._x(x0)} {self._y(y)}H{self._x(x1)}" for x0, x1, y in spans)
        self.lines.append(_Line(kind, path))

    def bars(self, kind: str, bars: Iterable[tuple[float, float, float]]) -> None:
        """Draw upright bars, each from one x to another, from 0 up to a y."""
        path = "".join(
            f"M{self._x(x0)} {self._y(0)}V{self._y(y)}H{self._x(x1)}V{self._y(0)}z"
            for x0, x1, y in bars
        )
        self.lines.append(_Line(kind, path))

    def dots(self, kind: str, dots: Iterable[Dot]) -> None:
        """Draw dots, above all lines."""
        circles = (
            _Circle(self._x(dot.x), self._y(dot.y), _px(dot.radius), dot.tooltip) for dot in dots
        )
        self.groups.append(_Group(kind, tuple(circles)))

    def _draw_axes(self) -> None:
        left, top, right, bottom = map(_px, (self.left, self.top, self.right, self.bottom))
        guides = ""
        for value, text in self.x.ticks:
            guides += f"M{self._x(value)} {top}V{bottom}"
            self.labels.append(_Label("below", text, self._x(value), _px(self.bottom + 16)))
        for value, text in self.y.ticks:
            if self.y.has_guides:
                guides += f"M{left} {self._y(value)}H{right}"
            y = _px(self._y_place(value) + _ABOVE_BASELINE)
            self.labels.append(_Label("beside", text, _px(self.left - _GAP), y))
        self.lines.append(_Line("guides", guides))
        self.lines.append(_Line("axes", f"M{left} {top}V{bottom}H{right}"))
        middle = _px((self.left + self.right) / 2)
        self.labels.append(_Label("below", self.x.title, middle, _px(self.height - 8)))
        if self.y.title:
            middle = _px((self.top + self.bottom) / 2)
            x = _px(_TITLE_WIDTH)
            self.labels.append(_Label("below", self.y.title, x, middle, is_upright=True))

    def _x(self, value: float) -> str:
        share = (value - self.x.low) / (self.x.high - self.x.low)
        return _px(self.left + share * (self.right - self.left))

    def _y(self, value: float) -> str:
        return _px(self._y_place(value))

    def _y_place(self, value: float) -> float:
        share = (value - self.y.low) / (self.y.high - self.y.low)
        return self.bottom - share * (self.bottom - self.top)


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing with its texts.

    Attributes:
        kind: Names its style.
        title: What it shows.
        plot: The drawing.
        text: The same in words, for those who cannot see it.
        legend: Names of its parts, each with the style of its mark.
        note: What a reader should know besides; empty for nothing.
    """

    kind: str
    title: str
    plot: Plot
    text: str
    legend: tuple[tuple[str, str], ...]
    note: str = ""


def _px(place: float) -> str:
    return f"{place:.1f}".removesuffix(".0")
