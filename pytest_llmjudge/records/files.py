"""Reads a records file, whatever its type, into values that nobody has checked yet."""

from __future__ import annotations

import hashlib
import json
import os
import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_llmjudge.errors import RecordsError
from pytest_llmjudge.paths import HEAD, POINTER, PULL, is_pointer, real_path
from pytest_llmjudge.reading import (
    DATA_LIMIT,
    open_file,
    read_file,
    read_stream,
    why_unreadable,
)
from pytest_llmjudge.records.arrow_files import read_arrow, read_parquet
from pytest_llmjudge.records.dataset_folders import DatasetFiles, find_dataset
from pytest_llmjudge.records.formats import fits_any
from pytest_llmjudge.records.json_values import Decoder, check_size, check_values, kind_of
from pytest_llmjudge.records.splits import check_no_split, choose_split
from pytest_llmjudge.records.tables import read_csv
from pytest_llmjudge.records.unpacking import PARQUET, unpacked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "Contents",
    "Place",
    "Source",
    "file_digest",
    "find_default",
    "find_source",
    "read_contents",
    "read_default",
    "source_digest",
]

_LINES: Final = (".jsonl", ".ndjson")
_TABLES: Final = {".csv": ",", ".tsv": "\t"}
_START: Final = re.compile(r"\s*(\S)")
_NO_LIST: Final = "a records file is a list of objects, or has one object on each line"


class Source(NamedTuple):
    """Where records are read from.

    Attributes:
        path: A file, or the folder of a data set.
        split: Which part of it to read, where it has several.
        dataset: The files that hold them, where ``path`` is a folder.
    """

    path: Path
    split: str | None
    dataset: DatasetFiles | None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that are read."""
        return self.dataset.files if self.dataset is not None else (self.path,)


class Place(NamedTuple):
    """Where a record stands.

    Attributes:
        file: The file's name.
        unit: What ``number`` counts: ``record`` of a list, or ``line`` of a text.
        number: From 1.
    """

    file: str
    unit: str
    number: int


@dataclass(frozen=True, slots=True)
class Content:
    """What a records file holds.

    Attributes:
        file: The file's name.
        unit: What ``numbers`` count: ``record`` of a list, or ``line`` of a text.
        numbers: Where each value stands, from 1.
        values: The records, unless the file is wrong.
        is_odd: Whether a :class:`~pytest_llmjudge.records.json_values.NotFinite` or a
            :class:`~pytest_llmjudge.records.json_values.Repeated` is somewhere in the values.
    """

    file: str
    unit: str
    numbers: list[int]
    values: list[Any]
    is_odd: bool = False


class Contents:
    """What all files of a source hold.

    Args:
        name: Of the file, or of the folder where there are several.
        parts: The files in order.
    """

    def __init__(self, name: str, parts: Sequence[Content]) -> None:
        self.name = name
        self.values: list[Any] = [value for part in parts for value in part.values]
        self.is_odd = any(part.is_odd for part in parts)
        self._parts = parts
        self._ends = list(accumulate(len(part.values) for part in parts))

    def place(self, position: int) -> Place:
        """Return where a value stands."""
        number = bisect_right(self._ends, position)
        part = self._parts[number]
        return Place(part.file, part.unit, part.numbers[position - self._ends[number]])

    def spell(self, place: Place) -> str:
        """Describe a location without the name of the source."""
        of = f" of {place.file}" if len(self._parts) > 1 else ""
        return f"{place.unit} {place.number}{of}"


def find_source(path: Path, split: str | None = None) -> Source:
    """Find the files of which records are to be read.

    Args:
        path: A file, or the folder of a data set.
        split: Which part of it to read, where it has several.

    Raises:
        RecordsError: It is the folder of a data set that is damaged or has no such split.
    """
    # Messages name the folder, and "." has no name.
    path = path if path.name else real_path(path)
    return Source(path, split, find_dataset(path, split))


def read_contents(source: Source) -> Contents:
    """Read each file as what it holds, whatever its name promises.

    Raises:
        RecordsError: It cannot be read, or holds no records.
    """
    if source.dataset is None:
        content = _read_file(source.path, source.split)
        return Contents(content.file, [content])
    read = _read_stream if source.dataset.are_streams else partial(_read_file, split=None)
    parts: list[Content] = []
    rows = 0
    for file in source.files:
        parts.append(read(file))
        rows += len(parts[-1].values)
        check_size(source.path.name, rows, 0)
    return Contents(parts[0].file if len(parts) == 1 else source.path.name, parts)


def find_default(path: Path, split: str, use: str) -> Source:
    """Find the files of what has one split, or those of a split where it has several.

    Args:
        path: A file, or the folder of a data set.
        split: Which one is read of several.
        use: What it is for, for messages: "to train on".

    Raises:
        RecordsError: The folder is damaged, or has several splits and not this one.
    """
    try:
        return find_source(path)
    except RecordsError as error:
        problem = error
    try:
        return find_source(path, split)
    except RecordsError as error:
        raise _of_splits(problem, error, split, use) from None


def read_default(path: Path, split: str, use: str) -> tuple[Source, Contents]:
    """Read what has one split, or a split where it has several; see :func:`find_default`.

    Raises:
        RecordsError: It cannot be read, or has several splits and not this one.
    """
    source = find_default(path, split, use)
    try:
        return source, read_contents(source)
    except RecordsError as error:
        problem = error
    try:
        # A file of several splits is known as such once it is read.
        source = Source(path, split, None)
        return source, read_contents(source)
    except RecordsError as error:
        raise _of_splits(problem, error, split, use) from None


def _of_splits(
    problem: RecordsError, without_split: RecordsError, split: str, use: str
) -> RecordsError:
    """Return what is wrong, with a hint that helps where it is that no split has the name."""
    if without_split.problem != f'it has no split "{split}"':
        return problem
    hint = f'name a file of one split, or rename the split {use} to "{split}"'
    return RecordsError(problem.where, problem.problem, hint)


def source_digest(source: Source) -> str:
    """Return the SHA-256 of the files that are read, in hex; empty when one cannot be read.

    Of a folder it covers their names and their order as well. It is compared within a run only.
    """
    try:
        if source.dataset is None:
            return _digest(source.path)
        whole = hashlib.sha256()
        for file in source.files:
            name = os.path.relpath(file, source.path)
            whole.update(f"{_digest(file)} {name}\n".encode("utf-8", "surrogateescape"))
        return whole.hexdigest()
    except OSError:
        return ""


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex; empty when it cannot be read."""
    return source_digest(Source(path, None, None))


