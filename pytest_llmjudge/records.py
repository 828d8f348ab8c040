"""Records file to records: read, validate, name."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import re
import unicodedata
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_llmjudge.data import Record
from pytest_llmjudge.errors import RecordsError, one_line
from pytest_llmjudge.reading import DATA_LIMIT, is_too_deep, read_file, why_unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

__all__ = ["GATES", "draw_sample", "is_plain", "load_records", "record_id"]

GATES = ("judge-check", "average", "baseline", "win-rate")
SHOWN_PROBLEMS = 20
_TEXTS = ("id", "instruction", "input", "output", "model_response")
_NEEDED_BECAUSE = {
    "instruction": "every record needs an instruction",
    "output": "every record needs a reference answer",
}
_KINDS = {
    str: "a string",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


class _Raw(NamedTuple):
    """A record as it stands in the file, with the words that name its place there."""

    place: str
    value: Any


def load_records(
    path: Path, *, response_field: str | None = None, against_field: str | None = None
) -> tuple[Record, ...]:
    """Read a records file: a JSON array, or JSON Lines when its name ends in ``.jsonl``.

    Args:
        path: The file, UTF-8 with or without a byte order mark.
        response_field: A field that must hold a string in every record, named by ``responses=``.
        against_field: The same, named by ``against=``.

    Raises:
        RecordsError: With every problem of the file, the first 20 told in full.
    """
    name = path.name
    raws = list(_read(path))
    if not raws:
        raise RecordsError(name, "it holds no record", "add records or name another file")
    places: dict[str, str] = {}
    named = {"responses": response_field, "against": against_field}
    needed = {keyword: field for keyword, field in named.items() if field is not None}
    problems = [
        problem
        for raw in raws
        for problem in (*_problems(name, raw, needed), *_duplicates(name, raw, places))
    ]
    if problems:
        first, *more = problems[:SHOWN_PROBLEMS]
        left = len(problems) - 1 - len(more)
        raise RecordsError(first.where, first.found, first.todo, more=tuple(more), left=left)
    return tuple(_named([raw.value for raw in raws]))


def draw_sample(records: Sequence[Record], size: int | None) -> tuple[Record, ...]:
    """Draw ``size`` records that stay the same when other records come or go, in file order."""
    if size is None or size >= len(records):
        return tuple(records)
    ranked = sorted(records, key=lambda record: _digest(f"sample {record.id}"))
    drawn = {record.id for record in ranked[:size]}
    return tuple(record for record in records if record.id in drawn)


def record_id(instruction: str, context: str, output: str) -> str:
    """Name a record after its content: a slug of the instruction and a hash of all three."""
    text = instruction
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    slug = _NO_SLUG.sub("-", text.lower()).strip("-")[:40].strip("-")
    digest = _digest(_CANONICAL.encode([instruction, context, output]))[:8]
    return f"{slug}-{digest}" if slug else digest


_NO_SLUG = re.compile(r"[^a-z0-9]+")
_CANONICAL = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _read(path: Path) -> Iterator[_Raw]:
    name = path.name
    try:
        text = read_file(path, DATA_LIMIT).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"it is not UTF-8 (byte {error.start + 1})"
        raise RecordsError(name, found, "save it as UTF-8") from None
    except OSError as error:
        found = why_unreadable(error)
        raise RecordsError(str(path), found, "check the path and its permissions") from None
    if not text.strip():
        raise RecordsError(name, "it is empty", "add records or name another file")
    if path.suffix.lower() == ".jsonl":
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield _Raw(f"line {number}", _parse(f"{name}: line {number}", line))
        return
    values = _parse(name, text)
    if not isinstance(values, list):
        todo = "a records file is a list of objects; for one object a line, name it .jsonl"
        raise RecordsError(name, f"it holds {_kind(values)} instead of a list", todo)
    for number, value in enumerate(values, 1):
        yield _Raw(f"record {number}", value)


def _parse(where: str, text: str) -> object:
    try:
        value = json.loads(text, parse_constant=_finite, parse_float=_finite)
        if is_too_deep(value):
            raise RecursionError
        return value
    except _NotFiniteError as error:
        found = f"it holds {one_line(str(error), 40)}, which is no number of JSON's"
        raise RecordsError(where, found, "write a finite number or null") from None
    except json.JSONDecodeError as error:
        place = f"{error.msg}, line {error.lineno} column {error.colno}"
        raise RecordsError(where, f"it is not JSON ({place})", "correct it there") from None
    except RecursionError:
        raise RecordsError(where, "it is nested too deeply", "a record is a flat object") from None
    except ValueError:
        # Python refuses to read integers of more than 4,300 digits.
        raise RecordsError(
            where, "it holds a number of thousands of digits", "correct it"
        ) from None


class _NotFiniteError(ValueError):
    """A number that no other program could read back."""


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _NotFiniteError(text)
    return value


def _problems(name: str, raw: _Raw, needed: Mapping[str, str]) -> Iterator[RecordsError]:
    where = f"{name}: {raw.place}"
    value = raw.value
    if not is_plain(value):
        for error in _validator().iter_errors(value):
            yield _told(where, error)
    if not isinstance(value, dict):
        return
    for field in dict.fromkeys((*_TEXTS, *needed.values())):
        text = value.get(field)
        # Nearly all texts are plain, and there may be many.
        if isinstance(text, str) and not (text.isascii() and "\0" not in text):
            yield from _bad_characters(f"{where}: {field}", text)
    for keyword, field in needed.items():
        if not isinstance(value.get(field), str):
            yield _without_response(where, value, keyword, field)
    identifier = value.get("id")
    if isinstance(identifier, str) and identifier in GATES:
        found = f'"id" is "{identifier}", the name of a gate'
        yield RecordsError(where, found, "give the record another id")


def _without_response(where: str, value: dict[str, Any], keyword: str, field: str) -> RecordsError:
    found = f'"{field}" is missing'
    if field in value:
        found = f'"{field}" is {_kind(value[field])}'
    return RecordsError(where, found, f'{keyword}="{field}" needs a string there in every record')


def is_plain(value: object) -> bool:
    """Tell at a glance that a record is good, as nearly all are; the schema judges the others.

    For a large file the schema takes as long as all else that pytest does to collect it.
    """
    return (
        isinstance(value, dict)
        and "human_score" not in value
        and all(type(value.get(field, "")) is str for field in _TEXTS)
        and all(value.get(field, "").strip() for field in _NEEDED_BECAUSE)
        and ("id" not in value or bool(value["id"].strip()))
    )


@functools.cache
def _validator() -> Draft202012Validator:
    import jsonschema

    schema = resources.files("pytest_llmjudge").joinpath("schemas/record.json").read_bytes()
    return jsonschema.Draft202012Validator(json.loads(schema))


def _told(where: str, error: ValidationError) -> RecordsError:
    if error.validator == "required":
        field = next(key for key in _NEEDED_BECAUSE if f"'{key}'" in error.message)
        return RecordsError(where, f'"{field}" is missing', _NEEDED_BECAUSE[field])
    if not error.absolute_path:
        return RecordsError(where, f"it is {_kind(error.instance)}", "a record is an object")
    field = str(error.absolute_path[0])
    if field == "human_score":
        found = f'"{field}" is {one_line(json.dumps(error.instance), 40)}'
        return RecordsError(where, found, "it must be an integer from 0 to 100")
    if error.validator == "type":
        return RecordsError(where, f'"{field}" is {_kind(error.instance)}', "it must be a string")
    todo = _NEEDED_BECAUSE.get(field, "give it a value or leave it out")
    return RecordsError(where, f'"{field}" is empty', todo)


def _bad_characters(where: str, text: str) -> Iterator[RecordsError]:
    if "\0" in text:
        yield RecordsError(where, "it holds a NUL character", "remove it")
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        found = f"it holds half a surrogate pair (character {error.start + 1})"
        yield RecordsError(where, found, "write the text again as UTF-8")


def _duplicates(name: str, raw: _Raw, first: dict[str, str]) -> Iterator[RecordsError]:
    """Tell of an id that is taken; ``first`` keeps where each id stood first."""
    identifier = raw.value.get("id") if isinstance(raw.value, dict) else None
    if not isinstance(identifier, str) or not identifier.strip():
        return
    if identifier in first:
        found = f'"id" is "{one_line(identifier, 60)}", as in {first[identifier]}'
        yield RecordsError(f"{name}: {raw.place}", found, "ids must differ within a file")
    first.setdefault(identifier, raw.place)


def _named(values: Iterable[dict[str, Any]]) -> Iterator[Record]:
    values = list(values)
    taken = {value["id"] for value in values if "id" in value}
    counts: dict[str, int] = {}
    for value in values:
        texts = (value["instruction"], value.get("input", ""), value["output"])
        identifier = value.get("id")
        if identifier is None:
            base = record_id(*texts)
            while identifier is None or identifier in taken:
                counts[base] = counts.get(base, 0) + 1
                identifier = base if counts[base] == 1 else f"{base}-{counts[base]}"
        yield Record(identifier, *texts, fields=value)


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "something else")
