"""HellaSwag: which of four endings goes on from a text.

Its rows are those of ``Rowan/hellaswag`` on Hugging Face, cleaned as lm-evaluation-harness does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.questions.base import ACC_NORM, ChoiceQuestion, Draw
from pytest_llmjudge.questions.columns import (
    check_choices,
    index_column,
    text_column,
    texts_column,
)
from pytest_llmjudge.questions.following import FollowingForm

if TYPE_CHECKING:
    from pytest_llmjudge.questions.base import Row

__all__ = ["HELLASWAG"]

_MARK: Final = re.compile(r"\[[^\]\n]*(?:(\])|)")
"""Texts from WikiHow have such marks for their headings and steps.

A bracket that stays open is passed with its line: each one within it would be read to the end.
"""


def _clean(text: str) -> str:
    text = _MARK.sub(_left, text.strip().replace(" [title]", ". "))
    return text.replace("  ", " ")


def _left(mark: re.Match[str]) -> str:
    return "" if mark[1] else mark[0]


def _read(row: Row) -> ChoiceQuestion:
    label, begin, end = (text_column(row, name) for name in ("activity_label", "ctx_a", "ctx_b"))
    choices = tuple(map(_clean, texts_column(row, "endings")))
    check_choices(choices)
    answer = index_column(row, "label", len(choices))
    text = _clean(f"{label}: {begin} {end.capitalize()}")
    return ChoiceQuestion(text, choices, answer, None, row)


def _write(question: ChoiceQuestion) -> str:
    return question.text


HELLASWAG: Final = FollowingForm(
    name="hellaswag",
    columns=("activity_label", "ctx_a", "ctx_b", "endings", "label"),
    read=_read,
    write=_write,
    metric=ACC_NORM,
    draw=Draw.RANDOM_OTHERS,
)
