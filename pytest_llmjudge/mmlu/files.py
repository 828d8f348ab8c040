"""MMLU's files, read as they are published: Hendrycks' folder or tar, or Parquet files."""

from __future__ import annotations

import bz2
import csv
import gzip
import hashlib
import io
import json
import lzma
import os
import re
import tarfile
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol

from pytest_llmjudge.errors import DatasetError
from pytest_llmjudge.mmlu.results import MMLUQuestion
from pytest_llmjudge.paths import HEAD, POINTER, PULL, instead_of_file, is_pointer
from pytest_llmjudge.reading import (
    BoundedStream,
    TooMuchError,
    UnusableFileError,
    open_file,
    read_file,
    why_unreadable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from io import BufferedReader
    from pathlib import Path

__all__ = ["LETTERS", "MMLUData", "open_mmlu"]

LETTERS: Final = "ABCD"
"""The answers of a question, in the order of its choices."""

_COLUMNS: Final = "question, A, B, C, D and the letter of the answer"
_GET_IT: Final = (
    "get https://people.eecs.berkeley.edu/~hendrycks/data.tar, and name it or the folder that it "
    "unpacks to"
)
_FILE_LIMIT = 1 << 26
"""Bytes of questions in one file; all of MMLU's test and dev together have seven million."""

_TAR_LIMIT = 1 << 29
"""Bytes of an unpacked archive: Hendrycks' has 166 million, most of training questions."""

_MEMBERS_LIMIT = 10_000
"""Files in an archive; Hendrycks' has fewer than 300."""

_ROWS_LIMIT = 1 << 18
"""Questions of a Parquet file; all of MMLU's are 116,000, those for training included."""

_QUESTIONS_LIMIT = 1 << 17
"""Questions of a subject; MMLU's largest has 1,534."""

_CHOICES_LIMIT = 100
"""Choices of a question, on average of a batch; MMLU's have four."""

_ROWS_AT_ONCE = 1000
_PARQUET_COLUMNS = ["subject", "question", "choices", "answer"]

_AT_ONCE = 1 << 14
"""Bytes that are read of an archive at once; its headers take less."""

_NO_TAR = (
    *(tarfile.TarError, zlib.error, lzma.LZMAError, OSError, EOFError),
    # What the library lets through of damaged headers.
    *(ArithmeticError, LookupError, ValueError, RecursionError),
)
_SHARD = re.compile(r"(.+)-\d{5}-of-(\d{5})\.parquet")


class _Source(Protocol):
    """Rows of text by split and subject."""

    def subjects(self, split: str) -> Sequence[str]:
        """Name the subjects that have a file of a split."""

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
        self._known: dict[tuple[str, str], tuple[MMLUQuestion, ...] | None] = {}
        self.where = where
        # One without its test file is no smaller exam: it has lost a file, and errs.
        self.subjects = tuple(sorted({*source.subjects("test"), *source.subjects("dev")}))

    def questions(self, subject: str) -> tuple[MMLUQuestion, ...]:
        """Return a subject's test questions, in file order.

        Raises:
            DatasetError: A row cannot be used, or there is none.
        """
        questions = self._read("test", subject)
        if not questions:
            hint = "put its questions there, or leave the subject out"
            raise DatasetError(self._source.name("test", subject), "it has no questions", hint)
        return questions

    def shots(self, subject: str, count: int) -> tuple[MMLUQuestion, ...]:
        """Return the first ``count`` questions of a subject's dev file, which are shown solved.

        Raises:
            DatasetError: There are fewer, or a row cannot be used.
        """
        if count == 0:
            return ()
        questions = self._read("dev", subject)
        if questions is None or len(questions) < count:
            problem = (
                "it is not there" if questions is None else f"it has {len(questions)} questions"
            )
            hint = f"shots={count} takes its first {count}; get the whole file, or ask for fewer"
            raise DatasetError(self._source.name("dev", subject), problem, hint)
        asked = {_as_asked(question) for question in self._read("test", subject) or ()}
        if all(_as_asked(question) in asked for question in questions[:count]):
            problem = f"its first {count} questions are questions of the test file"
            hint = "get the dev file: a model that is shown the answers is not tested"
            raise DatasetError(self._source.name("dev", subject), problem, hint)
        return questions[:count]

    def digest(self, subjects: Sequence[str]) -> str:
        """Return the SHA-256, in hex, of all that some subjects' files hold.

        They are kept, so that the questions that are asked are those that the digest is of.
        """
        held: list[object] = []
        for subject in subjects:
            for split in ("dev", "test"):
                try:
                    held.append(self._read(split, subject))
                except DatasetError as error:  # noqa: PERF203  # the subject's own item tells it
                    held.append(str(error))
        return hashlib.sha256(repr(held).encode("utf-8", "surrogatepass")).hexdigest()

    def _read(self, split: str, subject: str) -> tuple[MMLUQuestion, ...] | None:
        if (split, subject) not in self._known:
            self._known[split, subject] = self._parsed(split, subject)
        return self._known[split, subject]

    def _parsed(self, split: str, subject: str) -> tuple[MMLUQuestion, ...] | None:
        rows = self._source.rows(split, subject)
        name = self._source.name(split, subject)
        if rows is None:
            return None
        questions, seen = [], Counter[str]()
        for number, row in enumerate(rows, 1):
            if number > _QUESTIONS_LIMIT:
                problem = f"it has more than {_QUESTIONS_LIMIT:,} questions"
                raise DatasetError(name, problem, _GET_IT)
            question = _parse(name, number, row)
            digest = _digest(question)
            seen[digest] += 1
            again = f"-{seen[digest]}" if seen[digest] > 1 else ""
            questions.append(MMLUQuestion(f"{subject}-{digest}{again}", *question))
        return tuple(questions)


def _as_asked(question: MMLUQuestion) -> tuple[str, tuple[str, ...]]:
    return question.question, tuple(question.choices)


def open_mmlu(path: Path) -> MMLUData:
    """Open a copy of MMLU.

    Args:
        path: A folder with ``dev`` and ``test``, or one that has it as ``data``; Hendrycks'
            ``data.tar``; or a folder of Parquet files as the Hugging Face dataset has them.

    Raises:
        DatasetError: It is none of these.
    """
    where = str(path)
    # os.path answers no, where pathlib raises: names too long, folders that are closed.
    instead = instead_of_file(path)
    if not os.path.isdir(path):  # noqa: PTH112
        if instead is None or os.path.exists(path):  # noqa: PTH110
            return _with_questions(MMLUData(_Tar(path), where), where)
        raise DatasetError(where, f"it is {instead}", _GET_IT)
    if not os.access(path, os.R_OK | os.X_OK):
        problem = "it cannot be read (Permission denied)"
        raise DatasetError(where, problem, "make it readable")
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
    if any("\0" in text for text in row):
        raise DatasetError(where, "it holds a NUL character", "remove it")
    if len(set(choices)) == 1:
        problem = "its four choices are the same, so that any answer is right"
        raise DatasetError(where, problem, "correct it, or leave the question out")
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
        place = text.find("\0")
        if place >= 0:
            # Python 3.10 reads no CSV with one.
            line = text.count("\n", 0, place) + 1
            where = f"{name}: line {line}"
            raise DatasetError(where, "it holds a NUL character", "remove it")
        # Blank lines are no rows, as pandas has it, with which Hendrycks reads them.
        yield from filter(None, csv.reader(io.StringIO(text, newline=""), strict=True))
    except UnicodeDecodeError:
        raise DatasetError(name, "it is not UTF-8", "save it as UTF-8") from None
    except csv.Error as error:
        raise DatasetError(name, f"it is no CSV ({error})", f"a row is {_COLUMNS}") from None


def _open(path: Path) -> BufferedReader:
    """Open a file that is one itself, not a pointer of Git LFS to it.

    Raises:
        DatasetError: It is such a pointer.
        OSError: It cannot be opened.
    """
    file = open_file(path)
    if is_pointer(file.peek(HEAD)):
        file.close()
        raise DatasetError(str(path), POINTER, PULL)
    return file


def _file_name(split: str, subject: str) -> str:
    return f"{subject}_{split}.csv"


class _Folder:
    """Files in the folders ``dev`` and ``test``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def subjects(self, split: str) -> Sequence[str]:
        names = [file.name for file in (self._folder / split).glob(f"*_{split}.csv")]
        # Some systems leave hidden files with notes of their own beside the others.
        return [name.removesuffix(f"_{split}.csv") for name in names if not name.startswith(".")]

    def name(self, split: str, subject: str) -> str:
        return _file_name(split, subject)

    def rows(self, split: str, subject: str) -> Iterator[Sequence[str]] | None:
        name = _file_name(split, subject)
        path = self._folder / split / name
        try:
            content = read_file(path, _FILE_LIMIT)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not path.is_symlink():
                return None
            hint = "put a CSV file there that can be read"
            raise DatasetError(name, why_unreadable(error), hint) from None
        return _csv_rows(name, content)


class _Tar:
    """Hendrycks' archive; members are looked up by their names, whatever folder they are in."""

    def __init__(self, path: Path) -> None:
        self._members: dict[str, bytes] = {}
        self._left = _FILE_LIMIT
        where = str(path)
        try:
            with _open(path) as file, _unpacked(file) as stream:
                bounded = BoundedStream(
                    stream, at_once=_AT_ONCE, in_all=2 * _FILE_LIMIT, furthest=_TAR_LIMIT
                )
                with tarfile.open(fileobj=bounded, mode="r:") as archive:  # type: ignore[call-overload]
                    for number, member in enumerate(archive):
                        if number == _MEMBERS_LIMIT:
                            raise TooMuchError
                        self._read(where, archive, member)
                    is_whole = _ends_well(archive)
        except UnusableFileError as error:
            raise DatasetError(where, why_unreadable(error), _GET_IT) from None
        except (TooMuchError, MemoryError):
            raise DatasetError(where, "it holds far more than MMLU has", _GET_IT) from None
        except _NO_TAR:
            raise DatasetError(where, "it is no tar archive", _GET_IT) from None
        if not is_whole:
            raise DatasetError(where, "it is damaged or was cut off", "get it anew")

    def _read(self, where: str, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        name = member.name.rpartition("/")[2]
        is_ours = name.endswith(("_dev.csv", "_test.csv")) and name[0] != "."
        if not is_ours:
            return
        if not member.isfile():
            kind = "a folder" if member.isdir() else "no regular file"
            kind = "a link" if member.issym() or member.islnk() else kind
            raise DatasetError(where, f"its {name} is {kind}", "put the file itself into it")
        # A sparse one may be of any size, in an archive of any.
        self._left -= member.size
        if member.issparse() or self._left < 0:
            raise TooMuchError
        if name in self._members:
            problem = f"it has two files named {name}"
            raise DatasetError(where, problem, "leave one of them in it")
        file = archive.extractfile(member)
        chunks = iter(lambda: file.read(_AT_ONCE), b"") if file is not None else ()
        self._members[name] = b"".join(chunks)

    def subjects(self, split: str) -> Sequence[str]:
        end = f"_{split}.csv"
        return [name.removesuffix(end) for name in self._members if name.endswith(end)]

    def name(self, split: str, subject: str) -> str:
        return _file_name(split, subject)

    def rows(self, split: str, subject: str) -> Iterator[Sequence[str]] | None:
        name = _file_name(split, subject)
        content = self._members.get(name)
        return None if content is None else _csv_rows(name, content)


def _unpacked(file: BinaryIO) -> BinaryIO:
    """Return what a file holds, which may be packed, as a stream."""
    start = file.read(6)
    file.seek(0)
    openers: dict[bytes, Any] = {
        b"\x1f\x8b": gzip.open,
        b"BZh": bz2.open,
        b"\xfd7zXZ\0": lzma.open,
        b"\x5d\0\0": lzma.open,
    }
    opener = next((one for magic, one in openers.items() if start.startswith(magic)), None)
    stream: BinaryIO = file if opener is None else opener(file)
    return stream


def _ends_well(archive: tarfile.TarFile) -> bool:
    """Say whether an archive ends where it should: a damaged header ends it in silence."""
    stream = archive.fileobj
    stream.seek(archive.offset)
    is_end = stream.read(tarfile.BLOCKSIZE) == tarfile.NUL * tarfile.BLOCKSIZE
    # A packed one has its checksum at the end.
    while stream.read(_AT_ONCE):
        pass
    return is_end


_TAKE_THEIRS: Final = "take the files of the dataset cais/mmlu"


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
            where = f"{file.name}: row {number}"
            subject = _text(where, "subject", row.get("subject", file.parent.name))
            # A whole copy has each subject twice: in a file of its own, and in "all".
            if self._files.setdefault((split, subject), file).parent != file.parent:
                continue
            rows = self._rows.setdefault((split, subject), [])
            choices, answer = row.get("choices"), row.get("answer")
            if not isinstance(choices, list) or type(answer) is not int:
                problem = "it has no list of choices and number of the answer"
                raise DatasetError(where, problem, _TAKE_THEIRS)
            letter = LETTERS[answer] if 0 <= answer < len(LETTERS) else str(answer)
            names = ["question", *(f"choice {place}" for place in range(1, len(choices) + 1))]
            texts = zip(names, [row.get("question"), *choices], strict=True)
            rows.append([*(_text(where, name, text) for name, text in texts), letter])

    def subjects(self, split: str) -> Sequence[str]:
        return [subject for own, subject in self._rows if own == split]

    def name(self, split: str, subject: str) -> str:
        file = self._files.get((split, subject))
        return f"{subject}/{split}-00000-of-00001.parquet" if file is None else file.name

    def rows(self, split: str, subject: str) -> Iterator[Sequence[str]] | None:
        rows = self._rows.get((split, subject))
        return None if rows is None else iter(rows)


def _text(where: str, name: str, value: object) -> str:
    """Take no null for the text "None"."""
    if not isinstance(value, str):
        raise DatasetError(where, f"its {name} is {_kind(value)}", _TAKE_THEIRS)
    return value


def _kind(value: object) -> str:
    return "null" if value is None else f"of the type {type(value).__name__}"


def _check_shards(files: Sequence[Path]) -> None:
    """Prove that of a split in several files all are there."""
    shards: dict[tuple[Path, str, int], list[Path]] = {}
    for file in files:
        match = _SHARD.fullmatch(file.name)
        if match is not None:
            shards.setdefault((file.parent, match[1], int(match[2])), []).append(file)
    for (folder, _, total), present in shards.items():
        if len(present) != total:
            problem = f"only {len(present)} of its {total} files are there"
            where = f"{folder.name}/{present[0].name}"
            raise DatasetError(where, problem, "get the others")


def _parquet_rows(file: Path) -> Iterator[Mapping[str, object]]:
    try:
        import pyarrow as pa
    except ImportError:
        hint = 'install it with pip install "pytest-llmjudge[parquet]"'
        raise DatasetError(file.name, "Parquet files need pyarrow", hint) from None
    try:
        with _open(file) as stream:
            for batch in _batches(stream):
                yield from batch.to_pylist()
    except UnusableFileError as error:
        raise DatasetError(file.name, why_unreadable(error), _TAKE_THEIRS) from None
    except TooMuchError:
        raise DatasetError(file.name, "it holds far more than MMLU has", _TAKE_THEIRS) from None
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError):
        hint = "get the file anew"
        raise DatasetError(file.name, "it is no Parquet file", hint) from None


def _batches(stream: BinaryIO) -> Iterator[Any]:
    """Yield a Parquet file's rows in batches of arrow's, and stop before it can fill the memory.

    A few bytes can say that a text is repeated a billion times, so texts are left as references to
    the distinct ones until it is known how long they are together.
    """
    from pyarrow import parquet

    file = parquet.ParquetFile(stream)
    # The metadata of single columns is not asked for: arrow ends the process where it is damaged.
    metadata = file.metadata
    size = sum(
        metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)
    )
    if size > _FILE_LIMIT or metadata.num_rows > _ROWS_LIMIT:
        raise TooMuchError
    leaves = [file.schema.column(number) for number in range(len(file.schema))]
    texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    stream.seek(0)
    file, size = parquet.ParquetFile(stream, read_dictionary=texts), 0
    for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=_PARQUET_COLUMNS):
        size += sum(map(_size_of, batch.columns))
        if size > _FILE_LIMIT or any(map(_has_long_lists, batch.columns)):
            raise TooMuchError
        yield batch


def _has_long_lists(array: Any) -> bool:  # noqa: ANN401 - pyarrow has no types
    """Say whether lists have far more elements than a question has choices; nulls take no bytes."""
    import pyarrow as pa

    kind = array.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return is_list and len(array.flatten()) > _CHOICES_LIMIT * len(array)


def _size_of(array: Any) -> int:  # noqa: ANN401 - pyarrow has no types
    """Return how many bytes a column takes when each text stands for itself."""
    import pyarrow as pa
    from pyarrow import compute

    kind = array.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _size_of(array.flatten())
    if not pa.types.is_dictionary(kind):
        return int(array.nbytes)
    lengths = compute.binary_length(array.dictionary).take(array.indices)
    return int(compute.sum(lengths).as_py() or 0)
