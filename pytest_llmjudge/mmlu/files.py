"""MMLU's files, read as they are published: Hendrycks' folder or tar, or Parquet files."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import lzma
import os
import re
import tarfile
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Final, Protocol

from pytest_llmjudge.data import MMLUQuestion
from pytest_llmjudge.errors import DatasetError
from pytest_llmjudge.paths import HEAD, POINTER, PULL, instead_of_file, is_pointer, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["LETTERS", "MMLUData", "open_mmlu"]

LETTERS: Final = "ABCD"
"""The answers of a question, in the order of its choices."""

_COLUMNS: Final = "question, A, B, C, D and the letter of the answer"
_GET_IT: Final = (
    "get https://people.eecs.berkeley.edu/~hendrycks/data.tar, and name it or the folder that it "
    "unpacks to"
)
_SHARD = re.compile(r"(.+)-\d{5}-of-(\d{5})\.parquet")


class _Source(Protocol):
    """Rows of text by split and subject."""

    def subjects(self) -> Sequence[str]:
        """Name the subjects that have test questions."""

    def name(self, split: str, subject: str) -> str:
        """Name the file of a split, for messages."""

    def rows(self, split: str, subject: str) -> Iterator[Sequence[str]] | None:
        """Yield question, four choices and a letter; ``None`` when there is no such file."""


class MMLUData:
    """The questions of one copy of MMLU, read when they are asked for.

    Args:
        source: Where its rows come from.
        where: The copy, for messages.
    """

    def __init__(self, source: _Source, where: str) -> None:
        self._source = source
        self.where = where
        self.subjects = tuple(sorted(source.subjects()))

    def questions(self, subject: str) -> tuple[MMLUQuestion, ...]:
        """Return a subject's test questions, in file order.

        Raises:
            DatasetError: A row cannot be used, or there is none.
        """
        found = self._read("test", subject)
        if not found:
            todo = "put its questions there, or leave the subject out"
            raise DatasetError(self._source.name("test", subject), "it has no questions", todo)
        return found

    def shots(self, subject: str, count: int) -> tuple[MMLUQuestion, ...]:
        """Return the first ``count`` questions of a subject's dev file, which are shown solved.

        Raises:
            DatasetError: There are fewer, or a row cannot be used.
        """
        if count == 0:
            return ()
        found = self._read("dev", subject)
        if found is None or len(found) < count:
            told = "it is not there" if found is None else f"it has {len(found)} questions"
            todo = f"shots={count} takes its first {count}; get the whole file, or ask for fewer"
            raise DatasetError(self._source.name("dev", subject), told, todo)
        return found[:count]

    def _read(self, split: str, subject: str) -> tuple[MMLUQuestion, ...] | None:
        rows = self._source.rows(split, subject)
        name = self._source.name(split, subject)
        if rows is None:
            return None
        questions, seen = [], Counter[str]()
        for number, row in enumerate(rows, 1):
            question = _parse(name, number, row)
            digest = _digest(question)
            seen[digest] += 1
            again = f"-{seen[digest]}" if seen[digest] > 1 else ""
            questions.append(MMLUQuestion(f"{subject}-{digest}{again}", *question))
        return tuple(questions)


def open_mmlu(path: Path) -> MMLUData:
    """Open a copy of MMLU.

    Args:
        path: A folder with ``dev`` and ``test``, or one that has it as ``data``; Hendrycks'
            ``data.tar``; or a folder of Parquet files as the Hugging Face dataset has them.

    Raises:
        DatasetError: It is none of these.
    """
    where = str(path)
    instead = instead_of_file(path)
    if instead is None:
        return _with_questions(MMLUData(_Tar(path), where), where)
    if not os.path.isdir(path):  # noqa: PTH112  # pathlib raises for folders that are closed
        raise DatasetError(where, f"it is {instead}", _GET_IT)
    if not os.access(path, os.R_OK | os.X_OK):
        found = "it cannot be read (Permission denied)"
        raise DatasetError(where, found, "make it readable")
    for folder in (path, path / "data"):
        if os.path.isdir(folder / "test"):  # noqa: PTH112
            return _with_questions(MMLUData(_Folder(folder), where), where)
    files = sorted(path.rglob("*.parquet"))
    if files:
        return _with_questions(MMLUData(_Parquet(files), where), where)
    raise DatasetError(where, 'it has neither a folder "test" nor Parquet files', _GET_IT)


def _with_questions(data: MMLUData, where: str) -> MMLUData:
    if not data.subjects:
        raise DatasetError(where, "it has no questions, such as test/anatomy_test.csv", _GET_IT)
    return data


def _parse(name: str, number: int, row: Sequence[str]) -> tuple[str, tuple[str, ...], int]:
    where = f"{name}: row {number}"
    if len(row) != 6:
        raise DatasetError(where, f"it has {len(row)} columns", f"a row is {_COLUMNS}")
    question, *choices, letter = row
    if len(letter) != 1 or letter not in LETTERS:
        raise DatasetError(where, f'the answer is "{letter}"', "it is one of A, B, C and D")
    return question, tuple(choices), LETTERS.index(letter)


def _digest(question: tuple[str, tuple[str, ...], int]) -> str:
    text = json.dumps(question[:2], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _csv_rows(name: str, content: bytes) -> Iterator[Sequence[str]]:
    if is_pointer(content):
        raise DatasetError(name, POINTER, PULL)
    try:
        text = content.decode("utf-8-sig")
        # Blank lines are no rows, as pandas has it, with which Hendrycks reads them.
        yield from filter(None, csv.reader(io.StringIO(text, newline=""), strict=True))
    except UnicodeDecodeError:
        raise DatasetError(name, "it is not UTF-8", "save it as UTF-8") from None
    except csv.Error as error:
        raise DatasetError(name, f"it is no CSV ({error})", f"a row is {_COLUMNS}") from None


def _refuse_pointer(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        found = f"it cannot be read ({reason_of(path, error)})"
        raise DatasetError(str(path), found, "make it readable") from None
    if is_pointer(head):
        raise DatasetError(str(path), POINTER, PULL)


def _file_name(split: str, subject: str) -> str:
    return f"{subject}_{split}.csv"


class _Folder:
    """Files in the folders ``dev`` and ``test``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def subjects(self) -> Sequence[str]:
        names = [file.name for file in (self._folder / "test").glob("*_test.csv")]
        # Some systems leave hidden files with notes of their own beside the others.
        return [name.removesuffix("_test.csv") for name in names if not name.startswith(".")]

    def name(self, split: str, subject: str) -> str:
        return _file_name(split, subject)

    def rows(self, split: str, subject: str) -> Iterator[Sequence[str]] | None:
        name = _file_name(split, subject)
        path = self._folder / split / name
        try:
            return _csv_rows(name, path.read_bytes())
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not path.is_symlink():
                return None
            found = f"it cannot be read ({reason_of(path, error)})"
            raise DatasetError(name, found, "make it readable") from None


