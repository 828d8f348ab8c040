"""A suite's result as every report can show it: figures, causes, lines, tables and excerpts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.data.gates import ruled

if TYPE_CHECKING:
    from pytest_llmjudge.data.comparison import Comparison
    from pytest_llmjudge.data.gates import GateResult, Ruling
    from pytest_llmjudge.data.records import CheckpointReference

__all__ = [
    "MOST_PARTS",
    "NONE",
    "Breakdown",
    "Excerpt",
    "Excerpts",
    "Names",
    "Overview",
    "Part",
    "RunSummary",
    "Statement",
    "Summary",
]

MOST_PARTS = 12
"""How many parts of a suite are shown where there is little room."""
NONE = "-"
"""Stands where there is no figure."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A line about a suite.

    Attributes:
        text: Without its end.
        figures: Those behind it, for reports that give them; empty for none.
        is_named: Whether the suite's name follows where its kind has several suites.
    """

    text: str
    figures: str = ""
    is_named: bool = False


@dataclass(frozen=True, slots=True)
class Overview:
    """A suite's row in the table that all suites of its kind share.

    Attributes:
        headings: Of the columns, the same for all suites of the kind; the last one is the outcome.
        cells: One for each heading but the last, which is :attr:`Summary.decided`.
        title: Heading of the table in Markdown; empty where Markdown leaves the table out, because
            its table of all suites has these figures.
        lines: What follows the table, and is left out with it.
    """

    headings: tuple[str, ...]
    cells: tuple[str, ...]
    title: str = ""
    lines: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a suite, or several of its parts together.

    Attributes:
        name: As it is shown.
        figures: As they are shown; empty when there is no result.
        outcome: Of the part; empty for several parts together.
        remark: What follows the outcome.
        error: Why there is no result.
    """

    name: str
    figures: tuple[str, ...] = ()
    outcome: str = ""
    remark: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A suite's result by its parts.

    Attributes:
        title: What is broken down.
        settings: How it was measured.
        headings: Of the columns: name, figures, and outcome where parts have one.
        parts: All of them, those without a result too.
        grouping: What a number of groups is called.
        groups: The parts with a result pooled, or the most important ones, for reports that are
            short of room.
        whole: All parts with a result together; ``None`` where a table of suites has it.
        lines: What follows the table.
        nouns: What one part and several are called; ``None`` where the suite's noun does.
        left_out: What is said where the groups take the place of the parts.
    """

    title: str
    settings: str
    headings: tuple[str, ...]
    parts: tuple[Part, ...]
    grouping: str
    groups: tuple[Part, ...]
    whole: Part | None
    lines: tuple[str, ...] = ()
    nouns: tuple[str, str] | None = None
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Names:
    """Samples without a result, by name.

    Attributes:
        title: What they have in common.
        entries: Name and cause of each.
    """

    title: str
    entries: tuple[tuple[str, str], ...]

    @property
    def by_cause(self) -> dict[str, list[str]]:
        """The names of the samples that have the same cause, by this cause."""
        names: dict[str, list[str]] = {}
        for name, cause in self.entries:
            names.setdefault(cause, []).append(name)
        return names


class Excerpt(NamedTuple):
    """A sample that is worth a look.

    Attributes:
        label: A figure; empty for none.
        name: Of the sample.
        text: What is shown of it.
        asked: What was asked, for reports that have room for it.
    """

    label: str
    name: str
    text: str
    asked: str = ""


@dataclass(frozen=True, slots=True)
class Excerpts:
    """Samples that are worth a look, of which a report shows the first.

    Attributes:
        title: What they have in common.
        entries: The most important ones first.
        headings: For label, name, what was asked and text, in Markdown; empty where Markdown
            leaves them out.
        are_quoted: Whether the texts are a model's, to be shown in quotes.
        are_counted: Whether it matters how many there are.
        are_whole: Whether the texts are short enough to be shown whole, and all of them.
    """

    title: str
    entries: tuple[Excerpt, ...]
    headings: tuple[str, ...] = ()
    are_quoted: bool = True
    are_counted: bool = True
    are_whole: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of a suite of any kind.

    Attributes:
        kind: Its kind's name in results files.
        title: Of its kind, for people.
        noun: What the suite consists of, in the singular.
        name: Node id of the test function.
        outcome: ``passed``, ``failed`` or ``incomplete``.
        measure: What is measured.
        value: The measure; ``-`` when a part of the suite has no result, which may be the worst.
        interval: Its 95 % interval; ``-`` when there is none.
        wanted: What every gate asks, such as ``average >= 55, each >= 20, no drop``; ``-`` when
            nothing is set.
        change: The mean difference to the baseline; ``-`` without one.
        causes: Why it did not pass, a line each; none when it did.
        model: Under test; ``None`` when the records hold the responses.
        judge: Who decided, in a few words; empty when nobody judges.
        gates: All of it.
        comparison: With the baseline, where that gate has run.
        rulings: What became of each thing that it asks.
        fitness: Whether the judge can be trusted, at the head of a report.
        overview: A row of figures.
        breakdowns: Its result by parts, in each way in which it has some.
        blocks: What is worth a look, in the order in which it is shown; a text is a line.
        counts: Of its parts, and further figures, by name, for JUnit XML.
        grouped: How many records it has in how many groups; empty where each is alone.
        beside: Another value of the measure that does not decide; empty for none.
    """

    kind: str
    title: str
    noun: str
    name: str
    outcome: str
    measure: str
    value: str
    interval: str
    wanted: str
    change: str
    causes: tuple[str, ...]
    model: CheckpointReference | None
    judge: str
    gates: tuple[GateResult, ...]
    comparison: Comparison | None
    rulings: tuple[Ruling, ...] = ()
    fitness: tuple[Statement, ...] = ()
    overview: Overview | None = None
    breakdowns: tuple[Breakdown, ...] = ()
    blocks: tuple[str | Names | Excerpts, ...] = ()
    counts: tuple[tuple[str, str], ...] = ()
    grouped: str = ""
    beside: str = ""

    @property
    def figure(self) -> str:
        """The measure with all its values, as one text."""
        return f"{self.measure} {self.value}" + (f" ({self.beside})" if self.beside else "")

    @property
    def decided(self) -> str:
        """The outcome, and what became of each thing that was asked, as one line."""
        return ruled(self.outcome, self.rulings)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What became of a run.

    Attributes:
        created: When it began, in ISO 8601.
        summaries: Of its suites, those of one kind together.
        notes: What else a reader should know.
        status: What pytest ends with, which covers more than the suites.
    """

    created: str
    summaries: tuple[Summary, ...]
    notes: tuple[str, ...] = ()
    status: int = 0

    @property
    def by_kind(self) -> list[list[Summary]]:
        """The suites of each kind."""
        return [list(group) for _, group in groupby(self.summaries, lambda one: one.kind)]
