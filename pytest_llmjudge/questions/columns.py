"""Columns of a set's row: texts, lists of texts, and which choice is right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.errors import count_of, one_line
from pytest_llmjudge.questions.base import LETTERS, BadQuestionError
from pytest_llmjudge.records.json_values import kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.questions.base import Row

__all__ = [
    "answer_column",
    "any_column",
    "check_choices",
    "index_column",
    "inner_list",
    "inner_texts",
    "letter_column",
    "question_column",
    "text_column",
    "texts_column",
]

_UNLABELLED: Final = "take the validation split: the test split has no answers"
"""What to do about a split that says no answers."""
_TEXT: Final = "write a text"
_TEXTS: Final = "write a list of texts, in a table as JSON"
_MOST: Final = len(LETTERS)
_DIGITS: Final = 18
"""Of a text that is still taken for an index."""


def any_column(row: Row, column: str, name: str = "") -> object:
    """Return a column, whatever it holds.

    Args:
        row: A row, or an object in one.
        column: Its column.
        name: Of the column, for messages; empty for its own.

    Raises:
        BadQuestionError: There is none.
    """
    if column not in row:
        problem = f'"{name or column}" is missing'
        raise BadQuestionError(problem, "every question needs it")
    return row[column]


def text_column(row: Row, column: str) -> str:
    """Return a column that holds a text, which may be empty.

    Raises:
        BadQuestionError: It does not.
    """
    value = any_column(row, column)
    if not isinstance(value, str):
        raise BadQuestionError(_is_a(column, value), _TEXT)
    return value


def question_column(row: Row, column: str) -> str:
    """Return a column that holds a text that is not blank.

    Raises:
        BadQuestionError: It does not.
    """
    text = text_column(row, column)
    if not text.strip():
        problem = f'"{column}" is empty'
        raise BadQuestionError(problem, _TEXT)
    return text


def texts_column(row: Row, column: str) -> tuple[str, ...]:
    """Return a column that holds a list of texts; tables have it as JSON.

    Raises:
        BadQuestionError: It does not.
    """
    return _texts(column, _decoded(any_column(row, column)))


def inner_texts(row: Row, column: str, key: str) -> tuple[str, ...]:
    """Return a list of texts of an object in a column; tables have it as JSON.

    Raises:
        BadQuestionError: There is none.
    """
    return _texts(f"{column}.{key}", inner_list(row, column, key))


def inner_list(row: Row, column: str, key: str) -> list[object]:
    """Return a list of an object in a column; tables have it as JSON.

    Raises:
        BadQuestionError: There is none.
    """
    name = f"{column}.{key}"
    values = any_column(_object(row, column), key, name)
    if not isinstance(values, list):
        raise BadQuestionError(_is_a(name, values), "write a list")
    return values


def check_choices(choices: Sequence[object]) -> None:
    """Prove that a question has as many choices as there are letters for.

    Raises:
        BadQuestionError: It has not.
    """
    if not 2 <= len(choices) <= _MOST:
        problem = f"it has {count_of(len(choices), 'choice')}"
        raise BadQuestionError(problem, f"a question has 2 to {_MOST}", "number of choices")


def index_column(row: Row, column: str, count: int, first: int = 0) -> int:
    """Return a column that holds the number of the right choice, as its index.

    Args:
        row: A row of a set whose test split says no answers.
        column: Its column.
        count: How many choices there are.
        first: The number of the first one.

    Raises:
        BadQuestionError: It holds no such number.
    """
    value = any_column(row, column)
    number = _whole_number(value)
    if number == -1 or value in ("", None):
        problem = f'"{column}" says no answer'
        raise BadQuestionError(problem, _UNLABELLED)
    if number is None or not first <= number < first + count:
        wanted = f"an index from 0 to {count - 1}"
        if first:
            wanted = f"a number from {first} to {first + count - 1}"
        raise _outside(column, value, count, wanted)
    return number - first


def letter_column(row: Row, column: str, count: int) -> int:
    """Return a column that holds the letter of the right choice, as its index.

    Raises:
        BadQuestionError: It holds no letter of a choice.
    """
    value = any_column(row, column)
    index = _letter(value)
    if index is None or index >= count:
        raise _outside(column, value, count, f"a letter from A to {LETTERS[count - 1]}")
    return index


def answer_column(row: Row, column: str, count: int) -> int:
    """Return a column that holds the letter or the index of the right choice, as its index.

    Raises:
        BadQuestionError: It holds neither.
    """
    value = any_column(row, column)
    letter = _letter(value)
    index = _whole_number(value) if letter is None else letter
    if index is None or not 0 <= index < count:
        hint = f"an index from 0 to {count - 1} or a letter from A to {LETTERS[count - 1]}"
        raise _outside(column, value, count, hint)
    return index


def _letter(value: object) -> int | None:
    if not isinstance(value, str) or len(value) != 1 or value not in LETTERS:
        return None
    return LETTERS.index(value)


def _whole_number(value: object) -> int | None:
    """Return a whole number, which tables have as a text or a float; ``None`` for anything else."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if type(value) is int:
        return value
    if isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit():
        return int(value) if len(value) <= _DIGITS else None
    return None


def _outside(column: str, value: object, count: int, wanted: str) -> BadQuestionError:
    if isinstance(value, str):
        shown = f'"{one_line(value, 40)}"'
    else:
        shown = str(value) if _whole_number(value) is not None else kind_of(value)
    problem = f'"{column}" is {one_line(shown, 60)}, which is none of the {count} choices'
    return BadQuestionError(problem, f"write {wanted}", f"{column} outside")


def _is_a(name: str, value: object) -> str:
    return f'"{name}" is {kind_of(value)}'


def _decoded(value: object) -> object:
    if isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _object(row: Row, column: str) -> Row:
    value = _decoded(any_column(row, column))
    if not isinstance(value, dict):
        raise BadQuestionError(_is_a(column, value), "write an object")
    return value


def _texts(name: str, values: object) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise BadQuestionError(_is_a(name, values), _TEXTS)
    for value in values:
        if not isinstance(value, str):
            problem = f'"{name}" holds {kind_of(value)}'
            raise BadQuestionError(problem, _TEXTS)
    return tuple(values)