class _Tar:
    """Hendrycks' archive; members are found by their names, whatever folder they are in."""

    def __init__(self, path: Path) -> None:
        self._members: dict[str, bytes] = {}
        _refuse_pointer(path)
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    name = member.name.rpartition("/")[2]
                    is_ours = name.endswith(("_dev.csv", "_test.csv")) and name[0] != "."
                    if member.isfile() and is_ours:
                        file = archive.extractfile(member)
                        self._members[name] = b"" if file is None else file.read()
                is_whole = _ends_well(archive)
        except (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError):
            raise DatasetError(str(path), "it is no tar archive", _GET_IT) from None
        if not is_whole:
            raise DatasetError(str(path), "it is damaged or was cut off", "get it anew")

    def subjects(self) -> Sequence[str]:
        names = [name for name in self._members if name.endswith("_test.csv")]
        return [name.removesuffix("_test.csv") for name in names]

    def name(self, split: str, subject: str) -> str:
        return _file_name(split, subject)

    def rows(self, split: str, subject: str) -> Iterator[Sequence[str]] | None:
        name = _file_name(split, subject)
        content = self._members.get(name)
        return None if content is None else _csv_rows(name, content)


def _ends_well(archive: tarfile.TarFile) -> bool:
    """Say whether an archive ends where it should: a damaged header ends it in silence."""
    stream = archive.fileobj
    stream.seek(archive.offset)
    is_end = stream.read(tarfile.BLOCKSIZE) == tarfile.NUL * tarfile.BLOCKSIZE
    # A packed one has its checksum at the end.
    while stream.read(1 << 20):
        pass
    return is_end


class _Parquet:
    """Files such as ``anatomy/test-00000-of-00001.parquet``, or ``all/…`` with all subjects."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._rows: dict[tuple[str, str], list[Sequence[str]]] = {}
        self._files: dict[tuple[str, str], Path] = {}
        _check_shards(files)
        for file in files:
            split = file.name.partition("-")[0].removesuffix(".parquet")
            if split in {"dev", "test"}:
                self._read(file, split)

    def _read(self, file: Path, split: str) -> None:
        for number, row in enumerate(_parquet_rows(file), 1):
            subject = str(row.get("subject") or file.parent.name)
            # A whole copy has each subject twice: in a file of its own, and in "all".
            if self._files.setdefault((split, subject), file).parent != file.parent:
                continue
            found = self._rows.setdefault((split, subject), [])
            choices, answer = row.get("choices"), row.get("answer")
            if not isinstance(choices, list) or type(answer) is not int:
                told = "it has no list of choices and number of the answer"
                todo = "take the files of the dataset cais/mmlu"
                where = f"{file.name}: row {number}"
                raise DatasetError(where, told, todo)
            letter = LETTERS[answer] if 0 <= answer < len(LETTERS) else str(answer)
            found.append([str(row.get("question")), *map(str, choices), letter])

    def subjects(self) -> Sequence[str]:
        return [subject for split, subject in self._rows if split == "test"]

    def name(self, split: str, subject: str) -> str:
        file = self._files.get((split, subject))
        return f"{subject}/{split}-00000-of-00001.parquet" if file is None else file.name

    def rows(self, split: str, subject: str) -> Iterator[Sequence[str]] | None:
        found = self._rows.get((split, subject))
        return None if found is None else iter(found)


def _check_shards(files: Sequence[Path]) -> None:
    """Prove that of a split in several files all are there."""
    shards: dict[tuple[Path, str, int], list[Path]] = {}
    for file in files:
        match = _SHARD.fullmatch(file.name)
        if match is not None:
            shards.setdefault((file.parent, match[1], int(match[2])), []).append(file)
    for (folder, _, total), found in shards.items():
        if len(found) != total:
            told = f"only {len(found)} of its {total} files are there"
            where = f"{folder.name}/{found[0].name}"
            raise DatasetError(where, told, "get the others")


def _parquet_rows(file: Path) -> Iterator[Mapping[str, object]]:
    _refuse_pointer(file)
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        todo = 'install it with "pip install pytest-llmjudge[parquet]"'
        raise DatasetError(file.name, "Parquet files need pyarrow", todo) from None
    try:
        yield from parquet.read_table(file).to_pylist()
    except (pa.ArrowException, OSError):
        todo = "get the file anew"
        raise DatasetError(file.name, "it is no Parquet file", todo) from None
