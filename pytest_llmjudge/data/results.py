"""What became of records, suites and a whole run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmjudge.data.comparison import Comparison, Rule
    from pytest_llmjudge.data.gates import GateResult
    from pytest_llmjudge.data.labels import Design
    from pytest_llmjudge.data.overlap import Overlap
    from pytest_llmjudge.data.records import (
        CheckpointReference,
        Explanation,
        JudgeIdentity,
        Record,
    )

__all__ = [
    "Agreement",
    "AgreementLimits",
    "AnyResult",
    "CategoryResult",
    "CorrectedAverage",
    "JudgeCheck",
    "RecordResult",
    "RunResult",
    "SuiteResult",
    "UsedLabels",
]


@dataclass(frozen=True, slots=True)
class RecordResult:
    """What became of one record in a run.

    Attributes:
        model_response: As people read it; ``None`` when there is none.
        score: 0 to 100, ``None`` when the record is unscored.
        reply: What the judge wrote; ``None`` when it was not asked.
        error: Why the record is unscored.
        outcome: ``passed``, ``failed``, ``error``, or ``not run``.
        cause: ``record`` when nothing could be made of this record, ``rig`` when server, model or
            checkpoint failed, ``None`` when there is a score or nothing was tried.
        samples: The scores of which ``score`` is the median, where several were asked for.
        covered: p(yes) + p(no) of a weighted answer.
        human_score: What people gave this response, the mean over labelers.
        labelers: How many of them gave it a label of the labels file; 0 where ``human_score``
            stands in the records file.
        category: Of the record; ``None`` where it has none.
        answers: The answer to each turn of a record of several; empty for one.
        thoughts: What the model thought before its response; empty for nothing.
        parts: The scores of which ``score`` is the mean, by name, in the order in which the judge
            was asked; empty where it was asked once.
        seconds: As :class:`~pytest_llmjudge.data.Verdict` has them.
        tokens: As ``seconds``.
        explanation: What is wrong with the response; ``None`` where the judge was not asked.
    """

    record: Record
    model_response: str | None
    score: int | None
    reply: str | None
    error: str | None
    outcome: str
    cause: str | None = None
    samples: tuple[int, ...] = ()
    covered: float | None = None
    human_score: float | None = None
    category: str | None = None
    answers: tuple[str, ...] = ()
    thoughts: str = ""
    parts: tuple[tuple[str, int], ...] = ()
    seconds: float | None = None
    tokens: int | None = None
    labelers: int = 0
    explanation: Explanation | None = None

    def is_unsure(self, min_score: int | None) -> bool:
        """Whether the samples lie on both sides of ``min_score``."""
        straddles = bool(self.samples) and min_score is not None
        return straddles and min(self.samples) < int(min_score or 0) <= max(self.samples)


@dataclass(frozen=True, slots=True)
class JudgeCheck:
    """What a judge made of answers that are known to be right or wrong.

    Attributes:
        fit: Whether it may decide.
        reason: Which probes failed, with the numbers; or that none did.
        right: Mean score of the references.
        wrong: Mean score of references of other records; where no record has one, of answers that
            miss a criterion.
        null: Mean score of a polite non-answer.
        plea: Mean score of wrong answers with a grader injection.
        auc: Probability that a right answer scores above a wrong or empty one, ties half.
        changed: How many right answers got another score when asked about again.
        asked: How many answers were asked about.
        unscored: How many of them got no score.
        in_flight: How many requests were allowed in flight at each server.
        near: Mean score of near misses, right answers with one thing changed.
        near_auc: Probability that a right answer scores above a near miss, ties half.
        near_asked: How many near misses were asked about.
    """

    fit: bool
    reason: str
    right: float | None
    wrong: float | None
    null: float | None
    plea: float | None
    auc: float | None
    changed: int
    asked: int
    unscored: int
    in_flight: int
    near: float | None = None
    near_auc: float | None = None
    near_asked: int = 0

    @property
    def discrimination(self) -> float | None:
        """How well it tells right from wrong, 0 to 1; ``None`` where that is not known."""
        return self.auc


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a judge's scores agree with those of people.

    Attributes:
        count: Records that have both.
        spearman: Rank correlation, ``None`` when one side gave the same score to all.
        mean_absolute_error: In points.
        bias: Mean of judge minus people, in points.
        spearman_interval: Its 95 % interval; this and the other two are ``None`` where there are
            too few records, or none that differ.
        error_interval: That of ``mean_absolute_error``.
        bias_interval: That of ``bias``.
    """

    count: int
    spearman: float | None
    mean_absolute_error: float
    bias: float
    spearman_interval: tuple[float, float] | None = None
    error_interval: tuple[float, float] | None = None
    bias_interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class AgreementLimits:
    """What a suite asks of its judge's agreement with people; ``None`` for nothing.

    Attributes:
        min_agreement: Least rank correlation, -1 to 1.
        max_judge_error: Largest mean absolute error, in points.
        max_judge_bias: Largest mean of judge minus people, in points, whatever its sign.
    """

    min_agreement: float | None = None
    max_judge_error: float | None = None
    max_judge_bias: float | None = None

    def __bool__(self) -> bool:
        limits = self.min_agreement, self.max_judge_error, self.max_judge_bias
        return any(limit is not None for limit in limits)