def _digest(path: Path) -> str:
    return hashlib.sha256(read_file(path, DATA_LIMIT)).hexdigest()


def _read_stream(file: Path) -> Content:
    return _rows(file.name, read_arrow(file))


def _rows(name: str, values: list[Any], *, is_odd: bool = False) -> Content:
    return Content(name, "record", list(range(1, len(values) + 1)), values, is_odd)


def _read_file(path: Path, split: str | None) -> Content:
    name, suffix = path.name, path.suffix.lower()
    try:
        with open_file(path) as file:
            head = file.peek(HEAD)
            is_parquet = head.startswith(PARQUET) or suffix == ".parquet"
            content = b"" if is_parquet else read_stream(file, DATA_LIMIT)
    except OSError as error:
        raise RecordsError(
            str(path), why_unreadable(error), "check the path and its permissions"
        ) from None
    if is_pointer(head):
        raise RecordsError(name, POINTER, PULL)
    if is_parquet:
        check_no_split(name, split)
        return _rows(name, read_parquet(path))
    content, suffix = unpacked(path, content)
    text = _decoded(name, content)
    # Both together may be what the memory has no room for.
    del content
    if suffix in _TABLES and not _begins_with(text, "[{"):
        check_no_split(name, split)
        return Content(name, "line", *read_csv(name, text, _TABLES[suffix]))
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
    check_values(name, text)
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
            return Content(name, "line", list(lines), values, decoder.is_odd)
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
    return _rows(name, values, is_odd=decoder.is_odd)


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
