"""Forms whose choices are what may follow one text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_llmjudge.questions.base import ACC, LETTERS, TRAIN, AskedChoices, Draw

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_llmjudge.questions.base import ChoiceQuestion, Row

__all__ = ["FollowingForm", "lettered", "letters_of", "questioned"]


def _choices(question: ChoiceQuestion) -> Sequence[str]:
    return question.choices


def _no_header(question: ChoiceQuestion) -> str:  # noqa: ARG001
    return ""


@dataclass(frozen=True, slots=True)
class FollowingForm:
    """A form whose choices are what may follow one text; see :class:`.base.ChoiceForm`.

    Attributes:
        read: Reads a row.
        write: Returns what stands before a question's answer.
        answers: Returns what may follow.
        header: Returns what the prompt of a question begins with.
    """

    name: str
    columns: tuple[str, ...]
    read: Callable[[Row], ChoiceQuestion]
    write: Callable[[ChoiceQuestion], str]
    answers: Callable[[ChoiceQuestion], Sequence[str]] = _choices
    header: Callable[[ChoiceQuestion], str] = _no_header
    metric: str = ACC
    shots: int = 0
    draw: Draw = Draw.RANDOM
    shots_split: str = TRAIN
    category: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)

    def parse(self, row: Row) -> ChoiceQuestion:
        """Read a row; see :meth:`.base.Form.parse`."""
        return self.read(row)

    def ask(self, question: ChoiceQuestion, solved: Sequence[ChoiceQuestion]) -> AskedChoices:
        """Return what a model is asked; see :meth:`.base.ChoiceForm.ask`."""
        shown = "".join(f"{self.write(one)} {self.answers(one)[one.answer]}\n\n" for one in solved)
        text = f"{self.header(question)}{shown}{self.write(question)}"
        answers = self.answers(question)
        return AskedChoices(
            tuple((text, f" {answer}") for answer in answers), tuple(map(len, answers))
        )


def questioned(text: str) -> str:
    """Write a question without its choices, up to ``Answer:``."""
    return f"Question: {text}\nAnswer:"


def letters_of(question: ChoiceQuestion) -> Sequence[str]:
    """Return the letters of a question's choices."""
    return LETTERS[: len(question.choices)]


def lettered(text: str, choices: Sequence[str]) -> str:
    """Write a question with its choices, a line each with its letter, up to ``Answer:``."""
    lines = (f"{letter}. {choice}\n" for letter, choice in zip(LETTERS, choices, strict=False))
    return f"{text}\n{''.join(lines)}Answer:"
