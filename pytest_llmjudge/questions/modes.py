"""Forms of sets of one's own: choices by their letters, or by their texts.

They are those of the tasks ``mmlu`` and ``mmlu_continuation`` of lm-evaluation-harness.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.errors import RecordsError, one_line
from pytest_llmjudge.questions.base import BadQuestionError, ChoiceQuestion, Draw
from pytest_llmjudge.questions.columns import (
    answer_column,
    check_choices,
    question_column,
    texts_column,
)
from pytest_llmjudge.questions.following import FollowingForm, lettered, letters_of, questioned
from pytest_llmjudge.records.fieldmap import mapped_parts, with_own_names
from pytest_llmjudge.records.json_values import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmjudge.questions.base import Row

__all__ = ["CONTINUATION_MODE", "LETTERS_MODE", "with_fields"]

_NEEDED: Final = ("question", "choices", "answer")
_SUBJECT: Final = "subject"
_DEV: Final = "dev"
"""The split of MMLU whose questions are shown."""
_PARTS: Final = (*_NEEDED, _SUBJECT, "id")


def with_fields(where: str, form: FollowingForm, fields: Mapping[str, str]) -> FollowingForm:
    """Return a mode's form for files whose columns have other names.

    Args:
        where: The suite, for messages.
        form: Of the mode.
        fields: Which column each part of a question is, as ``fields=`` says; a dotted path reaches
            into objects.

    Raises:
        RecordsError: It names what is no part of a question.
    """
    unknown = [part for part in fields if part not in _PARTS]
    if unknown:
        problem = f'fields= has "{one_line(unknown[0], 40)}", which is no part of a question'
        raise RecordsError(where, problem, f"name {', '.join(_PARTS[:-1])} or {_PARTS[-1]}")
    return replace(
        form,
        fields=dict(fields),
        columns=tuple(fields.get(part, part) for part in _NEEDED),
        category=fields.get(_SUBJECT, _SUBJECT),
        read=partial(_read_mapped, fields=fields),
    )


def _read(row: Row) -> ChoiceQuestion:
    text, choices = question_column(row, "question"), texts_column(row, "choices")
    check_choices(choices)
    for number, choice in enumerate(choices, 1):
        if not choice.strip():
            problem = f"choice {number} is empty"
            raise BadQuestionError(problem, "write a text, or leave it out", "empty choice")
    if len(set(choices)) == 1:
        problem = f"its {len(choices)} choices are the same, so that any answer is right"
        hint = "correct it, or leave the question out"
        raise BadQuestionError(problem, hint, "same choices")
    answer = answer_column(row, "answer", len(choices))
    subject = row.get(_SUBJECT)
    if subject is not None and not isinstance(subject, str):
        problem = f'"{_SUBJECT}" is {kind_of(subject)}'
        raise BadQuestionError(problem, "write a text, or leave it out")
    return ChoiceQuestion(text, choices, answer, (subject or "").strip() or None, row)


def _read_mapped(row: Row, fields: Mapping[str, str]) -> ChoiceQuestion:
    try:
        question = _read(mapped_parts(_PARTS, fields, row))
    except BadQuestionError as fault:
        problem = with_own_names(fault.problem, fields)
        raise BadQuestionError(problem, fault.hint, fault.cause) from None
    return replace(question, row=row)


def _header(question: ChoiceQuestion, kind: str) -> str:
    if question.subject is None:
        return ""
    return (
        f"The following are {kind} (with answers) about {question.subject.replace('_', ' ')}.\n\n"
    )


def _with_letters(question: ChoiceQuestion) -> str:
    return lettered(question.text.strip(), question.choices)


def _alone(question: ChoiceQuestion) -> str:
    return questioned(question.text.strip())


LETTERS_MODE: Final = FollowingForm(
    name="letters",
    columns=_NEEDED,
    read=_read,
    write=_with_letters,
    answers=letters_of,
    header=partial(_header, kind="multiple choice questions"),
    draw=Draw.FIRST_OF_SUBJECT,
    shots_split=_DEV,
    category=_SUBJECT,
)
CONTINUATION_MODE: Final = FollowingForm(
    name="continuation",
    columns=_NEEDED,
    read=_read,
    write=_alone,
    header=partial(_header, kind="questions"),
    draw=Draw.FIRST_OF_SUBJECT,
    shots_split=_DEV,
    category=_SUBJECT,
)
