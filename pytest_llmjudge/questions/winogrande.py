"""WinoGrande: which of two names fills a gap, by how likely it makes the rest of the sentence.

Its rows are those of ``allenai/winogrande`` on Hugging Face.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.questions.base import (
    ACC,
    TRAIN,
    AskedChoices,
    BadQuestionError,
    ChoiceQuestion,
    Draw,
)
from pytest_llmjudge.questions.columns import index_column, question_column, text_column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmjudge.questions.base import Row

__all__ = ["WINOGRANDE"]

_GAP: Final = "_"


@dataclass(frozen=True, slots=True)
class _GapForm:
    """Choices that stand before what is scored; see :class:`.base.ChoiceForm`."""

    name: str = "winogrande"
    columns: tuple[str, ...] = ("sentence", "option1", "option2", "answer")
    category: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    shots: int = 0
    draw: Draw = Draw.RANDOM_OTHERS
    shots_split: str = TRAIN
    metric: str = ACC

    def parse(self, row: Row) -> ChoiceQuestion:
        """Read a row; see :meth:`.base.Form.parse`."""
        text = question_column(row, "sentence")
        choices = (text_column(row, "option1"), text_column(row, "option2"))
        if _GAP not in text:
            problem = f'"sentence" has no "{_GAP}"'
            raise BadQuestionError(problem, "write it where a choice belongs")
        return ChoiceQuestion(text, choices, index_column(row, "answer", 2, first=1), None, row)

    def ask(self, question: ChoiceQuestion, solved: Sequence[ChoiceQuestion]) -> AskedChoices:
        """Return what a model is asked; see :meth:`.base.ChoiceForm.ask`."""
        shown = "".join(map(_whole, solved))
        beginnings = _beginnings(question)
        rest = f" {_rest(question)}"
        return AskedChoices(
            tuple((f"{shown}{begin}", rest) for begin in beginnings), tuple(map(len, beginnings))
        )


def _beginnings(question: ChoiceQuestion) -> list[str]:
    before, _, _ = question.text.partition(_GAP)
    return [f"{before}{choice}" for choice in question.choices]


def _rest(question: ChoiceQuestion) -> str:
    return question.text.partition(_GAP)[2].strip()


def _whole(question: ChoiceQuestion) -> str:
    begin, rest = _beginnings(question)[question.answer], _rest(question)
    # The harness takes an empty rest for no answer, behind which it writes nothing.
    return f"{begin} {rest}\n\n" if rest else begin


WINOGRANDE: Final = _GapForm()
