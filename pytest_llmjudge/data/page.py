"""What the HTML page shows of a suite beside its summary: panels, charts, tables and rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_llmjudge.data.records import Record
    from pytest_llmjudge.data.summary import Part

__all__ = [
    "MOST_DROPS",
    "ChartData",
    "Drop",
    "Fact",
    "Histogram",
    "Intervals",
    "Lost",
    "Measured",
    "PageTable",
    "Panel",
    "PeopleScatter",
    "Row",
    "Scatter",
    "Shares",
    "SuitePage",
    "Term",
]

MOST_DROPS = 10
"""How many of what lost points, or of what was lost, are shown."""

Fact = tuple[str, str]
"""A name and its value."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Facts that belong together.

    Attributes:
        title: Of all of them.
        facts: In the order in which they are shown.
        lead: What is said besides; empty for nothing.
        is_bad: Whether they are why the suite did not pass.
    """

    title: str
    facts: tuple[Fact, ...]
    lead: str = ""
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """A figure in short words, for who meets it first.

    Attributes:
        term: What it is called.
        names: Facts that it explains.
        text: What it means.
    """

    term: str
    names: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """How scores are distributed.

    Attributes:
        scores: 0 to 100, at least one.
        min_score: What each has to reach; ``None`` when nothing is set.
    """

    scores: tuple[int, ...]
    min_score: int | None


@dataclass(frozen=True, slots=True)
class Scatter:
    """Scores in the baseline beside the scores now.

    Attributes:
        pairs: The score before and the score now, 0 to 100; at least one pair.
        min_score: What each has to reach; ``None`` when nothing is set.
    """

    pairs: tuple[tuple[float, float], ...]
    min_score: int | None


@dataclass(frozen=True, slots=True)
class PeopleScatter:
    """Scores of people beside those of the judge.

    Attributes:
        pairs: The score of people and that of the judge, 0 to 100; at least one pair.
    """

    pairs: tuple[tuple[float, float], ...]


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


@dataclass(frozen=True, slots=True)
class Intervals:
    """Shares with their intervals, one below the other.

    Attributes:
        measured: From top to bottom, at least one.
        wanted: What each has to reach, 0 to 1; ``None`` when nothing is set.
        measure: What the shares are.
        noun: What each of them was measured on.
    """

    measured: tuple[Measured, ...]
    wanted: float | None
    measure: str
    noun: str


@dataclass(frozen=True, slots=True)
class Shares:
    """How many of all samples came out good, undecided and bad.

    Attributes:
        counts: Of the three; at least one sample.
        words: What the three are called.
        noun: What the samples are, in the plural.
    """

    counts: tuple[int, int, int]
    words: tuple[str, str, str]
    noun: str


ChartData = Histogram | Scatter | PeopleScatter | Intervals | Shares


@dataclass(frozen=True, slots=True)
class Drop:
    """A sample or part that lost points.

    Attributes:
        name: What was asked, or the part.
        before: Its figure in the baseline.
        now: Its figure now.
        change: The difference in points, with its sign.
        input: Of the sample; empty for none.
        row: Place of the sample among the suite's rows; ``None`` when it has no row.
        answers: What was answered before and now, each with whose answer it is.
        fails_now: Whether it passed before and fails now.
    """

    name: str
    before: str
    now: str
    change: str
    input: str = ""
    row: int | None = None
    answers: tuple[Fact, ...] = ()
    fails_now: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """A sample that was decided against the model under test.

    Attributes:
        name: What was asked.
        input: Of the sample; empty for none.
        row: Its place among the suite's rows.
        answers: The responses, each with whose it is.
    """

    name: str
    input: str
    row: int
    answers: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table of a suite's parts.

    Attributes:
        title: What the parts are.
        headings: Of the columns: name, figures, and outcome where parts have one.
        rows: Each with as many figures as there are headings for them.
        note: What follows the title.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[Part, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table of records, which opens to show all texts.

    Attributes:
        suite: Name of its suite.
        record: What was asked.
        outcome: ``passed``, ``failed``, ``error`` or ``not run``.
        label: What is shown of it: its outcome, or what it came to.
        score: 0 to 100; of two compared responses 100 when the one under test is preferred, 50 for
            a tie, 0 else. ``None`` without.
        before: Score in the baseline; ``None`` without, or when the two scores do not compare.
        compares: Whether two responses were compared, so that ``label`` takes the place of a score.
        is_lost: Whether it was decided against the model under test.
        is_flipped: Whether it passed in the baseline and fails now; of two compared responses,
            whether it has position bias.
        is_unsure: Whether its samples lie on both sides of what it has to score.
        response: Of the model under test.
        other: The baseline's response, or what the response is compared with.
        replies: What the judge wrote.
        error: Why there is no score.
        samples: The scores of which ``score`` is the median.
        orders: What a judge chose, see :class:`~pytest_llmjudge.data.Preference`.
        human_score: What people gave this response, the mean over labelers.
        thoughts: What the model under test thought before its response.
        answers: The answer to each turn of a record of several; empty for one.
        parts: The scores of which ``score`` is the mean, by name.
        explanation: What the judge holds to be wrong with the response, or why it does not say;
            empty where it was not asked.
    """

    suite: str
    record: Record
    outcome: str
    label: str
    score: float | None
    before: float | None
    response: str | None
    other: str | None
    replies: tuple[str, ...]
    error: str | None
    compares: bool = False
    is_lost: bool = False
    is_flipped: bool = False
    is_unsure: bool = False
    samples: tuple[int, ...] = ()
    orders: tuple[str, ...] = ()
    human_score: float | None = None
    thoughts: str = ""
    answers: tuple[str, ...] = ()
    parts: tuple[tuple[str, int], ...] = ()
    explanation: str = ""

    @property
    def is_failed(self) -> bool:
        """Whether it has a score and did not pass all the same."""
        return self.score is not None and self.outcome in {"failed", "error"}

    @property
    def is_worse(self) -> bool:
        """Whether it has a lower score than in the baseline."""
        return self.before is not None and self.score is not None and self.score < self.before


@dataclass(frozen=True, slots=True)
class SuitePage:
    """What the page shows of a suite beside its summary.

    Attributes:
        panels: Its figures, the most important ones first.
        terms: What its facts mean; the report itself explains intervals and the baseline's.
        charts: What can be drawn of it.
        tables: Of its parts.
        rows: Its samples, for the table of records.
        drops: What lost most, the worst first.
        lost: The first samples of a suite that did not pass which were lost.
        losses: How many were lost.
    """

    panels: tuple[Panel, ...] = ()
    terms: tuple[Term, ...] = ()
    charts: tuple[ChartData, ...] = ()
    tables: tuple[PageTable, ...] = ()
    rows: tuple[Row, ...] = ()
    drops: tuple[Drop, ...] = ()
    lost: tuple[Lost, ...] = ()
    losses: int = 0
