"""What became of suites whose records are answered right or wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_llmjudge.decisions.accuracy import share_of
from pytest_llmjudge.kinds.overlap import rest_of
from pytest_llmjudge.stats.groups import group_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmjudge.data import (
        CheckpointReference,
        Comparison,
        GateResult,
        Overlap,
        Record,
    )
    from pytest_llmjudge.data.page import Fact, Term
    from pytest_llmjudge.data.summary import Statement
    from pytest_llmjudge.decisions.accuracy import Share

__all__ = [
    "ACCURACY",
    "AccuracyLimits",
    "AccuracyResult",
    "AnsweredRecord",
    "CategoryShare",
    "OwnFigures",
    "by_category",
]

ACCURACY = "accuracy"


class AccuracyLimits(NamedTuple):
    """What a marker asks of a suite.

    Attributes:
        min_accuracy: Least accuracy of all records, 0 to 1; ``None`` for any.
        min_accuracies: Least accuracy of single categories, by name.
        every_right: Whether a record fails that is answered wrong.
        by: The records' field that holds their categories; ``None`` for the default one.
    """

    min_accuracy: float | None
    min_accuracies: Mapping[str, float]
    every_right: bool
    by: str | None


class OwnFigures(NamedTuple):
    """What reports show of the suites of one kind beside their accuracy.

    Attributes:
        columns: Headings in the table of suites.
        cells: One for each of them.
        statements: What is said of the suite below the table.
        facts: The same for the HTML page.
        terms: What its facts mean.
    """

    columns: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    statements: tuple[Statement, ...] = ()
    facts: tuple[Fact, ...] = ()
    terms: tuple[Term, ...] = ()


@dataclass(frozen=True, slots=True)
class AnsweredRecord:
    """What became of one record.

    Attributes:
        record: What was asked.
        facts: What the kind keeps of the answer, as plain data; empty when there is none.
        correct: Whether the answer is right; ``None`` without one.
        shown: What was answered, as people read it.
        expected: The right answer, as people read it.
        error: Why there is no answer.
        outcome: ``passed``, ``failed``, ``error`` or ``not run``.
        cause: Of a missing answer: ``record`` or ``rig``.
        category: Of the record; ``None`` where it has none.
    """

    record: Record
    facts: Mapping[str, Any]
    correct: bool | None
    shown: str
    expected: str
    error: str | None
    outcome: str
    cause: str | None
    category: str | None


@dataclass(frozen=True, slots=True)
class CategoryShare:
    """What became of the records of one category.

    Attributes:
        name: Of the category.
        total: How many records it has.
        scored: How many of them have an answer.
        share: Of right answers; ``None`` where a record has none, which may be the worst.
        min_accuracy: The least that it has to be; ``None`` where nothing is asked.
    """

    name: str
    total: int
    scored: int
    share: Share | None
    min_accuracy: float | None


@dataclass(frozen=True, slots=True)
class AccuracyResult:
    """What became of a suite.

    Attributes:
        kind: Its kind's name in results files.
        name: Node id of the test function.
        path: Its records file.
        checkpoint: The model under test; ``None`` when the records held the responses.
        total: How many records it has.
        terms: How the records were asked, as a results file has it.
        limits: What is asked of the suite.
        records: Those of which something is known, in file order.
        categories: Those of the records, in the order of the file.
        outcome: ``passed``, ``failed``, or ``incomplete`` when not every record has an answer.
        overlap: With the training data, where that gate has run.
        groups: How many groups the records are in; ``None`` where each is alone.
    """

    kind: str
    name: str
    path: str
    checkpoint: CheckpointReference | None
    total: int
    terms: Mapping[str, Any]
    limits: AccuracyLimits
    records: tuple[AnsweredRecord, ...]
    categories: tuple[CategoryShare, ...]
    gates: tuple[GateResult, ...]
    outcome: str
    comparison: Comparison | None = None
    overlap: Overlap | None = None
    groups: int | None = None

    @property
    def answered(self) -> list[AnsweredRecord]:
        """The records with an answer, in file order."""
        return [one for one in self.records if one.correct is not None]

    @property
    def share(self) -> Share | None:
        """Of right answers; ``None`` where a record has none, which may be the worst."""
        answered = self.answered
        return _share_of(answered) if len(answered) == self.total else None

    @property
    def share_without_overlap(self) -> Share | None:
        """The same of the records that do not appear in the training data, where some do."""
        return _share_of(rest_of(self.overlap, self.answered, self.total))


def _share_of(answered: Sequence[AnsweredRecord]) -> Share | None:
    groups = group_numbers(one.record.group for one in answered)
    return share_of([bool(one.correct) for one in answered], groups)


def by_category(
    totals: Mapping[str, int], limits: AccuracyLimits, records: Sequence[AnsweredRecord]
) -> tuple[CategoryShare, ...]:
    """Return what became of each category.

    Args:
        totals: How many records each has, by name.
        limits: What is asked of the suite.
        records: As far as anything is known of them.
    """
    answered: dict[str, list[AnsweredRecord]] = {name: [] for name in totals}
    for one in records:
        # A file may have a category of which it has no figures.
        if one.category in answered and one.correct is not None:
            answered[one.category].append(one)
    return tuple(
        CategoryShare(
            name,
            total,
            len(answered[name]),
            _share_of(answered[name]) if len(answered[name]) == total else None,
            limits.min_accuracies.get(name),
        )
        for name, total in totals.items()
    )
