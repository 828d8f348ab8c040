"""The page itself: template, style and script, the data in between, and what it may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from pytest_llmjudge.reporting.digest import digest
from pytest_llmjudge.reporting.html.glossary import meanings
from pytest_llmjudge.reporting.html.payload import payload_of
from pytest_llmjudge.reporting.html.policy import policy_of
from pytest_llmjudge.reporting.html.templates import part, template
from pytest_llmjudge.reporting.html.view import suite_views

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.data.page import SuitePage
    from pytest_llmjudge.data.summary import RunSummary

__all__ = ["html_report"]


def html_report(run: RunSummary, pages: Sequence[SuitePage], version: str) -> str:
    """Return a run as one HTML page, which asks the network for nothing.

    Args:
        run: What became of it.
        pages: What the page shows beside each of its summaries.
        version: Of this package.
    """
    # What stands in the page is ours, and its policy lets nothing else be run or loaded.
    style, script = (Markup(part(name)) for name in ("report.css", "report.js"))  # noqa: S704
    payload = payload_of(row for page in pages for row in page.rows)
    suites = suite_views(run.summaries, pages)
    return template("report.html").render(
        run=run,
        digest=digest(run),
        suites=suites,
        meanings=meanings(suites),
        payload=payload,
        index=Markup(payload.index),  # noqa: S704  # its writer left nothing that HTML would read
        style=style,
        script=script,
        policy=policy_of(style, script),
        version=version,
    )
