"""What a model made of a question with a choice of answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_llmjudge.accuracy import best
from pytest_llmjudge.questions.base import ACC_NORM, LETTERS, by_length

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.data import Record
    from pytest_llmjudge.questions.base import ChoiceQuestion

__all__ = ["ChoiceAnswer", "lettered_choice"]


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
        return self._choice(self.chosen)

    @property
    def expected(self) -> str:
        """The right choice, behind its letter."""
        return self._choice(self.answer)

    def _choice(self, letter: str) -> str:
        return lettered_choice(letter, self.question.choices)


def lettered_choice(letter: str, choices: Sequence[str]) -> str:
    """Write the choice of a letter behind it."""
    return f"{letter}. {choices[LETTERS.index(letter)]}"
