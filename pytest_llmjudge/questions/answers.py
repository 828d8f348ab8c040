"""What a model made of questions with a choice of answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_llmjudge.decisions.accuracy import AskedSet, best
from pytest_llmjudge.questions.base import ACC_NORM, LETTERS, by_length

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.data import Record
    from pytest_llmjudge.questions.base import ChoiceQuestion

__all__ = ["ChoiceAnswer", "ChoicesResult", "lettered_choice"]


@dataclass(frozen=True, slots=True)
class ChoiceAnswer:
    """How a model answered a question with a choice of answers.

    Attributes:
        record: The question as a record.
        question: The question with its choices.
        logprobs: Natural log-probability of each choice, summed over its tokens.
        lengths: Characters of each choice, by which ``acc_norm`` divides.
        shots: How many solved questions the prompt showed.
        is_cut: Whether the prompt lost its beginning to fit into the context.
        metric: ``acc`` or ``acc_norm``, which decides whether the answer is right.
    """

    record: Record
    question: ChoiceQuestion
    logprobs: tuple[float, ...]
    lengths: tuple[int, ...]
    shots: int
    is_cut: bool
    metric: str

    @property
    def answer(self) -> str:
        """Letter of the right choice."""
        return LETTERS[self.question.answer]

    @property
    def prediction(self) -> str:
        """Letter of the likeliest choice, the first one of equals."""
        return LETTERS[best(self.logprobs)]

    @property
    def prediction_norm(self) -> str:
        """Letter of the choice that is likeliest for its length in characters."""
        return LETTERS[best(by_length(self.logprobs, self.lengths))]

    @property
    def chosen(self) -> str:
        """Letter of the one of these that decides."""
        return self.prediction_norm if self.metric == ACC_NORM else self.prediction

    @property
    def is_right(self) -> bool:
        """Whether this is the right choice."""
        return self.chosen == self.answer

    @property
    def shown(self) -> str:
        """The choice that was taken, behind its letter."""
        return self._lettered(self.chosen)

    @property
    def expected(self) -> str:
        """The right choice, behind its letter."""
        return self._lettered(self.answer)

    def _lettered(self, letter: str) -> str:
        return lettered_choice(letter, self.question.choices)


@dataclass(frozen=True, slots=True)
class ChoicesResult(AskedSet[ChoiceAnswer]):
    """How a model answered a set of questions with a choice of answers.

    Attributes:
        answers: In file order.
    """

    @property
    def acc(self) -> float:
        """Share of questions whose likeliest choice is right, 0 to 1."""
        return sum(one.prediction == one.answer for one in self.answers) / self.total

    @property
    def acc_norm(self) -> float:
        """Share of those whose choice is right that is likeliest for its length in characters."""
        return sum(one.prediction_norm == one.answer for one in self.answers) / self.total

    @property
    def chance(self) -> float:
        """Accuracy of guessing: the mean of one over the number of choices."""
        return sum(1 / len(one.question.choices) for one in self.answers) / self.total

    @property
    def predictions(self) -> list[str]:
        """The letters chosen by the accuracy that decides."""
        return [one.chosen for one in self.answers]


def lettered_choice(letter: str, choices: Sequence[str]) -> str:
    """Write the choice of a letter behind it."""
    return f"{letter}. {choices[LETTERS.index(letter)]}"
