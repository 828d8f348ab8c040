"""What a question of a benchmark set is, and what the form of a set knows of its questions."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, TypeAlias

__all__ = [
    "ACC",
    "ACC_NORM",
    "LETTERS",
    "AskedChoices",
    "BadQuestionError",
    "ChoiceForm",
    "ChoiceQuestion",
    "ExactForm",
    "ExactQuestion",
    "Row",
]

Row: TypeAlias = Mapping[str, object]
"""One object of a set's file."""

LETTERS: Final = string.ascii_uppercase
"""Of a question's choices, in their order."""

ACC: Final = "acc"
"""The likeliest choice counts."""
ACC_NORM: Final = "acc_norm"
"""The choice counts that is likeliest for its length in characters."""


class BadQuestionError(Exception):
    """A row is no question of its set.

    Args:
        problem: What is wrong, for ``<where>: <problem>; <hint>``.
        hint: What to do.
    """

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint


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


class AskedChoices(NamedTuple):
    """A question as a model is asked it.

    Attributes:
        pairs: For each choice what the model reads, and the text whose log-probability counts.
        lengths: For each choice by how many characters :data:`ACC_NORM` divides.
    """

    pairs: tuple[tuple[str, str], ...]
    lengths: tuple[int, ...]


class ChoiceForm(Protocol):
    """How the questions of a set read, and how they are asked.

    Attributes:
        name: Of the preset or the mode.
        metric: :data:`ACC` or :data:`ACC_NORM`, which decides where nobody chooses.
        shots: How many solved questions come first, where nobody chooses.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def metric(self) -> str: ...  # noqa: D102

    @property
    def shots(self) -> int: ...  # noqa: D102

    def parse(self, row: Row) -> ChoiceQuestion:
        """Read a row.

        Raises:
            BadQuestionError: It is no question of the set.
        """

    def ask(self, question: ChoiceQuestion, solved: Sequence[ChoiceQuestion]) -> AskedChoices:
        """Return what a model is asked.

        Args:
            question: Is asked.
            solved: Are shown with their answers before it.
        """


@dataclass(frozen=True, slots=True)
class ExactQuestion:
    """A question whose answer is generated.

    Attributes:
        text: What is asked, as people read it.
        reference: The answer in the set, with all that the set says beside it.
        subject: What it is about; ``None`` where the set does not say.
        row: As it stands in the file.
    """

    text: str
    reference: str
    subject: str | None
    row: Row


class ExactForm(Protocol):
    """How the questions of a set read, how they are asked, and what an answer may be.

    Attributes:
        name: Of the preset.
        shots: How many solved questions come first, where nobody chooses.
        extract: Name of the extraction, where nobody chooses.
        until: Texts that end an answer, and are not part of it.
        max_new_tokens: The most tokens of an answer.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def shots(self) -> int: ...  # noqa: D102

    @property
    def extract(self) -> str: ...  # noqa: D102

    @property
    def until(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def max_new_tokens(self) -> int: ...  # noqa: D102

    def parse(self, row: Row) -> ExactQuestion:
        """Read a row.

        Raises:
            BadQuestionError: It is no question of the set.
        """

    def prompt(self, question: ExactQuestion, solved: Sequence[ExactQuestion]) -> str:
        """Return what a model reads.

        Args:
            question: Is asked.
            solved: Are shown with their answers before it.
        """
