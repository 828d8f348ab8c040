"""A history of runs as one HTML page that needs nothing but itself, and no script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from pytest_llmjudge.reporting import history as words
from pytest_llmjudge.reporting.html.policy import policy_of
from pytest_llmjudge.reporting.html.templates import part, template
from pytest_llmjudge.reporting.html.trend import draw_trend

if TYPE_CHECKING:
    from pytest_llmjudge.data.history import History

__all__ = ["history_page"]


def history_page(history: History, order: str, version: str) -> str:
    """Return a history as one HTML page, which asks the network for nothing.

    Args:
        history: The runs.
        order: What their order is by.
        version: Of this package.
    """
    style = Markup(part("report.css") + part("history.css"))  # noqa: S704  # it is ours
    return template("history.html").render(
        history=history,
        headline=words.headline(history, order),
        caveat=words.CAVEAT,
        words_of=words,
        draw=draw_trend,
        style=style,
        policy=policy_of(style),
        version=version,
    )
