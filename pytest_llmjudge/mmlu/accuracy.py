"""What a model answered, and what its accuracy is worth: intervals, macro average, categories."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pytest_llmjudge.decisions.accuracy import Share, best
from pytest_llmjudge.mmlu.files import LETTERS
from pytest_llmjudge.mmlu.subjects import CATEGORIES, category_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.mmlu.results import MMLUQuestion

__all__ = [
    "Counted",
    "MMLUAnswer",
    "MMLUResult",
    "by_category",
    "macro_average",
    "pool",
    "pooled_stderr",
]


@dataclass(frozen=True, slots=True)
class MMLUAnswer:
    """How a model answered one question.

    Attributes:
        question: What was asked.
        logprobs: Natural log-probability of each choice, summed over its tokens.
        shots: How many solved questions the prompt showed.
        is_cut: Whether the prompt lost its beginning to fit into the context.
    """

    question: MMLUQuestion
    logprobs: tuple[float, ...]
    shots: int
    is_cut: bool

    @property
    def prediction(self) -> str:
        """Letter of the likeliest choice, the first one of equals."""
        return LETTERS[best(self.logprobs)]

    @property
    def prediction_norm(self) -> str:
        """Letter of the choice that is likeliest for its length in characters."""
        lengths = [max(1, len(choice)) for choice in self.question.choices]
        values = [value / length for value, length in zip(self.logprobs, lengths, strict=True)]
        return LETTERS[best(values)]

    @property
    def is_right(self) -> bool:
        """Whether the prediction is the answer."""
        return self.prediction == LETTERS[self.question.answer]


@dataclass(frozen=True, slots=True)
class MMLUResult:
    """How a model answered the questions of one subject.

    Attributes:
        subject: As in the names of MMLU's files.
        mode: ``letters``, ``lm-eval`` or ``continuation``.
        shots: How many solved questions a prompt showed where they fitted.
        answers: In file order.
    """

    subject: str
    mode: str
    shots: int
    answers: tuple[MMLUAnswer, ...]

    @property
    def total(self) -> int:
        """How many questions were asked."""
        return len(self.answers)

    @property
    def correct(self) -> int:
        """How many predictions were right."""
        return sum(answer.is_right for answer in self.answers)

    @property
    def accuracy(self) -> float:
        """Share of right predictions, 0 to 1."""
        return Share(self.correct, self.total).accuracy

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy."""
        return Share(self.correct, self.total).interval

    @property
    def predictions(self) -> list[str]:
        """The letters chosen, in file order."""
        return [answer.prediction for answer in self.answers]

    @property
    def accuracy_norm(self) -> float | None:
        """Accuracy of the choices likeliest for their length; of mode ``continuation`` alone."""
        if self.mode != "continuation":
            return None
        right = [LETTERS[a.question.answer] == a.prediction_norm for a in self.answers]
        return sum(right) / self.total

    @property
    def cut(self) -> int:
        """How many prompts lost their beginning."""
        return sum(answer.is_cut for answer in self.answers)


class Counted(Protocol):
    """Anything that has right answers of a subject."""

    @property
    def subject(self) -> str:
        """As in the names of MMLU's files."""

    @property
    def correct(self) -> int:
        """Right answers."""

    @property
    def total(self) -> int:
        """Questions, at least one."""


def pool(results: Sequence[Counted]) -> Share:
    """Add up subjects, so that each question counts the same (micro average)."""
    return Share(sum(one.correct for one in results), sum(one.total for one in results))


def macro_average(results: Sequence[Counted]) -> float:
    """Return the mean of the subjects' accuracies, so that each subject counts the same."""
    return sum(one.correct / one.total for one in results) / len(results)


def pooled_stderr(results: Sequence[Counted]) -> float | None:
    """Return the standard error of the micro average, as lm-evaluation-harness gives it for groups.

    That is ``sqrt(sum((n - 1) n se^2) / (N - m) / N)`` over m subjects of n questions each, N
    together, where ``n (n - 1) se^2`` is the sum of the squared deviations from the subject's own
    accuracy. ``None`` where no subject has two questions.
    """
    whole = pool(results)
    free = whole.total - len(results)
    if not free:
        return None
    squares = sum(one.correct * (1 - one.correct / one.total) for one in results)
    return math.sqrt(squares / free / whole.total)


def by_category(results: Sequence[Counted]) -> dict[str, Share]:
    """Pool the subjects of each category; those of one's own make none."""
    groups = {
        category: [one for one in results if category_of(one.subject) == category]
        for category in CATEGORIES
    }
    return {category: pool(subjects) for category, subjects in groups.items() if subjects}
