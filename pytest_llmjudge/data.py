"""The plain values that flow between the layers; all frozen, none knows how it was made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Agreement",
    "CheckpointReference",
    "Completion",
    "GateResult",
    "JudgeCheck",
    "JudgeIdentity",
    "Record",
    "RecordResult",
    "RunResult",
    "SuiteResult",
    "Verdict",
]


@dataclass(frozen=True, slots=True)
class Record:
    """One instruction with its reference answer.

    Attributes:
        id: Unique in its file, stable when records are added, removed or moved.
        instruction: What is asked.
        input: Material the instruction speaks of; empty for none.
        output: The reference answer.
        fields: The record as it stood in the file, further keys included.
    """

    id: str
    instruction: str
    input: str
    output: str
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class MMLUQuestion:
    """One question of MMLU.

    Attributes:
        id: Its subject and a digest of its text, the same wherever it stands in its file.
        question: As written.
        choices: Four.
        answer: Index of the right one.
    """

    id: str
    question: str
    choices: tuple[str, ...]
    answer: int


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model made of one prompt.

    Attributes:
        index: Position of the prompt in the list that was given to the model.
        text: The new text after the prompt, undecorated; ``None`` when there is none.
        tokens: How many tokens were generated, the end token not counted.
        error: Why there is no text, as a finished one-line message.
    """

    index: int
    text: str | None
    tokens: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's score of one response with its evidence, or the reason there is none.

    Attributes:
        score: 0 to 100, or ``None`` when the record is unscored.
        reply: What the judge wrote, word for word; empty when it was not asked.
        error: Why the record is unscored, as a finished one-line message.
        final: Whether asking again would give the same; only final verdicts are kept for the
            next run.
        rig: Whether it was not the record but server, model or checkpoint that failed.
        samples: The scores of which ``score`` is the median, where several were asked for.
        covered: p(yes) + p(no), where the score comes from the probabilities of an answer.
        too_long: Whether the question did not fit into the judge's context.
    """

    score: int | None
    reply: str = ""
    error: str | None = None
    final: bool = True
    rig: bool = field(default=False, repr=False)
    samples: tuple[int, ...] = field(default=(), repr=False)
    covered: float | None = field(default=None, repr=False)
    too_long: bool = field(default=False, repr=False)


@dataclass(frozen=True, slots=True)
class JudgeIdentity:
    """What decides a judge's answers, as it goes into keys and files.

    Attributes:
        model: The name the user gave.
        backend: ``ollama``, ``embedded`` or ``custom``.
        version: Of the server, or of the library that scores.
        digest: Of the model's weights; a name alone may mean other weights tomorrow.
        options: Generation options sent with every request.
        ask: Name and version of the question; empty for a judge of the user's own.
    """

    model: str
    backend: str
    version: str
    digest: str
    options: Mapping[str, object]
    ask: str = ""


@dataclass(frozen=True, slots=True)
class CheckpointReference:
    """Which model was under test.

    Attributes:
        path: Of the checkpoint; the type's name for a model of the user's own.
        fingerprint: Changes when the model's answers may.
        parameters: How many weights it has, ``None`` when that is not known.
    """

    path: str
    fingerprint: str
    parameters: int | None


@dataclass(frozen=True, slots=True)
class RecordResult:
    """What became of one record in a run.

    Attributes:
        model_response: ``None`` when there is none.
        score: 0 to 100, ``None`` when the record is unscored.
        reply: What the judge wrote; ``None`` when it was not asked.
        error: Why the record is unscored.
        outcome: ``passed``, ``failed``, ``error``, or ``not run``.
        cause: ``record`` when nothing could be made of this record, ``rig`` when server, model or
            checkpoint failed, ``None`` when there is a score or nothing was tried.
        samples: The scores of which ``score`` is the median, where several were asked for.
        covered: p(yes) + p(no) of a weighted answer.
        human_score: What people gave this response.
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
    human_score: int | None = None

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
        wrong: Mean score of references of other records.
        null: Mean score of a polite non-answer.
        plea: Mean score of wrong answers that beg for 100.
        auc: Probability that a right answer scores above a wrong or empty one, ties half.
        changed: How many right answers got another score when asked about again.
        asked: How many answers were asked about.
        unscored: How many of them got no score.
        in_flight: How many requests were allowed in flight at each server.
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


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a judge's scores agree with those of people.

    Attributes:
        count: Records that have both.
        spearman: Rank correlation, ``None`` when one side gave the same score to all.
        mean_absolute_error: In points.
        bias: Mean of judge minus people, in points.
    """

    count: int
    spearman: float | None
    mean_absolute_error: float
    bias: float


@dataclass(frozen=True, slots=True)
class GateResult:
    """What became of one gate: its name, ``passed``, ``failed`` or ``error``, and why."""

    name: str
    outcome: str
    reason: str


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
    """

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

    @property
    def scores(self) -> list[int]:
        """The scores there are, in file order."""
        return [result.score for result in self.records if result.score is not None]


@dataclass(frozen=True, slots=True)
class QuestionResult:
    """How a model answered one question of MMLU.

    Attributes:
        id: Its subject and a digest of its text.
        answer: Letter of the right choice.
        prediction: Letter of the likeliest one.
        logprobs: Natural log-probability of each choice.
        shots: How many solved questions the prompt showed.
        is_cut: Whether the prompt lost its beginning.
    """

    id: str
    answer: str
    prediction: str
    logprobs: tuple[float, ...]
    shots: int
    is_cut: bool


@dataclass(frozen=True, slots=True)
class SubjectResult:
    """What became of one subject.

    Attributes:
        questions: In file order; none when the subject could not be asked.
        accuracy_norm: Accuracy of the choices likeliest for their length, in mode ``continuation``.
        outcome: ``passed``, ``failed``, ``error`` or ``not run``.
        error: Why there are no questions.
    """

    subject: str
    questions: tuple[QuestionResult, ...] = ()
    accuracy_norm: float | None = None
    outcome: str = "not run"
    error: str | None = None

    @property
    def total(self) -> int:
        """How many questions were asked."""
        return len(self.questions)

    @property
    def correct(self) -> int:
        """How many predictions were right."""
        return sum(question.prediction == question.answer for question in self.questions)


@dataclass(frozen=True, slots=True)
class ExamResult:
    """What became of one exam: subjects of MMLU asked in one way.

    Attributes:
        name: Node id of the test function.
        path: The copy of MMLU.
        subjects: In the order of the exam.
        outcome: ``passed``, ``failed``, or ``incomplete`` when a subject has no result.
    """

    name: str
    path: str
    checkpoint: CheckpointReference
    mode: str
    shots: int
    limit: int | None
    min_accuracy: float | None
    min_subject_accuracy: float | None
    subjects: tuple[SubjectResult, ...]
    gates: tuple[GateResult, ...]
    outcome: str


@dataclass(frozen=True, slots=True)
class RunResult:
    """What became of a run: its suites by name, and what else a reader should know of it."""

    created: str
    suites: tuple[SuiteResult, ...]
    notes: tuple[str, ...] = ()
    exams: tuple[ExamResult, ...] = ()
