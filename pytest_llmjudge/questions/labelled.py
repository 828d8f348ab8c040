"""Sets whose choices have labels: ARC and OpenBookQA.

Their rows are those of ``allenai/ai2_arc`` and ``allenai/openbookqa`` on Hugging Face.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.errors import count_of, one_line
from pytest_llmjudge.questions.base import BadQuestionError, ChoiceQuestion
from pytest_llmjudge.questions.columns import (
    any_column,
    check_choices,
    inner_list,
    inner_texts,
    question_column,
)
from pytest_llmjudge.questions.following import FollowingForm, questioned
from pytest_llmjudge.records.json_values import kind_of

if TYPE_CHECKING:
    from pytest_llmjudge.questions.base import Row

__all__ = ["ARC_CHALLENGE", "ARC_EASY", "OPENBOOKQA"]

_CHOICES: Final = "choices"
_ANSWER: Final = "answerKey"


def _read(row: Row, column: str) -> ChoiceQuestion:
    text, choices = question_column(row, column), inner_texts(row, _CHOICES, "text")
    labels = inner_list(row, _CHOICES, "label")
    check_choices(choices)
    if len(labels) != len(choices):
        problem = f"it has {len(choices)} choices and {count_of(len(labels), 'label')}"
        raise BadQuestionError(problem, "give each choice a label", "labels")
    # The harness strips one set's and not the other's; no label begins with a blank.
    key = any_column(row, _ANSWER)
    key = key.lstrip() if isinstance(key, str) else key
    places = [place for place, label in enumerate(labels) if _is_same(label, key)]
    if len(places) != 1:
        shown = f'"{one_line(key, 40)}"' if isinstance(key, str) else kind_of(key)
        what = "none" if not places else "several"
        problem = f'"{_ANSWER}" is {shown}, the label of {what} of the {len(choices)} choices'
        raise BadQuestionError(problem, "write the label of one choice", "answer's label")
    return ChoiceQuestion(text, choices, places[0], None, row)


def _is_same(label: object, key: object) -> bool:
    # Tables write numbers where JSON has texts.
    return type(label) in (str, int) and type(key) in (str, int) and str(label) == str(key)


def _with_question(question: ChoiceQuestion) -> str:
    return questioned(question.text)


def _alone(question: ChoiceQuestion) -> str:
    return question.text


ARC_EASY: Final = FollowingForm(
    name="arc_easy",
    columns=("question", _CHOICES, _ANSWER),
    read=partial(_read, column="question"),
    write=_with_question,
)
ARC_CHALLENGE: Final = FollowingForm(
    name="arc_challenge",
    columns=ARC_EASY.columns,
    read=ARC_EASY.read,
    write=_with_question,
)
OPENBOOKQA: Final = FollowingForm(
    name="openbookqa",
    columns=("question_stem", _CHOICES, _ANSWER),
    read=partial(_read, column="question_stem"),
    write=_alone,
)
