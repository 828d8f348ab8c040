"""GSM8K: word problems with a number for an answer, behind ``####``.

Its rows are those of ``openai/gsm8k`` on Hugging Face.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.questions.base import TRAIN, BadQuestionError, Draw, ExactQuestion
from pytest_llmjudge.questions.columns import question_column
from pytest_llmjudge.questions.following import questioned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmjudge.questions.base import Row

__all__ = ["GSM8K"]

_MARK: Final = "#### "


@dataclass(frozen=True, slots=True)
class _WordProblems:
    """See :class:`.base.ExactForm`."""

    name: str = "gsm8k"
    columns: tuple[str, ...] = ("question", "answer")
    category: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    shots: int = 5
    draw: Draw = Draw.RANDOM
    shots_split: str = TRAIN
    extract: str = "gsm8k"
    until: tuple[str, ...] = ("Question:", "</s>", "<|im_end|>")
    max_new_tokens: int = 256

    def parse(self, row: Row) -> ExactQuestion:
        """Read a row; see :meth:`.base.Form.parse`."""
        text, answer = question_column(row, "question"), question_column(row, "answer")
        _, mark, number = answer.rpartition(_MARK)
        if not mark or not re.search(r"[0-9]", number):
            problem = f'"answer" has no number behind "{_MARK.strip()}"'
            hint = f'end it with "{_MARK}" and the number'
            raise BadQuestionError(problem, hint)
        return ExactQuestion(text, answer, answer, None, row)

    def prompt(self, question: ExactQuestion, solved: Sequence[ExactQuestion]) -> str:
        """Return what a model reads; see :meth:`.base.ExactForm.prompt`."""
        shown = "".join(f"{questioned(one.text)} {one.solution}\n\n" for one in solved)
        return f"{shown}{questioned(question.text)}"


GSM8K: Final = _WordProblems()