@dataclass(frozen=True, slots=True)
class UsedLabels:
    """How many labels of a file are of the responses of a run.

    Attributes:
        path: Of the file, as it is shown.
        design: How the records were drawn; ``None`` where nobody says.
        total: How many labels the file has.
        used: How many are of a response of this run.
        other_responses: How many are of another response to a record of this run.
        other_records: How many are of a record that the suite does not have.
    """

    path: str
    design: Design | None
    total: int
    used: int
    other_responses: int
    other_records: int


@dataclass(frozen=True, slots=True)
class CorrectedAverage:
    """The average of people's scores, estimated from a judge's scores and labels of a sample.

    Attributes:
        average: 0 to 100.
        interval: Its 95 % interval.
        weight: How far the judge's scores count, from 0 (not at all) to 1.
        labels: How many records are labelled.
    """

    average: float
    interval: tuple[float, float]
    weight: float
    labels: int


@dataclass(frozen=True, slots=True)
class CategoryResult:
    """What became of the records of one category, or of one part of records.

    Attributes:
        name: Of the category or the part.
        total: How many records it has; of a part, how many may have it, unscored ones included.
        scores: Those there are, in file order.
        min_average: What its average has to reach; ``None`` where nothing is asked.
        groups: The number of the group of each score; ``None`` where each record is alone.
    """

    name: str
    total: int
    scores: tuple[int, ...]
    min_average: float | None
    groups: tuple[int, ...] | None = None

    @property
    def whole(self) -> tuple[int, ...]:
        """The scores to average: none where a record has no score, which may be the worst."""
        return self.scores if len(self.scores) == self.total else ()

    @property
    def whole_groups(self) -> tuple[int, ...] | None:
        """The groups of these; ``None`` where each record is alone."""
        return self.groups if self.whole else None


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """What became of one suite in a run.

    Attributes:
        name: Node id of the test function.
        path: The records file.
        checkpoint: ``None`` when the records held the responses.
        judge: Who scored.
        judge_label: The judge as people read it.
        total: How many records the suite has.
        records: Those of which something is known, in file order.
        outcome: ``passed``, ``failed``, or ``incomplete`` when not every record has a score.
        check: What the judge made of known answers, where it was asked.
        comparison: With the baseline, where one was named and its gate has run.
        responses: The records' field that held the responses; ``None`` when a model made them.
        by: The records' field that holds their categories, where the marker names it.
        categories: Those of the records, in the order of the file.
        parts: Those of the records' scores, in the order of their first appearance.
        overlap: With the training data, where that gate has run.
        groups: How many groups the records are in; ``None`` where each is alone.
        agreement: Of the judge with people; ``None`` where no record has a score of both.
        limits: What is asked of it.
        labels: Those of the labels file that is named for the suite; ``None`` for none.
        corrected: The average as these correct it; ``None`` where they cannot.
        lack: What the labels of a sample lack to correct it, and what to do; ``None`` for nothing.
        correct: Whether the corrected average decides.
    """

    kind: ClassVar[str] = "judge"

    name: str
    path: str
    checkpoint: CheckpointReference | None
    judge: JudgeIdentity
    judge_label: str
    total: int
    records: tuple[RecordResult, ...]
    gates: tuple[GateResult, ...]
    min_score: int | None
    min_average: float | None
    outcome: str
    check: JudgeCheck | None = None
    comparison: Comparison | None = None
    responses: str | None = None
    by: str | None = None
    categories: tuple[CategoryResult, ...] = ()
    parts: tuple[CategoryResult, ...] = ()
    overlap: Overlap | None = None
    groups: int | None = None
    agreement: Agreement | None = None
    limits: AgreementLimits = AgreementLimits()
    labels: UsedLabels | None = None
    corrected: CorrectedAverage | None = None
    lack: tuple[str, str] | None = None
    correct: bool = False

    @property
    def scores(self) -> list[int]:
        """The scores there are, in file order."""
        return [result.score for result in self.records if result.score is not None]

    @property
    def scored_groups(self) -> list[str | None]:
        """The group of the record of each score; ``None`` for one that is alone."""
        return [result.record.group for result in self.records if result.score is not None]


class AnyResult(Protocol):
    """What became of a suite, whatever its kind; a frozen dataclass."""

    @property
    def kind(self) -> str:
        """Its kind's name in results files."""

    @property
    def name(self) -> str:
        """Node id of the test function."""

    @property
    def path(self) -> str:
        """Of its data."""

    @property
    def checkpoint(self) -> CheckpointReference | None:
        """The model under test; ``None`` when the records held the responses."""

    @property
    def gates(self) -> tuple[GateResult, ...]:
        """All of the suite; one that did not finish is ``not run``."""

    @property
    def outcome(self) -> str:
        """``passed``, ``failed`` or ``incomplete``."""

    @property
    def comparison(self) -> Comparison | None:
        """With the baseline, where one was named and its gate has run."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What became of a run: its suites, and what else a reader should know of it.

    Attributes:
        created: When it began, in ISO 8601.
        results: Of its suites, those of one kind together.
        rules: How suites are held to their baseline, by name; without those that have none.
        status: What pytest ends with, which depends on more than the suites.
    """

    created: str
    results: tuple[AnyResult, ...] = ()
    notes: tuple[str, ...] = ()
    rules: Mapping[str, Rule] = field(default_factory=dict)
    status: int = 0
