"""Questions of MMLU, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pytest_llmjudge.data import CheckpointReference, Comparison, GateResult

__all__ = [
    "ExamResult",
    "MMLUQuestion",
    "QuestionResult",
    "SubjectResult",
]


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
        comparison: With the baseline, where one was named and its gate has run.
    """

    kind: ClassVar[str] = "mmlu"

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
    comparison: Comparison | None = None
