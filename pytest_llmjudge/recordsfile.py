"""Reads a records file, a JSON list or JSON Lines, into values that nobody has checked yet."""

from __future__ import annotations

import csv
import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_llmjudge.errors import RecordsError, one_line
from pytest_llmjudge.paths import POINTER, PULL, is_pointer
from pytest_llmjudge.reading import DATA_LIMIT, is_too_deep, read_file, why_unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Content", "NotFinite", "Repeated", "kind_of", "listed", "read_content"]

_CONVERT: Final = "convert it to a JSON list or to JSON Lines, the only formats that are read"
_SHOWN_FIELDS: Final = 8
_START: Final = re.compile(r"\s*(\S)")


@dataclass(frozen=True, slots=True)
class Content:
    """What a records file holds.

    Attributes:
        unit: What ``numbers`` count: ``record`` of a list, or ``line`` of JSON Lines.
        numbers: Where each value stands, from 1.
        values: The records, unless the file is wrong.
        is_odd: Whether a :class:`NotFinite` or a :class:`Repeated` is somewhere in the values.
    """

    unit: str
    numbers: list[int]
    values: list[Any]
    is_odd: bool


@dataclass(frozen=True, slots=True)
class NotFinite:
    """NaN or an infinity: Python writes and reads them, but no other program has to."""

    text: str


class Repeated(dict[str, Any]):
    """An object with a key that it has more than once, of which programs take one or the other."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        keys = [key for key, _ in pairs]
        self.again = [key for key in self if keys.count(key) > 1]


def read_content(path: Path) -> Content:
    """Read a file as what it is, a list or JSON Lines, whichever of the two its name promises.

    Raises:
        RecordsError: It cannot be read, or is neither.
    """
    name, text = path.name, _read_text(path)
    decoder = _Decoder()
    if _are_lines(path, text):
        lines = {
            number: decoder.read(f"{name}: line {number}", line)
            for number, line in enumerate(text.split("\n"), 1)
            if line.strip()
        }
        content = Content("line", list(lines), list(lines.values()), decoder.is_odd)
        if len(lines) > 1 or path.suffix.lower() != ".json" or _is_record(*content.values):
            return content
        whole: object = content.values[0]
    else:
        whole = decoder.read(name, text)
    if not isinstance(whole, list):
        problem = f"it holds {kind_of(whole)} instead of a list"
        hint = "a records file is a list of objects, or has one object on each line"
        raise RecordsError(name, problem, hint)
    return Content("record", list(range(1, len(whole) + 1)), whole, decoder.is_odd)


def _read_text(path: Path) -> str:
    name = path.name
    try:
        content = read_file(path, DATA_LIMIT)
    except OSError as error:
        raise RecordsError(
            str(path), why_unreadable(error), "check the path and its permissions"
        ) from None
    if is_pointer(content):
        raise RecordsError(name, POINTER, PULL)
    if content.startswith(b"PAR1"):
        raise RecordsError(name, f"it is a Parquet file{_fields_of_parquet(path)}", _CONVERT)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"it is not UTF-8 (byte {error.start + 1})"
        raise RecordsError(name, problem, "save it as UTF-8") from None
    if not text.strip():
        raise RecordsError(name, "it is empty", "add records or name another file")
    kind = path.suffix.lower().removeprefix(".")
    if kind in ("csv", "tsv") and not _begins_with(text, "[{"):
        problem = f"it is a {kind.upper()} file{_fields_of_table(text, kind)}"
        raise RecordsError(name, problem, _CONVERT)
    return text


def _fields_of_parquet(path: Path) -> str:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        return ""
    try:
        return f" with the fields {listed(pq.read_schema(path).names)}"
    except (pa.ArrowException, OSError):
        return ""


def _fields_of_table(text: str, kind: str) -> str:
    try:
        header = next(csv.reader(text.splitlines(), delimiter="\t" if kind == "tsv" else ","))
    except (csv.Error, StopIteration):
        return ""
    return f" with the fields {listed(header)}"


def listed(names: Iterable[str]) -> str:
    """Quote the names of some fields, and count those beyond the first eight."""
    quoted = [f'"{one_line(name, 40)}"' for name in names]
    shown = quoted[:_SHOWN_FIELDS]
    if len(quoted) > len(shown):
        return f"{', '.join(shown)} and {len(quoted) - len(shown)} more"
    *most, last = shown or ["none"]
    return f"{', '.join(most)} and {last}" if most else last


def _are_lines(path: Path, text: str) -> bool:
    """Say whether a text is JSON Lines: then its first line is a whole object."""
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        return not _begins_with(text, "[")
    if not _begins_with(text, "{"):
        return False
    try:
        return isinstance(json.loads(text.lstrip().partition("\n")[0]), dict)
    except (ValueError, RecursionError):
        return False


def _begins_with(text: str, characters: str) -> bool:
    start = _START.match(text)
    return start is not None and start[1] in characters


def _is_record(value: object) -> bool:
    return isinstance(value, dict) and not value.keys().isdisjoint(("instruction", "output"))


class _Decoder:
    """Decodes JSON, and marks what other programs would read in another way."""

    def __init__(self) -> None:
        self.is_odd = False
        self._json = json.JSONDecoder(
            object_pairs_hook=self._object, parse_constant=self._number, parse_float=self._number
        )

    def read(self, where: str, text: str) -> object:
        try:
            value = self._json.decode(text)
            if is_too_deep(value):
                raise RecursionError
            return value
        except json.JSONDecodeError as error:
            place = f"{error.msg}, line {error.lineno} column {error.colno}"
            raise RecordsError(where, f"it is not JSON ({place})", "correct it there") from None
        except RecursionError:
            hint = "a record is a flat object"
            raise RecordsError(where, "it is nested too deeply", hint) from None
        except ValueError:
            # Python refuses to read integers of more than 4,300 digits.
            problem = "it holds a number of thousands of digits"
            raise RecordsError(where, problem, "correct it") from None

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        unique = dict(pairs)
        if len(unique) == len(pairs):
            return unique
        self.is_odd = True
        return Repeated(pairs)

    def _number(self, text: str) -> float | NotFinite:
        value = float(text)
        if math.isfinite(value):
            return value
        self.is_odd = True
        return NotFinite(one_line(text, 40))


_KINDS: Final = {
    str: "a string",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def kind_of(value: object) -> str:
    """Say what kind of JSON value it is, with its article."""
    return value.text if isinstance(value, NotFinite) else _KINDS.get(type(value), "an object")
