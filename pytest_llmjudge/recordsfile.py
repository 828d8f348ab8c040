"""Reads a records file, whatever its type, into values that nobody has checked yet."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from pytest_llmjudge.arrow_files import read_parquet
from pytest_llmjudge.dataset_folders import data_files, is_dataset, read_dataset
from pytest_llmjudge.errors import RecordsError
from pytest_llmjudge.formats import fits_any
from pytest_llmjudge.json_values import Decoder, check_size, kind_of
from pytest_llmjudge.paths import HEAD, POINTER, PULL, is_pointer
from pytest_llmjudge.reading import (
    DATA_LIMIT,
    open_file,
    read_file,
    read_stream,
    why_unreadable,
)
from pytest_llmjudge.splits import check_no_split, choose_split
from pytest_llmjudge.tables import read_csv
from pytest_llmjudge.unpacking import unpacked

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Content", "path_digest", "read_content"]

_LINES: Final = (".jsonl", ".ndjson")
_TABLES: Final = {".csv": ",", ".tsv": "\t"}
_START: Final = re.compile(r"\s*(\S)")
_NO_LIST: Final = "a records file is a list of objects, or has one object on each line"


@dataclass(frozen=True, slots=True)
class Content:
    """What a records file holds.

    Attributes:
        unit: What ``numbers`` count: ``record`` of a list, or ``line`` of a text.
        numbers: Where each value stands, from 1.
        values: The records, unless the file is wrong.
        is_odd: Whether a :class:`~pytest_llmjudge.json_values.NotFinite` or a
            :class:`~pytest_llmjudge.json_values.Repeated` is somewhere in the values.
    """

    unit: str
    numbers: list[int]
    values: list[Any]
    is_odd: bool = False


def read_content(path: Path, split: str | None = None) -> Content:
    """Read a file as what it holds, whatever its name promises, or a folder of a data set.

    Args:
        path: The file or the folder.
        split: Which part to read, where there are several.

    Raises:
        RecordsError: It cannot be read, or holds no records.
    """
    if not is_dataset(path):
        return _read_file(path, split)
    odd: list[bool] = []

    def read(file: Path) -> list[Any]:
        content = _read_file(file, None)
        odd.append(content.is_odd)
        return content.values

    return replace(_rows(read_dataset(path, split, read)), is_odd=any(odd))


def path_digest(path: Path) -> str:
    """Return the SHA-256 of a file or a data set's folder, in hex; empty when it cannot be read."""
    try:
        if not is_dataset(path):
            return hashlib.sha256(read_file(path, DATA_LIMIT)).hexdigest()
        whole = hashlib.sha256()
        for file in data_files(path):
            whole.update(hashlib.sha256(read_file(file, DATA_LIMIT)).digest())
        return whole.hexdigest()
    except OSError:
        return ""


def _rows(values: list[Any]) -> Content:
    return Content("record", list(range(1, len(values) + 1)), values)


def _read_file(path: Path, split: str | None) -> Content:
    name, suffix = path.name, path.suffix.lower()
    try:
        with open_file(path) as file:
            head = file.peek(HEAD)
            is_parquet = head.startswith(b"PAR1") or suffix == ".parquet"
            content = b"" if is_parquet else read_stream(file, DATA_LIMIT)
    except OSError as error:
        raise RecordsError(
            str(path), why_unreadable(error), "check the path and its permissions"
        ) from None
    if is_pointer(head):
        raise RecordsError(name, POINTER, PULL)
    if is_parquet:
        check_no_split(name, split)
        return _rows(read_parquet(path))
    content, suffix = unpacked(path, content)
    text = _decoded(name, content)
    # Both together may be what the memory has no room for.
    del content
    if suffix in _TABLES and not _begins_with(text, "[{"):
        check_no_split(name, split)
        return Content("line", *read_csv(name, text, _TABLES[suffix]))
    return _read_json(name, suffix, text, split)


def _decoded(name: str, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"it is not UTF-8 (byte {error.start + 1})"
        raise RecordsError(name, problem, "save it as UTF-8") from None
    if not text or text.isspace():
        raise RecordsError(name, "it is empty", "add records or name another file")
    return text


def _read_json(name: str, suffix: str, text: str, split: str | None) -> Content:
    decoder = Decoder()
    if _are_lines(suffix, text):
        lines: dict[int, object] = {}
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                lines[number] = decoder.read(f"{name}: line {number}", line)
                check_size(name, len(lines), decoder.count)
        values = list(lines.values())
        if len(lines) > 1 or suffix in _LINES or _is_record(values[0]):
            check_no_split(name, split)
            return Content("line", list(lines), values, decoder.is_odd)
        whole = values[0]
    else:
        whole = decoder.read(name, text)
    if isinstance(whole, list) or _is_record(whole):
        check_no_split(name, split)
        values = whole if isinstance(whole, list) else [whole]
    elif isinstance(whole, dict):
        values = _chosen_list(name, whole, split)
    else:
        raise RecordsError(name, f"it holds {kind_of(whole)} instead of a list", _NO_LIST)
    content = _rows(values)
    return Content(content.unit, content.numbers, values, decoder.is_odd)


def _chosen_list(name: str, whole: dict[str, Any], split: str | None) -> list[Any]:
    """Return the list of records in an object."""
    lists = {
        key: value
        for key, value in whole.items()
        if isinstance(value, list) and (not value or isinstance(value[0], dict))
    }
    if not lists:
        raise RecordsError(name, "it holds an object instead of a list", _NO_LIST)
    return lists[choose_split(name, lists, split)]


def _are_lines(suffix: str, text: str) -> bool:
    """Say whether a text is JSON Lines: then its first line is a whole object."""
    if suffix in _LINES:
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
    return isinstance(value, dict) and fits_any(value)
