"""Comparisons as Markdown, for pull requests and the summaries of CI jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.reporting.comparison import count_lines, parity_line
from pytest_llmjudge.reporting.markup import Section, fenced, head, inline, joined, row
from pytest_llmjudge.stats.basics import points, probability, signed
from pytest_llmjudge.stats.groups import in_groups

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_llmjudge.data import Comparison, Flip
    from pytest_llmjudge.decisions.gates import Decision
    from pytest_llmjudge.decisions.parity import Parity

__all__ = ["comparison_sections", "comparisons_markdown"]

_HEADINGS = ("suite", "before", "now", "change", "95 % CI", "p", "pairs", "outcome")


def comparisons_markdown(
    comparisons: Sequence[tuple[str, Decision, Comparison]], parities: Mapping[str, Parity]
) -> str:
    """Return a table of all suites, and what each got worse at.

    Args:
        comparisons: For each suite its name, the decision over it, and the comparison.
        parities: By a suite's name how far its responses are the same.
    """
    return joined(list(comparison_sections(comparisons, parities))).rstrip("\n")


def comparison_sections(
    comparisons: Sequence[tuple[str, Decision, Comparison]],
    parities: Mapping[str, Parity] | None = None,
) -> Iterator[Section]:
    """Yield the same as parts of a document; nothing when nothing was compared."""
    if not comparisons:
        return
    rows = tuple(row(_cells(*one)) for one in comparisons)
    yield Section("suites beside the baseline", head(_HEADINGS), rows)
    for name, decision, comparison in comparisons:
        reason = f"**{inline(name)}**: {inline(decision.reason)}"
        parity = (parities or {}).get(name)
        more = () if parity is None else (parity_line(parity),)
        counts = tuple(f"- {inline(line)}" for line in (*count_lines(comparison), *more))
        yield Section(f"lines on the baseline of {name}", (reason, "", *counts))
        if comparison.flips:
            summary = f"what lost most ({comparison.counted_flips})"
            yield Section(
                f"that lost most in {name}",
                (f"<details><summary>{summary}</summary>", ""),
                tuple("\n".join(_flip(flip)) for flip in comparison.flips),
                ("</details>",),
            )


def _cells(name: str, decision: Decision, comparison: Comparison) -> Iterator[str]:
    yield inline(name)
    for value, other in (
        (comparison.before, comparison.after),
        (comparison.after, comparison.before),
    ):
        yield "-" if value is None else points(value, other)
    yield "-" if comparison.difference is None else signed(comparison.difference)
    interval = comparison.interval
    yield "-" if interval is None else f"{signed(interval[0])} to {signed(interval[1])}"
    p, grouped = comparison.p, comparison.grouped
    yield "-" if p is None else probability(p, comparison.alpha).removeprefix("= ")
    yield f"{comparison.paired}{'' if grouped is None else in_groups(grouped.groups)}"
    if comparison.refusal is not None:
        yield "not compared"
    else:
        cause = "" if decision.cause is None else f" ({decision.cause})"
        yield f"passed{cause}" if decision.passed else f"**failed**{cause}"


def _flip(flip: Flip) -> Iterator[str]:
    yield (
        f"**{flip.before:g} before, {flip.after:g} now{', fails now' if flip.fails_now else ''}**: "
        f"{inline(flip.id)}"
    )
    for name, text in (("before", flip.response_before), ("now", flip.response_after)):
        yield from ("", f"{name}:", "", *fenced(text or ""))
    yield ""
