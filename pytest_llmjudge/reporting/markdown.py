"""Comparisons as Markdown, for pull requests and the summaries of CI jobs."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import printable
from pytest_llmjudge.reporting.comparison import count_lines
from pytest_llmjudge.stats import points, probability, signed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import Comparison, Flip
    from pytest_llmjudge.gates import Decision

__all__ = ["comparisons_markdown"]

_HEADINGS = ("suite", "before", "now", "change", "95 % CI", "p", "pairs", "outcome")


def comparisons_markdown(found: Sequence[tuple[str, Decision, Comparison]]) -> str:
    """Return a table of all suites, and what each got worse at.

    Args:
        found: For each suite its name, the decision over it, and the comparison.
    """
    lines = [_row(_HEADINGS), _row(["---"] * len(_HEADINGS))]
    lines += [_row(_cells(*one)) for one in found]
    for name, decision, comparison in found:
        lines += ["", f"**{_inline(name)}**: {_inline(decision.reason)}", ""]
        lines += [f"- {_inline(line)}" for line in count_lines(comparison)]
        if comparison.flips:
            summary = f"what lost most ({len(comparison.flips)})"
            lines += ["", f"<details><summary>{summary}</summary>", ""]
            lines += [line for flip in comparison.flips for line in _flip(flip)]
            lines += ["</details>"]
    return "\n".join(lines)


def _cells(name: str, decision: Decision, comparison: Comparison) -> Iterator[str]:
    yield _inline(name)
    for value, other in (
        (comparison.before, comparison.after),
        (comparison.after, comparison.before),
    ):
        yield "-" if value is None else points(value, other)
    yield "-" if comparison.difference is None else signed(comparison.difference)
    interval = comparison.interval
    yield "-" if interval is None else f"{signed(interval[0])} to {signed(interval[1])}"
    yield "-" if comparison.p is None else probability(comparison.p).removeprefix("= ")
    yield str(comparison.paired)
    if comparison.refusal is not None:
        yield "not compared"
    else:
        yield "passed" if decision.passed else "**failed**"


def _row(cells: Iterator[str] | Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _flip(flip: Flip) -> Iterator[str]:
    yield (
        f"{_inline(flip.id)}: {flip.before:g} before, {flip.after:g} now"
        f"{', fails now' if flip.fails_now else ''}"
    )
    for name, text in (("before", flip.response_before), ("now", flip.response_after)):
        shown = printable(text or "(empty)")
        # A fence is closed by nothing shorter than itself.
        longest = max((len(ticks) for ticks in re.findall("`+", shown)), default=0)
        fence = "`" * max(3, longest + 1)
        yield from ("", f"{name}:", "", fence, shown, fence)
    yield ""


def _inline(text: str) -> str:
    """Return a text as Markdown shows it letter by letter, on one line."""
    shown = html.escape(" ".join(printable(text).split()), quote=False)
    return re.sub(r"([\\`*_{}\[\]|~#])", r"\\\1", shown)
