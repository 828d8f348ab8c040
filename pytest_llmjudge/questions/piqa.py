"""PIQA: which of two ways leads to a goal.

Its rows are those of ``baber/piqa`` on Hugging Face.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_llmjudge.questions.base import ChoiceQuestion, Draw
from pytest_llmjudge.questions.columns import index_column, question_column, text_column
from pytest_llmjudge.questions.following import FollowingForm, questioned

if TYPE_CHECKING:
    from pytest_llmjudge.questions.base import Row

__all__ = ["PIQA"]


def _read(row: Row) -> ChoiceQuestion:
    text = question_column(row, "goal")
    choices = (text_column(row, "sol1"), text_column(row, "sol2"))
    return ChoiceQuestion(text, choices, index_column(row, "label", 2), None, row)


def _write(question: ChoiceQuestion) -> str:
    return questioned(question.text)


PIQA: Final = FollowingForm(
    name="piqa",
    columns=("goal", "sol1", "sol2", "label"),
    read=_read,
    write=_write,
    draw=Draw.RANDOM_OTHERS,
)
