"""What a question of a benchmark set is, and what the form of a set knows of its questions."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple, Protocol, TypeAlias, TypeVar

__all__ = [
    "ACC",
    "ACC_NORM",
    "LETTERS",
    "TRAIN",
    "AnyQuestion",
    "AskedChoices",
    "BadQuestionError",
    "ChoiceForm",
    "ChoiceQuestion",
    "Draw",
    "ExactForm",
    "ExactQuestion",
    "Form",
    "Row",
    "by_length",
]

Row: TypeAlias = Mapping[str, object]
"""One object of a set's file."""

TRAIN: Final = "train"
"""The split that most sets have for questions that are shown solved."""

LETTERS: Final = string.ascii_uppercase
"""Of a question's choices, in their order."""

ACC: Final = "acc"
"""The likeliest choice counts."""
ACC_NORM: Final = "acc_norm"
"""The choice counts that is likeliest for its length in characters."""


class Draw(Enum):
    """Which of the solved questions of a file a question is shown."""

    NONE = "none"
    """The set shows none but those that its prompts have anyway."""
    FIRST = "first"
    """The first of the file."""
    FIRST_OF_SUBJECT = "first of the subject"
    """The first of the question's subject, where the file has subjects."""
    RANDOM = "random"
    """Others for each question, drawn in the order of the set's file."""
    RANDOM_OTHERS = "random others"
    """The same, of which one more is drawn, and the question itself left out."""


class BadQuestionError(Exception):
    """A row is no question of its set.

    Args:
        problem: What is wrong, for ``<where>: <problem>; <hint>``.
        hint: What to do.
        cause: What other rows share whose ``problem`` differs; empty for ``problem`` itself.
    """

    def __init__(self, problem: str, hint: str, cause: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint
        self.cause = cause


@dataclass(frozen=True, slots=True)
class ChoiceQuestion:
    """A question with a choice of answers.

    Attributes:
        text: What is asked, as people read it.
        choices: 2 to 26.
        answer: Index of the right one.
        subject: What it is about; ``None`` where the set does not say.
        row: As it stands in the file.
    """

    text: str
    choices: tuple[str, ...]
    answer: int
    subject: str | None
    row: Row

    @property
    def reference(self) -> str:
        """The text of the right choice."""
        return self.choices[self.answer]

    @property
    def content(self) -> tuple[str, ...]:
        """What two rows share that ask the same."""
        return (self.text, *self.choices)


class AskedChoices(NamedTuple):
    """A question as a model is asked it.

    Attributes:
        pairs: For each choice what the model reads, and the text whose log-probability counts.
        lengths: Characters of each choice, by which :data:`ACC_NORM` divides; 0 for an empty one.
    """

    pairs: tuple[tuple[str, str], ...]
    lengths: tuple[int, ...]


def by_length(logprobs: Sequence[float], lengths: Sequence[int]) -> list[float]:
    """Divide log-probabilities by lengths, for :data:`ACC_NORM`.

    Nothing is as unlikely as an empty choice: the harness divides by 0 and has minus infinity.
    """
    pairs = zip(logprobs, lengths, strict=True)
    return [logprob / length if length else float("-inf") for logprob, length in pairs]


@dataclass(frozen=True, slots=True)
class ExactQuestion:
    """A question whose answer is generated.

    Attributes:
        text: What is asked, as people read it.
        reference: The answer in the set, with which a model's is compared.
        solution: What stands behind the question where it is shown solved.
        subject: What it is about; ``None`` where the set does not say.
        row: As it stands in the file.
    """

    text: str
    reference: str
    solution: str
    subject: str | None
    row: Row

    @property
    def content(self) -> tuple[str, ...]:
        """What two rows share that ask the same."""
        return (self.text,)


AnyQuestion: TypeAlias = ChoiceQuestion | ExactQuestion
"""Of a set of either kind."""
Question_co = TypeVar("Question_co", bound=AnyQuestion, covariant=True)


class Form(Protocol[Question_co]):
    """How the questions of a set read, and which of them are shown solved before others.

    Attributes:
        name: Of the preset or the mode.
        columns: What every row has.
        category: The column that says what a question is about; ``None`` where none does.
        fields: Which column of a file each part of a question is, where ``fields=`` says so.
        shots: How many solved questions come first, where nobody chooses.
        draw: Which ones.
        shots_split: The split that has them, where their file has several.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def columns(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def category(self) -> str | None: ...  # noqa: D102

    @property
    def fields(self) -> Mapping[str, str]: ...  # noqa: D102

    @property
    def shots(self) -> int: ...  # noqa: D102

    @property
    def draw(self) -> Draw: ...  # noqa: D102

    @property
    def shots_split(self) -> str: ...  # noqa: D102

    def parse(self, row: Row) -> Question_co:
        """Read a row.

        Raises:
            BadQuestionError: It is no question of the set.
        """


class ChoiceForm(Form[ChoiceQuestion], Protocol):
    """How the questions of a set read, and how they are asked.

    Attributes:
        metric: :data:`ACC` or :data:`ACC_NORM`, which decides where nobody chooses.
    """

    @property
    def metric(self) -> str: ...  # noqa: D102

    def ask(self, question: ChoiceQuestion, solved: Sequence[ChoiceQuestion]) -> AskedChoices:
        """Return what a model is asked.

        Args:
            question: Is asked.
            solved: Are shown with their answers before it.
        """


class ExactForm(Form[ExactQuestion], Protocol):
    """How the questions of a set read, how they are asked, and what an answer may be.

    Attributes:
        extract: Name of the extraction, where nobody chooses.
        until: Texts that end an answer, and are not part of it.
        max_new_tokens: The most tokens of an answer.
    """

    @property
    def extract(self) -> str: ...  # noqa: D102

    @property
    def until(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def max_new_tokens(self) -> int: ...  # noqa: D102

    def prompt(self, question: ExactQuestion, solved: Sequence[ExactQuestion]) -> str:
        """Return what a model reads.

        Args:
            question: Is asked.
            solved: Are shown with their answers before it.
        """
