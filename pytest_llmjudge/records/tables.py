"""Reads tables of text, CSV and TSV, into records."""

from __future__ import annotations

import csv
import re
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from pytest_llmjudge.errors import RecordsError
from pytest_llmjudge.records.json_values import check_size, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["read_csv"]

_FIELD_LIMIT: Final = 1 << 24
"""Characters of a field; a book has a million."""
_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_DELIMITERS: Final = ",;\t|"
_INTEGER: Final = re.compile(r"\s*[+-]?\d{1,9}\s*")
_SHOWN: Final = 3


def read_csv(name: str, text: str, delimiter: str) -> tuple[list[int], list[dict[str, Any]]]:
    """Read a table whose first line names its columns, as RFC 4180 has it.

    Args:
        name: Of the file.
        text: Of the file.
        delimiter: What stands between two fields, unless the first line has more columns by
            another.

    Returns:
        The line where each row begins, and the rows. An empty ``id`` or ``human_score`` is null, a
        whole number as ``human_score`` is one; all else is text.

    Raises:
        RecordsError: It is no such table.
    """
    _check_lines(name, text)
    header = next(line for line in _lines(text) if line.strip())
    numbers: list[int] = []
    rows: list[list[str]] = []
    before = count = 0
    with _field_limit():
        delimiter = max(delimiter + _DELIMITERS, key=lambda one: _width(header, one))
        reader = csv.reader(_lines(text), delimiter=delimiter, strict=True)
        try:
            for row in reader:
                # Spreadsheets write rows of commas below the last one.
                if any(map(str.strip, row)):
                    numbers.append(before + 1)
                    rows.append(row)
                    count += len(row)
                    check_size(name, len(rows) - 1, count)
                before = reader.line_num
        except csv.Error as error:
            raise _csv_error(name, before + 1, str(error)) from None
    if not rows:
        raise RecordsError(name, "it is empty", "add records or name another file")
    columns = [column.strip() for column in rows[0]]
    _check_columns(name, columns)
    _check_widths(name, columns, numbers, rows)
    return numbers[1:], [_record(columns, row) for row in rows[1:]]


def _width(header: str, delimiter: str) -> int:
    return len(next(csv.reader([header], delimiter=delimiter)))


def _lines(text: str) -> Iterator[str]:
    return (line[0] for line in _LINE.finditer(text))


def _check_lines(name: str, text: str) -> None:
    """Refuse a line that no field could need, before it is copied, and one with a NUL character.

    Python 3.10 reads no CSV with one.
    """
    place = text.find("\0")
    if place >= 0:
        line = text.count("\n", 0, place) + 1
        where = f"{name}: line {line}"
        raise RecordsError(where, "it holds a NUL character", "remove it")
    start, number = 0, 1
    while (end := text.find("\n", start)) >= 0 or len(text) - start > _FIELD_LIMIT:
        if (end if end >= 0 else len(text)) - start > _FIELD_LIMIT:
            problem = f"it has more than {_FIELD_LIMIT:,} characters"
            where = f"{name}: line {number}"
            raise RecordsError(where, problem, "leave the record out")
        start, number = end + 1, number + 1


@contextmanager
def _field_limit() -> Iterator[None]:
    """Let the csv module take long fields, as other formats do; its limit is one of the process."""
    before = csv.field_size_limit(_FIELD_LIMIT)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _csv_error(name: str, line: int, message: str) -> RecordsError:
    where = f"{name}: line {line}"
    if message.startswith("field larger"):
        problem = f"it has a field of more than {_FIELD_LIMIT:,} characters"
        return RecordsError(
            where, problem, "close the quotes of the field, or leave the record out"
        )
    if message.startswith("unexpected end"):
        return RecordsError(
            where, "its quotes are never closed", "write a quote within a field twice"
        )
    problem = f"it is no line of a table ({message})"
    return RecordsError(where, problem, "quote the field, and write a quote within it twice")


def _check_columns(name: str, columns: Sequence[str]) -> None:
    again = [column for column, count in Counter(columns).items() if count > 1]
    if again:
        problem = f"its first line has the column {listed(again)} more than once"
        raise RecordsError(name, problem, "the first line names the columns, each once")


def _check_widths(
    name: str, columns: Sequence[str], numbers: Sequence[int], rows: Sequence[Sequence[str]]
) -> None:
    wrong = [number for number, row in zip(numbers, rows, strict=True) if len(row) != len(columns)]
    if wrong:
        shown = ", ".join(map(str, wrong[:_SHOWN]))
        more = f" and {len(wrong) - _SHOWN} others" if len(wrong) > _SHOWN else ""
        problem = f"not as many fields as the {len(columns)} columns of the first line"
        where = f"{name}: line{'s' * (len(wrong) > 1)} {shown}{more}"
        raise RecordsError(where, problem, "quote each field that has a comma or a line break")


def _record(columns: Sequence[str], row: Sequence[str]) -> dict[str, Any]:
    value: dict[str, Any] = dict(zip(columns, row, strict=True))
    for column in ("id", "human_score"):
        text = value.get(column)
        if text is not None and not text.strip():
            value[column] = None
        elif text is not None and column == "human_score" and _INTEGER.fullmatch(text):
            value[column] = int(text)
    return value
