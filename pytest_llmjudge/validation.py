"""Checks the values of a records file, and says what is wrong in one line for each cause."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_llmjudge.errors import RecordsError, one_line
from pytest_llmjudge.recordsfile import NotFinite, Repeated, kind_of, listed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

    from pytest_llmjudge.recordsfile import Content

__all__ = ["check", "is_plain"]

_SHOWN_CAUSES: Final = 20
_OPTIONAL: Final = ("id", "input", "model_response")
_NEEDED: Final = {
    "instruction": "every record needs an instruction",
    "output": "every record needs a reference answer",
}
_TEXTS: Final = (*_NEEDED, *_OPTIONAL)
_TEXT_OR_NULL: Final = (str, type(None))


class Problem(NamedTuple):
    """What is wrong with one record.

    Attributes:
        number: Of the record, as its file counts.
        text: What is wrong.
        hint: What to do.
        field: Which of its texts is wrong; empty where ``text`` names it.
        cause: What other records share whose ``text`` differs; empty for ``text`` itself.
        fields: Names of the record's fields, where it lacks one that it needs.
    """

    number: int
    text: str
    hint: str
    field: str = ""
    cause: str = ""
    fields: tuple[str, ...] = ()


def check(
    name: str, content: Content, needed: Mapping[str, str], gates: Collection[str] = ()
) -> None:
    """Check all records of a file.

    Args:
        name: Of the file.
        content: Of the file.
        needed: Fields that must hold a string in every record, by the keyword that names them.
        gates: Names that no record may have as its id.

    Raises:
        RecordsError: With all causes, the first 20 in full.
    """
    ids: dict[str, str] = {}
    problems: list[Problem] = []
    for number, value in zip(content.numbers, content.values, strict=True):
        if content.is_odd and isinstance(value, dict):
            problems += _oddities(number, value, needed)
        problems += _problems(number, value, needed, gates)
        problems += _taken(number, value, f"{content.unit} {number}", ids)
    if problems:
        first, *others = _by_cause(name, content, problems)
        more = others[: _SHOWN_CAUSES - 1]
        left = len(others) - len(more)
        raise RecordsError(first.where, first.problem, first.hint, more=tuple(more), left=left)


def _by_cause(name: str, content: Content, problems: Iterable[Problem]) -> list[RecordsError]:
    groups: dict[tuple[str, ...], list[Problem]] = {}
    for problem in problems:
        key = (problem.field, problem.cause or problem.text, problem.hint)
        groups.setdefault(key, []).append(problem)
    return [_error_of(name, content, group) for group in groups.values()]


def _error_of(name: str, content: Content, group: Sequence[Problem]) -> RecordsError:
    first = group[0]
    where = f"{name}: {_places(content, group)}"
    if first.field:
        where = f"{where}: {first.field}"
    problem, hint = first.text, first.hint
    if len(group) > 1 and first.fields:
        fields = dict.fromkeys(field for one in group for field in one.fields)
        problem = f"{problem}, the fields are {listed(fields)}"
    if first.fields and 1 < len(group) == len(content.values):
        hint = f"{hint}, so convert the file"
    return RecordsError(where, problem, hint)


def _places(content: Content, group: Sequence[Problem]) -> str:
    unit, numbers = content.unit, list(dict.fromkeys(problem.number for problem in group))
    first, *others = numbers
    if not others:
        return f"{unit} {first}"
    if len({problem.text for problem in group}) > 1:
        return f"{unit} {first} and {len(others)} other{'s' * (len(others) > 1)} like it"
    if len(numbers) == len(content.values) > 2:
        return f"all {len(numbers)} records"
    if len(numbers) > 3:
        return f"{unit}s {first}, {others[0]} and {len(others) - 1} others"
    return f"{unit}s {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def _problems(
    number: int, value: object, needed: Mapping[str, str], gates: Collection[str]
) -> Iterator[Problem]:
    if not is_plain(value):
        yield from _beside_schema(number, value)
    if not isinstance(value, dict):
        return
    for field in dict.fromkeys((*_TEXTS, *needed.values())):
        text = value.get(field)
        # Nearly all texts are plain, and there may be many.
        if isinstance(text, str) and not (text.isascii() and "\0" not in text):
            yield from _bad_characters(number, field, text)
    for keyword, field in needed.items():
        if not isinstance(value.get(field), str):
            problem = f'"{field}" is missing'
            if field in value:
                problem = f'"{field}" is {kind_of(value[field])}'
            hint = f'{keyword}="{field}" needs a string there in every record'
            yield Problem(number, problem, hint)
    identifier = value.get("id")
    if isinstance(identifier, str) and identifier in gates:
        problem = f'"id" is "{identifier}", the name of a gate'
        yield Problem(number, problem, "give the record another id")


def is_plain(value: object) -> bool:
    """Tell at a glance that a record is good, as nearly all are; the schema judges the others.

    For a large file the schema takes as long as all else that pytest does to collect it.
    """
    return (
        isinstance(value, dict)
        and "human_score" not in value
        and all(type(value.get(field)) in _TEXT_OR_NULL for field in _OPTIONAL)
        and all(type(value.get(field)) is str and value[field].strip() for field in _NEEDED)
        and (value.get("id") is None or bool(value["id"].strip()))
    )


@functools.cache
def _validator() -> Draft202012Validator:
    import jsonschema

    schema = resources.files("pytest_llmjudge").joinpath("schemas/record.json").read_bytes()
    return jsonschema.Draft202012Validator(json.loads(schema))


def _beside_schema(number: int, value: object) -> Iterator[Problem]:
    if isinstance(value, dict):
        missing = [field for field in _NEEDED if field not in value]
        fields = tuple(value)
        if len(missing) == 2:
            problem, hint = '"instruction" and "output" are missing', "every record needs both"
            yield Problem(number, problem, hint, fields=fields)
        elif missing:
            problem, hint = f'"{missing[0]}" is missing', _NEEDED[missing[0]]
            yield Problem(number, problem, hint, fields=fields)
    for error in _validator().iter_errors(value):
        # Missing fields are reported above, and a record's own numbers by _oddities().
        is_whole = not error.absolute_path
        is_odd = isinstance(error.instance, NotFinite) and not is_whole
        if error.validator != "required" and not is_odd:
            yield _of_schema(number, error)


def _of_schema(number: int, error: ValidationError) -> Problem:
    if not error.absolute_path:
        return Problem(number, f"it is {kind_of(error.instance)}", "a record is an object")
    field = str(error.absolute_path[0])
    if field == "human_score":
        problem = f'"{field}" is {one_line(json.dumps(error.instance), 40)}'
        hint = "it must be an integer from 0 to 100"
        return Problem(number, problem, hint, cause=field)
    if error.validator == "type":
        problem, hint = f'"{field}" is {kind_of(error.instance)}', "it must be a string"
        return Problem(number, problem, _NEEDED[field] if error.instance is None else hint)
    hint = _NEEDED.get(field, "give it a value or leave it out")
    return Problem(number, f'"{field}" is empty', hint)


def _bad_characters(number: int, field: str, text: str) -> Iterator[Problem]:
    if "\0" in text:
        yield Problem(number, "it holds a NUL character", "remove it", field)
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        problem = f"it holds half a surrogate pair (character {error.start + 1})"
        yield Problem(number, problem, "write the text again as UTF-8", field, cause="surrogate")


def _taken(number: int, value: object, place: str, first: dict[str, str]) -> Iterator[Problem]:
    """Report an id that is taken; ``first`` keeps where each id stood first."""
    identifier = value.get("id") if isinstance(value, dict) else None
    if not isinstance(identifier, str) or not identifier.strip():
        return
    if identifier in first:
        problem = f'"id" is "{one_line(identifier, 60)}", as in {first[identifier]}'
        yield Problem(number, problem, "ids must differ within a file", cause="taken")
    first.setdefault(identifier, place)


def _oddities(number: int, value: dict[str, Any], needed: Mapping[str, str]) -> Iterator[Problem]:
    """Find keys that an object has more than once, and numbers that JSON lacks, at any depth."""
    # The list grows while it is read: a file may be nested too deeply for a recursion.
    inside: list[tuple[str, object]] = [("", value)]
    for field, part in inside:
        holder = f'"{one_line(field, 40)}"' if field else "it"
        if isinstance(part, Repeated):
            problem = f"{holder} has {listed(part.again)} more than once"
            yield Problem(number, problem, "keep one of them")
        if isinstance(part, dict):
            inside += [(field or key, inner) for key, inner in part.items()]
        elif isinstance(part, list):
            inside += [(field, inner) for inner in part]
        elif isinstance(part, NotFinite):
            is_whole = value[field] is part
            if is_whole and field in needed.values():
                continue  # _problems() says so
            problem = (
                f"{holder} {'is' if is_whole else 'holds'} {part.text}, which JSON does not have"
            )
            is_needed = is_whole and field in _NEEDED
            hint = _NEEDED[field] if is_needed else "leave it out or write null"
            yield Problem(number, problem, hint)
