"""Runs in their order: what each suite came to, and what changed from one run to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pytest_llmjudge.data.comparison import Comparison, Side
    from pytest_llmjudge.data.records import CheckpointReference, JudgeIdentity

__all__ = [
    "Change",
    "Figure",
    "FlippedRecord",
    "History",
    "HistoryRun",
    "Point",
    "SavedSuite",
    "Step",
    "SuiteHistory",
]


@dataclass(frozen=True, slots=True)
class Figure:
    """The one number by which a kind of suite is known over time.

    Attributes:
        name: Of the number; with ``_`` for blanks also its key in results files.
        digits: Decimals that are shown.
        interval_digits: Decimals of its interval.
        noun: What a suite consists of, in the plural.
    """

    name: str
    digits: int
    interval_digits: int
    noun: str = "records"

    def shown(self, value: float | None) -> str:
        """Write the number; ``-`` where there is none."""
        return "-" if value is None else f"{value:.{self.digits}f}"

    def shown_interval(self, interval: tuple[float, float] | None) -> str:
        """Write its interval; ``-`` where there is none."""
        if interval is None:
            return "-"
        low, high = (f"{bound:.{self.interval_digits}f}" for bound in interval)
        return f"{low} to {high}"


@dataclass(frozen=True, slots=True)
class SavedSuite:
    """A suite of a results file.

    Attributes:
        name: Node id of the test function.
        kind: Its kind's name in results files.
        title: Of its kind, for people.
        figure: What is measured.
        value: Of the figure; ``None`` when a part of the suite has no result.
        interval: Its 95 % interval; ``None`` when there is none.
        total: How many records it has.
        outcome: ``passed``, ``failed`` or ``incomplete``.
        model: Under test; ``None`` when the records hold the responses.
        judge: Who decided; ``None`` when no judge did.
        settings: What else its marker and the options said, by name.
        terms: Those of ``settings`` without which the figure means something else.
        samples: What each of its records asks, by id.
        side: The suite as a comparison takes it; ``None`` for a kind that does not compare.
    """

    name: str
    kind: str
    title: str
    figure: Figure
    value: float | None
    interval: tuple[float, float] | None
    total: int
    outcome: str
    model: CheckpointReference | None
    judge: JudgeIdentity | None
    settings: Mapping[str, object]
    terms: tuple[str, ...]
    samples: Mapping[str, object]
    side: Side | None


@dataclass(frozen=True, slots=True)
class HistoryRun:
    """A results file.

    Attributes:
        file: Its path, as it was given.
        created: When the run began, in UTC.
        version: Of the package that wrote it.
        suites: Those of a kind that this version knows.
        unknown: Names of the others.
    """

    file: str
    created: datetime
    version: str
    suites: tuple[SavedSuite, ...]
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """Something that was another in the run before.

    Attributes:
        what: Its name.
        before: What it was.
        after: What it is.
    """

    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Step:
    """A suite in a run beside the same suite in the run before.

    Attributes:
        apart: Why the two do not compare; empty when they do.
        comparison: The paired test; ``None`` for a kind that has none, and where the two do not
            compare.
        worse: What got worse, in words; empty when nothing was shown.
        changes: Beside the records.
        added: How many records are new.
        removed: How many are gone.
        edited: How many have the same id and other texts.
    """

    apart: str
    comparison: Comparison | None
    worse: str
    changes: tuple[Change, ...]
    added: int
    removed: int
    edited: int


@dataclass(frozen=True, slots=True)
class Point:
    """A suite in one run.

    Attributes:
        run: Place of the run in the history, from 0.
        suite: What it came to.
        step: Beside the run before that has this suite; ``None`` in the first one.
    """

    run: int
    suite: SavedSuite
    step: Step | None


@dataclass(frozen=True, slots=True)
class FlippedRecord:
    """A record whose score changed from one run to the next.

    Attributes:
        id: As in its suite.
        fell: How often it passed in a run and failed in the next; 0 where nothing says what passes.
        rose: How often it failed in a run and passed in the next.
        changes: How often its score changed.
        distance: Sum of these changes without their signs, in the unit of the suite's measure.
        scores: One for each run of the suite; ``None`` where the record has none, or asked
            something else.
    """

    id: str
    fell: int
    rose: int
    changes: int
    distance: float
    scores: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class SuiteHistory:
    """One suite over time.

    Attributes:
        points: One for each run that has the suite, at least one.
        flipped: The ten records that flipped most often; where nothing says what passes, those
            whose score changed most often.
        flipped_total: How many records did so at all.
        has_limit: Whether anything says which score passes.
    """

    points: tuple[Point, ...]
    flipped: tuple[FlippedRecord, ...]
    flipped_total: int
    has_limit: bool

    @property
    def last(self) -> SavedSuite:
        """The suite in its last run."""
        return self.points[-1].suite

    @property
    def earlier_names(self) -> tuple[str, ...]:
        """Other names that it had, the first one first."""
        names = dict.fromkeys(point.suite.name for point in self.points)
        return tuple(name for name in names if name != self.last.name)

    @property
    def segments(self) -> list[list[Point]]:
        """The points that compare with their neighbours, together."""
        segments: list[list[Point]] = []
        for point in self.points:
            if point.step is None or point.step.apart:
                segments.append([])
            segments[-1].append(point)
        return segments

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest value of all figures and intervals; 0 without any."""
        values = [
            value
            for point in self.points
            for value in (point.suite.value, *(point.suite.interval or ()))
            if value is not None
        ]
        return min(values, default=0.0), max(values, default=0.0)

    @property
    def tested(self) -> int:
        """How many neighbours were held against each other by a paired test."""
        return sum(point.step is not None and bool(point.step.comparison) for point in self.points)


@dataclass(frozen=True, slots=True)
class History:
    """Runs in their order, and each suite over them.

    Attributes:
        runs: At least one.
        names: Paths of their files, from the folder that all share.
        suites: In the order of their first appearance.
        notes: What a reader should know besides.
    """

    runs: tuple[HistoryRun, ...]
    names: tuple[str, ...]
    suites: tuple[SuiteHistory, ...]
    notes: tuple[str, ...]
