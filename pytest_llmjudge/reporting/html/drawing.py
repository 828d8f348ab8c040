"""Charts as SVG that stands in the page, without script, style or font of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from pytest_llmjudge.reporting.html.library import Style, etree, pygal
from pytest_llmjudge.reporting.html.texts import safe_text

__all__ = ["Chart", "bar", "plot", "svg_of"]

_WIDTH = 440
_HEIGHT = 264
_LABEL_SIZE = 12
# What would run, what the page's own style says, and what only pygal's script reads.
_REMOVED = {"script", "style", "desc"}


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing with its texts.

    Attributes:
        kind: Names its style.
        title: What it shows.
        svg: The drawing.
        text: The same in words, for those who cannot see it.
        legend: Names of its parts, each with the style of its mark.
        note: What a reader should know besides; empty for nothing.
    """

    kind: str
    title: str
    svg: Markup
    text: str
    legend: tuple[tuple[str, str], ...]
    note: str = ""


def plot(**options: Any) -> Any:  # noqa: ANN401  # pygal has no types
    """Return an empty chart of points and lines; ``options`` are pygal's."""
    common = {"height": _HEIGHT, "dots_size": 3, "spacing": 6, "margin": 8}
    shown = {"x_value_formatter": lambda value: f"{value:g}", "show_x_guides": True}
    return pygal.XY(**{**_common(), **common, **shown, **options})


def bar(total: int) -> Any:  # noqa: ANN401  # pygal has no types
    """Return an empty bar that ``total`` fills."""
    bare = {"show_x_labels": False, "show_y_labels": False, "margin": 0}
    return pygal.HorizontalStackedBar(**_common(), **bare, height=64, range=(0, total))


def svg_of(chart: Any, text: str) -> Markup:  # noqa: ANN401  # pygal has no types
    """Return a chart as part of the page: named for screen readers, without what would run."""
    root = chart.render_tree()
    for parent in list(root.iter()):
        for child in list(parent):
            # A comment's tag is no text. Titles are tooltips, of which only the dots' tell more.
            is_idle = child.tag == "title" and parent.get("class") != "dots"
            if not isinstance(child.tag, str) or child.tag in _REMOVED or is_idle:
                parent.remove(child)
        for name in ("id", "style"):
            parent.attrib.pop(name, None)
    root.attrib.update({"role": "img", "aria-label": safe_text(text)})
    return Markup(etree.tostring(root, encoding="unicode"))  # noqa: S704  # an XML writer escaped it


def _common() -> dict[str, Any]:
    # Sizes are reckoned with when room is made for texts; all else is the page's.
    style = Style(label_font_size=_LABEL_SIZE, major_label_font_size=_LABEL_SIZE)
    style.title_font_size = _LABEL_SIZE
    return {
        "width": _WIDTH,
        "style": style,
        "show_legend": False,
        "js": (),
        "css": (),
        "no_prefix": True,
        "value_formatter": lambda value: f"{value:g}",
    }
