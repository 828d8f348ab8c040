"""Reads what responses are judged by: a text, a rubric, or several of them by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from pytest_llmjudge.data import Criterion
from pytest_llmjudge.errors import one_line

__all__ = ["BadCriteriaError", "read_criteria"]

_FORMS: Final = (
    'write a text, a rubric such as {"0": "…", "100": "…"}, or texts by name such as '
    '{"correct": "…", "polite": "…"}'
)
_LEVEL: Final = re.compile(r"\d{1,3}")
_HIGHEST: Final = 100
_LONGEST_NAME: Final = 60


class BadCriteriaError(Exception):
    """What is wrong with criteria.

    Args:
        problem: What is wrong.
        hint: What to do.
    """

    def __init__(self, problem: str, hint: str = _FORMS) -> None:
        super().__init__(problem, hint)
        self.problem = problem
        self.hint = hint


def read_criteria(value: object) -> tuple[Criterion, ...]:
    """Read criteria as a marker or a record has them.

    A mapping whose keys are numbers from 0 to 100 is a rubric, any other has a criterion for each
    name: a text or a rubric.

    Args:
        value: Whatever stands there.

    Raises:
        BadCriteriaError: They cannot be used.
    """
    value = _without_null(value)
    if not isinstance(value, Mapping) or _is_rubric(value, "it"):
        return (Criterion("", _text_of(value, "it")),)
    if not value:
        problem = "it is empty"
        raise BadCriteriaError(problem)
    return tuple(
        Criterion(_name_of(name), _text_of(one, f'"{one_line(str(name), 40)}"'))
        for name, one in value.items()
    )


def _without_null(value: object) -> object:
    """Leave out what is null: tables have the keys of all rows in each of them."""
    if not isinstance(value, Mapping) or all(part is None for part in value.values()):
        return value
    return {key: part for key, part in value.items() if part is not None}


def _is_rubric(value: Mapping[object, object], where: str) -> bool:
    levels = [_LEVEL.fullmatch(str(key)) is not None for key in value]
    if any(levels) and not all(levels):
        problem = f"{where} has both scores and names for keys"
        raise BadCriteriaError(problem)
    return any(levels)


def _name_of(name: object) -> str:
    shown = f'"{one_line(str(name), 40)}"'
    if not isinstance(name, str) or len(name) > _LONGEST_NAME or not name.isprintable():
        problem = f"{shown} is no name of a criterion"
        raise BadCriteriaError(problem, f"take one line of at most {_LONGEST_NAME} characters")
    if not name or name != name.strip():
        problem = f"{shown} is no name of a criterion"
        raise BadCriteriaError(problem, "leave out the blanks around it, or give it a name")
    return name


def _text_of(value: object, where: str) -> str:
    value = _without_null(value)
    if isinstance(value, Mapping) and value and _is_rubric(value, where):
        return _rubric_text(value, where)
    if not isinstance(value, str):
        problem = f"{where} is neither a text nor a rubric"
        raise BadCriteriaError(problem)
    if not value.strip():
        problem = f"{where} is empty"
        raise BadCriteriaError(problem)
    if "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
        problem = f"{where} holds a NUL character or half a surrogate pair"
        raise BadCriteriaError(problem, "write the text again as UTF-8")
    return value.strip()


def _rubric_text(value: Mapping[object, object], where: str) -> str:
    levels = {int(str(key)): text for key, text in value.items()}
    if max(levels) != _HIGHEST or len(levels) < len(value) or len(levels) == 1:
        problem = f"{where} is a rubric for {one_line(', '.join(map(str, value)), 60)}"
        raise BadCriteriaError(problem, "describe different scores from 0 to 100, the best one too")
    return "\n".join(f"{level}: {_text_of(levels[level], where)}" for level in sorted(levels))
