"""Averages by category and by part of the scores, as reports show them."""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_llmjudge.data.page import PageTable
from pytest_llmjudge.data.summary import MOST_PARTS, NONE, Breakdown, Part
from pytest_llmjudge.decisions.gates import is_average_within_noise
from pytest_llmjudge.errors import one_line
from pytest_llmjudge.kinds.categories import CATEGORY, gate_of
from pytest_llmjudge.kinds.parts import nouns_of
from pytest_llmjudge.kinds.summaries import at_least, is_one
from pytest_llmjudge.stats.basics import mean, mean_interval

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

    from pytest_llmjudge.data import CategoryResult, Entry, SuiteResult

__all__ = ["breakdown_of", "breakdowns", "shown_average", "tables", "without_category"]

_CATEGORY_HEADINGS = ("category", "records", "scored", "average", "95 % interval", "outcome")
_PART_HEADINGS = ("scored", "average", "95 % interval")
_LONGEST_NAME = 60


def breakdowns(suite: SuiteResult) -> Iterator[Breakdown]:
    """Yield a suite's averages by category and by part, each where it has some."""
    if suite.categories:
        counted = is_one(len(suite.categories), "1 category", f"{len(suite.categories)} categories")
        if suite.by not in {None, CATEGORY}:
            counted += f' in the field "{suite.by}"'
        yield breakdown_of(
            tuple(_category(suite, one) for one in suite.categories),
            list(map(_average_of, suite.categories)),
            settings=counted + _without_category(suite),
            headings=_CATEGORY_HEADINGS,
            nouns=("category", "categories"),
        )
    if suite.parts:
        one, several = nouns = nouns_of(suite.parts)
        yield breakdown_of(
            tuple(map(_part, suite.parts)),
            list(map(_average_of, suite.parts)),
            settings=is_one(len(suite.parts), f"1 {one}", f"{len(suite.parts)} {several}"),
            headings=(one, *_PART_HEADINGS),
            nouns=nouns,
        )


def breakdown_of(
    parts: tuple[Part, ...],
    values: Sequence[float],
    *,
    settings: str,
    headings: tuple[str, ...],
    nouns: tuple[str, str],
    title: str = "Averages",
    lowest: str = "that average lowest",
) -> Breakdown:
    """Return figures by part as a terminal and Markdown show them.

    Args:
        parts: As they are shown.
        values: By which they are ordered where there is room for the lowest only.
        settings: What follows the title.
        headings: Of the columns.
        nouns: What one of them and several are called.
        title: What the figures are.
        lowest: Which parts those are, for what is said where the others are left out.
    """
    one, several = nouns
    groups, left_out = parts, ""
    if len(parts) > MOST_PARTS:
        ordered = sorted(zip(values, parts, strict=True), key=lambda entry: entry[0])
        groups = tuple(part for _, part in ordered[:MOST_PARTS])
        left_out = f"the {MOST_PARTS} {several} of {len(parts)} {lowest}"
    return Breakdown(
        title=f"{title} by {one}",
        settings=settings,
        headings=headings,
        parts=parts,
        grouping=several,
        groups=groups,
        whole=None,
        nouns=nouns,
        left_out=left_out,
    )


def tables(suite: SuiteResult, before: Mapping[str, Entry]) -> Iterator[PageTable]:
    """Yield the same for the HTML page, which has room for all of them.

    Args:
        suite: Its result.
        before: What the baseline made of its records, by id.
    """
    if suite.categories:
        yield _category_table(suite, before)
    if suite.parts:
        one, _ = nouns_of(suite.parts)
        yield PageTable(f"By {one}", (one, *_PART_HEADINGS), tuple(map(_part, suite.parts)))


def shown_average(
    scores: Sequence[int], groups: Sequence[Hashable] | None = None
) -> tuple[str, str]:
    """Return the average of scores and its 95 % interval, as they are shown.

    Args:
        scores: Of each record.
        groups: Of each record; ``None`` where each is alone.
    """
    average, bounds = mean(scores), mean_interval(scores, groups)
    value = NONE if average is None else f"{average:.2f}"
    if bounds is None:
        return value, NONE
    return value, f"{max(0, bounds[0]):.1f} to {min(100, bounds[1]):.1f}"


def _part(part: CategoryResult) -> Part:
    figures = str(len(part.scores)), *_shown(part)
    return Part(one_line(part.name, _LONGEST_NAME), figures)


def _shown(part: CategoryResult) -> tuple[str, str]:
    return shown_average(part.whole, part.whole_groups)


def _without_category(suite: SuiteResult) -> str:
    return without_category(suite.total, (category.total for category in suite.categories))


def without_category(total: int, sizes: Iterable[int]) -> str:
    """Say how many of all records are in no category; empty where all are in one.

    Args:
        total: How many records there are.
        sizes: How many each category has.
    """
    number = total - sum(sizes)
    return f", {is_one(number, '1 record', f'{number} records')} without one" if number else ""


def _average_of(category: CategoryResult) -> float:
    """Return by what categories are ordered; those of which a part is unscored come first."""
    average = mean(category.whole)
    return -1 if average is None else average


def _category(suite: SuiteResult, category: CategoryResult) -> Part:
    outcome, remark = "", ""
    if category.min_average is not None:
        name = gate_of(category.name)
        outcome = next((gate.outcome for gate in suite.gates if gate.name == name), "not run")
        least, groups = category.min_average, category.whole_groups
        noise = is_average_within_noise(category.whole, least, groups)
        asked = at_least("average", category.min_average)
        remark = f" ({asked}{', within noise' if noise else ''})"
    counts = str(category.total), str(len(category.scores))
    name = one_line(category.name, _LONGEST_NAME)
    return Part(name, (*counts, *_shown(category)), outcome, remark)


def _category_table(suite: SuiteResult, before: Mapping[str, Entry]) -> PageTable:
    """Return the averages by category, beside the baseline's where it has all of their records."""
    parts = tuple(_category(suite, one) for one in suite.categories)
    note = _without_category(suite)
    if not before:
        return PageTable("Categories", _CATEGORY_HEADINGS, parts, note)
    known: dict[str | None, list[float | None]] = {}
    for result in suite.records:
        entry = before.get(result.record.id)
        known.setdefault(result.category, []).append(None if entry is None else entry.score)
    rows = []
    for part, category in zip(parts, suite.categories, strict=True):
        scores = [score for score in known.get(category.name, []) if score is not None]
        is_whole = len(scores) == category.total
        figure = f"{statistics.fmean(scores):.2f}" if is_whole else NONE
        rows.append(replace(part, figures=(*part.figures, figure)))
    *headings, last = _CATEGORY_HEADINGS
    return PageTable("Categories", (*headings, "baseline", last), tuple(rows), note)
