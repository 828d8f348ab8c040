"""A run's results as Markdown: the decision first, then what stands behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.data.summary import Excerpts, Names
from pytest_llmjudge.decisions.gates import Decision, listed
from pytest_llmjudge.errors import one_line
from pytest_llmjudge.reporting.digest import digest
from pytest_llmjudge.reporting.markdown import comparison_sections
from pytest_llmjudge.reporting.markup import Section, head, inline, row
from pytest_llmjudge.reporting.terminal import head_lines, overview_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import Comparison
    from pytest_llmjudge.data.summary import Breakdown, Excerpt, Part, RunSummary, Summary

__all__ = ["run_sections"]

_WORST = 10
_CAUSES = 100
_OF_CAUSE = 10
_EXCERPT = 200
_CAUSE = 600
_DIGEST = ("suite", "measure", "95 % interval", "wanted", "change", "outcome")


def run_sections(run: RunSummary) -> Iterator[Section]:
    """Yield the parts of the document, the most important ones first."""
    yield _decision(run)
    yield from _causes(run.summaries)
    yield from _groups(run.summaries)
    compared = list(_compared(run.summaries))
    if compared:
        yield Section("a heading", ("### Beside the baseline",))
    yield from comparison_sections(compared)
    notes = (f"note: {note}" for note in run.notes)
    facts = tuple(f"- {inline(line)}" for line in (*head_lines(run, figures=True), *notes))
    if facts:
        yield Section("lines on judge and model", ("### Judge and model", ""), facts)
    for suites in run.by_kind:
        yield from _overview(suites)
        for suite in suites:
            for breakdown in suite.breakdowns:
                yield from _breakdown(suite, breakdown)
    blocks = [block for suite in run.summaries for block in suite.blocks]
    for block in blocks:
        if isinstance(block, Names):
            yield _named(block)
    for block in blocks:
        if isinstance(block, Excerpts) and block.headings:
            yield _excerpts(block)


def _decision(run: RunSummary) -> Section:
    overall = digest(run)
    title = f"## llm-judge: {overall.outcome}"
    rows = tuple(
        row(
            [
                inline(suite.name),
                suite.figure,
                suite.interval,
                suite.wanted,
                suite.change,
                _decided(suite),
            ]
        )
        for suite in run.summaries
    )
    table = ("", *head(_DIGEST)) if rows else ()
    return Section("suites", (title, "", f"{_capital(overall.headline)}.", *table), rows)


def _causes(suites: Sequence[Summary]) -> Iterator[Section]:
    lines = tuple(
        f"- {inline(suite.name)}: {inline(cause)}" for suite in suites for cause in suite.causes
    )
    if lines:
        yield Section("causes", ("### Why", ""), lines)


def _groups(suites: Sequence[Summary]) -> Iterator[Section]:
    lines = tuple(f"- {inline(suite.name)}: {suite.grouped}" for suite in suites if suite.grouped)
    if lines:
        yield Section("lines on groups", ("### Groups", ""), lines)


def _compared(suites: Sequence[Summary]) -> Iterator[tuple[str, Decision, Comparison]]:
    for suite in suites:
        gate = next((gate for gate in suite.gates if gate.name == "baseline"), None)
        if gate is not None and suite.comparison is not None:
            decision = Decision(gate.outcome == "passed", gate.reason, gate.cause)
            yield suite.name, decision, suite.comparison


def _overview(suites: Sequence[Summary]) -> Iterator[Section]:
    """Yield the table that the suites of a kind share, where Markdown shows it."""
    shown = [(one, one.overview) for one in suites if one.overview and one.overview.title]
    if not shown:
        return
    noun, (_, first) = suites[0].noun, shown[0]
    rows = tuple(
        row([inline(overview.cells[0]), *overview.cells[1:], _decided(suite)])
        for suite, overview in shown
    )
    opening = (f"### {first.title}", "", *head(first.headings))
    yield Section(f"suites of {noun}s", opening, rows)
    lines = tuple(
        f"- {inline(line)}"
        for suite in suites
        for line in overview_lines(suite, suites, figures=True)
    )
    if lines:
        yield Section(f"lines on {noun}s", (), lines)


def _breakdown(suite: Summary, breakdown: Breakdown) -> Iterator[Section]:
    title = f"### {breakdown.title}: {inline(suite.name)}"
    groups = tuple(_part(part, breakdown.headings) for part in breakdown.groups)
    left_out = ("", f"{_capital(breakdown.left_out)}.") if breakdown.left_out else ()
    table = ("", *head(breakdown.headings)) if groups else ()
    yield Section(f"{breakdown.grouping} of {suite.name}", (title, *left_out, *table), groups)
    if breakdown.groups == breakdown.parts:
        return
    one, noun = breakdown.nouns or (suite.noun, f"{suite.noun}s")
    count = len(breakdown.parts)
    counted = f"{count} {one if count == 1 else noun}"
    opening = (f"<details><summary>{counted}</summary>", "", *head(breakdown.headings))
    parts = tuple(_part(part, breakdown.headings) for part in breakdown.parts)
    yield Section(f"{noun} of {suite.name}", opening, parts, ("", "</details>"))
    missing = tuple((part.name, part.error) for part in breakdown.parts if not part.figures)
    if missing:
        yield _named(Names(f"{noun} without a result in {suite.name}", missing))


def _part(part: Part, headings: Sequence[str]) -> str:
    # Beside the name and the outcome.
    figures = part.figures or "-" * (len(headings) - 2)
    return row([inline(part.name), *figures, _outcome(part.outcome)][: len(headings)])


def _named(names: Names) -> Section:
    causes = list(names.by_cause.items())
    lines = [
        f"- {inline(listed(of_cause, _OF_CAUSE))}: {inline(one_line(cause, _CAUSE))}"
        for cause, of_cause in causes[:_CAUSES]
    ]
    more = sum(len(of_cause) for _, of_cause in causes[_CAUSES:])
    if more:
        lines.append(f"- and {more} more, which the results file names")
    opening = (f"### {_capital(inline(names.title))} ({len(names.entries)})", "")
    return Section(names.title, opening, tuple(lines))


def _excerpts(excerpts: Excerpts) -> Section:
    opening = (f"### {_capital(inline(excerpts.title))}", "", *head(excerpts.headings))
    shown = excerpts.entries if excerpts.are_whole else excerpts.entries[:_WORST]
    rows = tuple(_excerpt(one, is_whole=excerpts.are_whole) for one in shown)
    return Section(excerpts.title, opening, rows)


def _excerpt(one: Excerpt, *, is_whole: bool) -> str:
    asked, text = one_line(one.asked, _EXCERPT), one.text or "(empty)"
    shown = text if is_whole else one_line(text, _EXCERPT)
    return row([one.label, inline(one.name), inline(asked), inline(shown)])


def _decided(suite: Summary) -> str:
    return _outcome(suite.outcome) + inline(suite.decided.removeprefix(suite.outcome))


def _outcome(outcome: str) -> str:
    return outcome if outcome in {"", "passed"} else f"**{outcome}**"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
