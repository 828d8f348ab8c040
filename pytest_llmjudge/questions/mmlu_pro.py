"""MMLU-Pro: up to ten choices, asked for a letter or for a chain of thought.

Its rows are those of ``TIGER-Lab/MMLU-Pro`` on Hugging Face. The forms are those of the tasks
``leaderboard_mmlu_pro`` and ``mmlu_pro`` of lm-evaluation-harness.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.questions.base import (
    LETTERS,
    ChoiceQuestion,
    Draw,
    ExactQuestion,
)
from pytest_llmjudge.questions.columns import (
    check_choices,
    letter_column,
    question_column,
    text_column,
    texts_column,
)
from pytest_llmjudge.questions.following import FollowingForm, lettered, letters_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmjudge.questions.base import Row

__all__ = ["MMLU_PRO", "MMLU_PRO_THOUGHT"]

_SUBJECT: Final = "category"
_COLUMNS: Final = ("question", "options", "answer", _SUBJECT)
_VALIDATION: Final = "validation"
_THOUGHT: Final = "cot_content"
_BEGIN: Final = "A: Let's think step by step. "
"""How the set's chains of thought begin, and a prompt ends in its own words."""


def _read(row: Row) -> ChoiceQuestion:
    text, choices = question_column(row, "question"), texts_column(row, "options")
    check_choices(choices)
    answer = letter_column(row, "answer", len(choices))
    return ChoiceQuestion(text, choices, answer, question_column(row, _SUBJECT), row)


def _write(question: ChoiceQuestion) -> str:
    return lettered(question.text, question.choices)


MMLU_PRO: Final = FollowingForm(
    name="mmlu_pro",
    columns=_COLUMNS,
    read=_read,
    write=_write,
    answers=letters_of,
    shots=5,
    draw=Draw.FIRST,
    shots_split=_VALIDATION,
    category=_SUBJECT,
)


@dataclass(frozen=True, slots=True)
class _ThoughtForm:
    """A chain of thought before the letter; see :class:`.base.ExactForm`."""

    name: str = "mmlu_pro"
    columns: tuple[str, ...] = (*_COLUMNS, _THOUGHT)
    category: str | None = _SUBJECT
    fields: Mapping[str, str] = field(default_factory=dict)
    shots: int = 5
    draw: Draw = Draw.FIRST_OF_SUBJECT
    shots_split: str = _VALIDATION
    extract: str = r"regex:answer is \(?([ABCDEFGHIJ])\)?"
    until: tuple[str, ...] = ("Question:",)
    max_new_tokens: int = 2048

    def parse(self, row: Row) -> ExactQuestion:
        """Read a row; see :meth:`.base.Form.parse`."""
        question = _read(row)
        thought = text_column(row, _THOUGHT).replace(_BEGIN, "")
        letter = LETTERS[question.answer]
        # Without its options nobody knows what a question asks: many have the same words.
        text = f"{question.text}\n{_options(row).rstrip()}"
        return ExactQuestion(text, letter, thought, question.subject, row)

    def prompt(self, question: ExactQuestion, solved: Sequence[ExactQuestion]) -> str:
        """Return what a model reads; see :meth:`.base.ExactForm.prompt`."""
        shown = "".join(f"{_posed(one)} {one.solution}\n\n" for one in solved)
        return (
            f"The following are multiple choice questions (with answers) about {question.subject}. "
            "Think step by step and then finish your answer with "
            '"the answer is (X)" where X is the correct letter choice.\n'
            f"{shown}{_posed(question)}"
        )


def _posed(question: ExactQuestion) -> str:
    text, options = question_column(question.row, "question"), _options(question.row)
    return f"Question:\n{text}\nOptions:\n{options}Answer: Let's think step by step."


def _options(row: Row) -> str:
    options = texts_column(row, "options")
    return "".join(
        f"{letter}. {text.strip()}\n" for letter, text in zip(_TEN, options, strict=False)
    )


_TEN: Final = LETTERS[:10]

MMLU_PRO_THOUGHT: Final = _ThoughtForm()
