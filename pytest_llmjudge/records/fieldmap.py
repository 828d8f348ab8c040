"""Which field of a file is which part of a record, as ``fields=`` says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pytest_llmjudge.errors import RecordsError, one_line
from pytest_llmjudge.records.conversations import CRITERIA
from pytest_llmjudge.records.formats import ALPACA, MESSAGES, PROMPT
from pytest_llmjudge.records.json_values import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmjudge.records.formats import Format

__all__ = [
    "field_at",
    "has_field",
    "mapped",
    "mapped_parts",
    "mapping_format",
    "with_own_names",
]

Value = dict[str, Any]

_OPTIONAL: Final = ("system", "id", "group", CRITERIA)
_KINDS: Final = (
    (ALPACA, (*ALPACA.needs, "input", "history", *_OPTIONAL)),
    (MESSAGES, (*MESSAGES.needs, *_OPTIONAL)),
    (PROMPT, (*PROMPT.needs, *_OPTIONAL)),
)
"""What ``fields=`` may name, for each format that it can choose."""


def mapping_format(name: str, fields: Mapping[str, str]) -> Format:
    """Return the format that ``fields=`` chooses.

    Raises:
        RecordsError: It names no part of a record, or parts of different formats.
    """
    for one, parts in _KINDS:
        if set(fields) <= set(parts):
            return one
    known = list(dict.fromkeys(part for _, parts in _KINDS for part in parts))
    unknown = [part for part in fields if part not in known]
    if unknown:
        problem = f'fields= has "{one_line(unknown[0], 40)}", which is no part of a record'
        raise RecordsError(name, problem, f"name {', '.join(known[:-1])} or {known[-1]}")
    problem = f"fields= has {listed(fields)}, which are parts of different formats"
    hint = "give instruction and output, messages, or prompt and completion"
    raise RecordsError(name, problem, hint)


def mapped(chosen: Format, fields: Mapping[str, str], value: Value) -> Value:
    """Return a record with the names that its format has; see :func:`mapped_parts`."""
    (parts,) = (parts for one, parts in _KINDS if one is chosen)
    return mapped_parts(parts, fields, value)


def mapped_parts(
    parts: Sequence[str], fields: Mapping[str, str], value: Mapping[str, Any]
) -> Value:
    """Return a row of a file with the names that its parts have.

    Args:
        parts: The names.
        fields: Which field each part is, as ``fields=`` has it; a dotted path reaches into objects,
            and into lists by a number. A part that is not named is the field of its own name,
            unless that is named for another part.
        value: The row as it stands in the file.
    """
    used = {path if path in value else path.partition(".")[0] for path in fields.values()}
    view = {part: value[part] for part in parts if part in value and part not in used}
    for part, path in fields.items():
        inside = _at(value, path)
        if inside is not _NOTHING:
            view[part] = inside
        else:
            view.pop(part, None)
    return view


def with_own_names(problem: str, fields: Mapping[str, str]) -> str:
    """Name parts in a message as the file does.

    Args:
        problem: It has the names of parts in quotation marks.
        fields: Which field each part is.
    """
    return _QUOTED.sub(lambda part: f'"{fields.get(part[1], part[1])}"', problem)


def has_field(value: Mapping[str, Any], path: str) -> bool:
    """Say whether a record has a field, by its name or a dotted path."""
    return _at(value, path) is not _NOTHING


def field_at(value: Mapping[str, Any], path: str) -> object:
    """Return a field of a record, by its name or a dotted path; ``None`` where it has none."""
    inside = _at(value, path)
    return None if inside is _NOTHING else inside


_NOTHING: Final = object()
_QUOTED: Final = re.compile(r'"([a-z]+)"')
_INDEX: Final = re.compile(r"\d{1,9}")


def _at(value: Mapping[str, Any], path: str) -> object:
    if path in value:
        return value[path]
    inside: object = value
    for key in path.split("."):
        if isinstance(inside, dict) and key in inside:
            inside = inside[key]
        elif isinstance(inside, list) and _INDEX.fullmatch(key) and int(key) < len(inside):
            inside = inside[int(key)]
        else:
            return _NOTHING
    return inside
