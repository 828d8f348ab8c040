"""What the page says of a suite, as values that its template reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_llmjudge.reporting.digest import NONE

if TYPE_CHECKING:
    from pytest_llmjudge.data import GateResult
    from pytest_llmjudge.reporting.digest import SuiteDigest
    from pytest_llmjudge.reporting.html.drawing import Chart

__all__ = ["MOST_DROPS", "Drop", "Fact", "LostPair", "Panel", "Subject", "SuiteView"]

MOST_DROPS = 10
"""How many of what lost points, or of lost pairs, are shown."""

Fact = tuple[str, str]
"""A name and its value."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Facts that belong together.

    Attributes:
        title: Of all of them.
        facts: In the order in which they are told.
        lead: What is told besides; empty for nothing.
        is_bad: Whether they are why the suite did not pass.
    """

    title: str
    facts: tuple[Fact, ...]
    lead: str = ""
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """A record or subject that lost points.

    Attributes:
        name: The record's instruction, or the subject.
        before: Score or accuracy in the baseline.
        now: The same now.
        change: The difference in points, with its sign.
        input: Of the record; empty for a subject.
        row: The record's number in the table; ``None`` for a subject.
        answers: What was answered before and now; none for a subject.
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
class LostPair:
    """A pair that the other response won.

    Attributes:
        name: The record's instruction.
        input: Of the record.
        row: Its number in the table.
        answers: Both responses.
    """

    name: str
    input: str
    row: int
    answers: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """A line of an exam's table: all as it is shown."""

    name: str
    questions: str
    correct: str
    accuracy: str
    interval: str
    before: str
    outcome: str
    error: str


@dataclass(frozen=True, slots=True)
class SuiteView:
    """One suite.

    Attributes:
        digest: It in a few words.
        kind: The same as ``digest.kind``, for people.
        model: The model under test, with its fingerprint.
        judge: Who decided; empty for an exam.
        charts: What can be drawn of it.
        panels: Its figures.
        gates: Those that came to a decision.
        drops: What lost most, the worst first.
        subjects: Of an exam.
        lost: The first lost pairs of a suite of pairs that did not pass.
        losses: How many there are.
    """

    digest: SuiteDigest
    kind: str
    model: str
    judge: str
    charts: tuple[Chart, ...]
    panels: tuple[Panel, ...]
    gates: tuple[GateResult, ...]
    drops: tuple[Drop, ...] = ()
    subjects: tuple[Subject, ...] = ()
    lost: tuple[LostPair, ...] = ()
    losses: int = 0

    @property
    def digest_facts(self) -> tuple[Fact, ...]:
        """What its card says below the measure."""
        told = self.digest
        found = ("95 % interval", told.interval), ("wanted", told.wanted), ("change", told.change)
        return tuple(fact for fact in found if fact[1] != NONE)
