"""MMLU's files in each form they are published in, and every way in which they can be wrong."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import shutil
import tarfile
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.errors import DatasetError
from pytest_llmjudge.mmlu.files import MMLUData, open_mmlu

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_llmjudge.mmlu.results import MMLUQuestion

EXAMPLE = Path(__file__).parents[3] / "example_suite" / "mmlu"
GET_IT = (
    "get https://people.eecs.berkeley.edu/~hendrycks/data.tar, and name it or the folder that it "
    "unpacks to"
)
ROW = "Why?,a,b,c,d,A\n"


def write(folder: Path, test: str | bytes, dev: str | None = ROW * 5) -> MMLUData:
    for split, content in (("test", test), ("dev", dev)):
        if content is not None:
            path = folder / split / f"anatomy_{split}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return open_mmlu(folder)


def whole(data: MMLUData) -> dict[str, tuple[MMLUQuestion, ...]]:
    return {name: data.questions(name) + data.shots(name, 5) for name in data.subjects}


def make_tar(path: Path, prefix: str) -> None:
    with tarfile.open(path, "w") as archive:
        for file in sorted(EXAMPLE.rglob("*.csv")):
            archive.add(file, f"{prefix}{file.relative_to(EXAMPLE)}")


def make_parquet(folder: Path, *, together: bool) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows: dict[tuple[str, str], list[dict[str, object]]] = {}
    for file in sorted(EXAMPLE.rglob("*.csv")):
        subject, _, split = file.stem.rpartition("_")
        with file.open(newline="", encoding="utf-8") as opened:
            for question, *choices, letter in csv.reader(opened):
                row = {"question": question, "subject": subject, "choices": choices}
                place = ("all" if together else subject, split)
                rows.setdefault(place, []).append({**row, "answer": "ABCD".index(letter)})
    for (name, split), records in rows.items():
        path = folder / name / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(exist_ok=True, parents=True)
        parquet.write_table(pa.Table.from_pylist(records), path)


def test_the_folder() -> None:
    """Quotes, commas and line breaks within a field are read as they are meant."""
    data = open_mmlu(EXAMPLE)

    assert data.subjects == ("kitchen_science", "number_facts", "world_capitals")
    questions = data.questions("kitchen_science")
    assert questions[1].question == 'What does "al dente" say of pasta?'
    assert questions[2].question == "Sugar that is heated without water first\nmelts and then"
    assert questions[2].choices == ("freezes", "turns to salt", "browns", "boils at once")
    assert [question.answer for question in questions] == [1, 0, 2, 3, 1, 0, 2, 3]
    assert len({question.id for question in questions}) == 8
    assert data.shots("kitchen_science", 2)[1].choices[2] == "100 degrees Celsius"
    assert data.shots("kitchen_science", 0) == ()


@pytest.mark.parametrize("prefix", ["data/", "", "mmlu/data/"])
def test_the_archive(tmp_path: Path, prefix: str) -> None:
    """Hendrycks' ``data.tar`` need not be unpacked."""
    make_tar(tmp_path / "data.tar", prefix)

    assert whole(open_mmlu(tmp_path / "data.tar")) == whole(open_mmlu(EXAMPLE))


def test_the_folder_that_the_archive_unpacks_to(tmp_path: Path) -> None:
    """The folder around ``data`` may be named."""
    make_tar(tmp_path / "data.tar", "data/")
    with tarfile.open(tmp_path / "data.tar") as archive:
        archive.extractall(tmp_path, filter="data")

    assert whole(open_mmlu(tmp_path)) == whole(open_mmlu(EXAMPLE))


@pytest.mark.parametrize("forms", [(False,), (True,), (False, True)], ids=["each", "all", "both"])
def test_parquet(tmp_path: Path, forms: tuple[bool, ...]) -> None:
    """The Hugging Face dataset has a folder for each subject, and one for all."""
    for together in forms:
        make_parquet(tmp_path, together=together)

    assert whole(open_mmlu(tmp_path)) == whole(open_mmlu(EXAMPLE))


def test_an_id_stays_with_its_question(tmp_path: Path) -> None:
    """Wherever it stands; of equal questions the later ones are numbered."""
    first = write(tmp_path / "1", "X?,a,b,c,d,A\nY?,a,b,c,d,A\n").questions("anatomy")
    other = write(tmp_path / "2", "Y?,a,b,c,d,A\nX?,a,b,c,d,B\nY?,a,b,c,d,A\n").questions("anatomy")

    assert [question.id for question in other] == [
        first[1].id,
        first[0].id,
        f"{first[1].id}-2",
    ]


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (
            f"{ROW}Why?,a,b,c,A\n",
            (
                "anatomy_test.csv: row 2: it has 5 columns; a row is question, A, B, C, D and the "
                "letter of the answer"
            ),
        ),
        (
            f"{ROW}{ROW}Why?,a,b,c,d,E\n",
            'anatomy_test.csv: row 3: the answer is "E"; it is one of A, B, C and D',
        ),
        (
            "",
            (
                "anatomy_test.csv: it has no questions; put its questions there, or leave the subject "
                "out"
            ),
        ),
        (b"Why\xff?,a,b,c,d,A\n", "anatomy_test.csv: it is not UTF-8; save it as UTF-8"),
        (
            '"Why?,a,b,c,d,A\n',
            (
                "anatomy_test.csv: it is no CSV (unexpected end of data); a row is question, A, B, C, "
                "D and the letter of the answer"
            ),
        ),
    ],
    ids=["columns", "letter", "empty", "encoding", "quotes"],
)
def test_wrong_rows(tmp_path: Path, test: str | bytes, expected: str) -> None:
    """File and row are named."""
    with pytest.raises(DatasetError) as caught:
        write(tmp_path, test).questions("anatomy")

    assert str(caught.value) == expected


@pytest.mark.parametrize("letter", ["", "AB"])
def test_an_answer_of_no_letter(tmp_path: Path, letter: str) -> None:
    """None and several are as wrong as another one."""
    with pytest.raises(DatasetError) as caught:
        write(tmp_path, f"Why?,a,b,c,d,{letter}\n").questions("anatomy")

    assert caught.value.where == "anatomy_test.csv: row 1"
    assert caught.value.problem == f'the answer is "{letter}"'


@pytest.mark.parametrize(
    ("dev", "expected"),
    [
        (None, "anatomy_dev.csv: it is not there; shots=5 takes its first 5; get the whole file, or ask for fewer"),
        (
            ROW * 3,
            (
                "anatomy_dev.csv: it has 3 questions; shots=5 takes its first 5; get the whole file, "
                "or ask for fewer"
            ),
        ),
    ],
    ids=["missing", "short"],
)  # fmt: skip
def test_too_few_shots(tmp_path: Path, dev: str | None, expected: str) -> None:
    """Whoever asks for five gets five, or an error."""
    data = write(tmp_path, ROW, dev)

    with pytest.raises(DatasetError) as caught:
        data.shots("anatomy", 5)

    assert str(caught.value) == expected
    assert data.shots("anatomy", 0) == ()


def test_no_data(tmp_path: Path) -> None:
    """The message says where to get it."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "no.tar").write_text("no tar", encoding="utf-8")
    cases = {
        tmp_path / "nowhere": "it is not there",
        tmp_path / "empty": 'it has neither a folder "test" nor Parquet files',
        tmp_path / "no.tar": "it is no tar archive",
    }
    for path, problem in cases.items():
        with pytest.raises(DatasetError) as caught:
            open_mmlu(path)
        assert str(caught.value) == f"{path}: {problem}; {GET_IT}"


def test_a_parquet_file_that_is_none(tmp_path: Path) -> None:
    """Broken, or of another dataset."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    broken = tmp_path / "broken" / "test-0.parquet"
    broken.parent.mkdir()
    broken.write_bytes(b"no")
    with pytest.raises(DatasetError) as caught:
        open_mmlu(broken.parent)
    assert str(caught.value) == "test-0.parquet: it is no Parquet file; get the file anew"

    other = tmp_path / "other" / "test-0.parquet"
    other.parent.mkdir()
    parquet.write_table(pa.Table.from_pylist([{"text": "x"}]), other)
    with pytest.raises(DatasetError) as caught:
        open_mmlu(other.parent)
    assert str(caught.value) == (
        "test-0.parquet: row 1: it has no list of choices and number of the answer; "
        "take the files of the dataset cais/mmlu"
    )


@pytest.mark.parametrize("packed", ["", "gz", "xz"])
def test_an_archive_that_was_damaged(tmp_path: Path, packed: str) -> None:
    """Cut off or changed in any place, it never has fewer subjects or other questions in silence."""
    good = tmp_path / "data.tar"
    with tarfile.open(good, f"w:{packed}") as archive:  # type: ignore[call-overload]
        for file in sorted(EXAMPLE.rglob("*.csv")):
            archive.add(file, f"data/{file.relative_to(EXAMPLE)}")
    expected, content = whole(open_mmlu(good)), good.read_bytes()
    bad = tmp_path / "bad.tar"
    step = max(1, len(content) // 60)
    refused = 0
    for place in range(0, len(content), step):
        flipped = bytearray(content)
        flipped[place] ^= 0x10
        for damaged in (content[:place], bytes(flipped)):
            bad.write_bytes(damaged)
            try:
                questions = whole(open_mmlu(bad))
            except DatasetError:
                refused += 1
            else:
                # A letter of an unpacked file has no checksum; its question is another one then.
                assert questions.keys() == expected.keys()
                assert not packed or questions == expected

    assert refused > 50


def test_an_archive_that_was_cut_at_a_header(tmp_path: Path) -> None:
    """Where it looks like the end of the archive, the end is missed."""
    path = tmp_path / "data.tar"
    make_tar(path, "data/")
    with tarfile.open(path) as archive:
        last = archive.getmembers()[-1]
    path.write_bytes(path.read_bytes()[: last.offset])

    with pytest.raises(DatasetError) as caught:
        open_mmlu(path)

    assert str(caught.value) == f"{path}: it is damaged or was cut off; get it anew"


def test_parquet_in_several_files(tmp_path: Path) -> None:
    """All shards of a split are read, and missed when they are not there."""
    make_parquet(tmp_path, together=False)
    expected = whole(open_mmlu(tmp_path))
    parquet = pytest.importorskip("pyarrow.parquet")
    one = tmp_path / "number_facts" / "test-00000-of-00001.parquet"
    table = parquet.read_table(one)
    one.unlink()
    for number, rows in enumerate((table.slice(0, 5), table.slice(5))):
        parquet.write_table(rows, one.with_name(f"test-0000{number}-of-00002.parquet"))

    assert whole(open_mmlu(tmp_path)) == expected

    one.with_name("test-00001-of-00002.parquet").unlink()
    with pytest.raises(DatasetError) as caught:
        open_mmlu(tmp_path)
    assert str(caught.value) == (
        "number_facts/test-00000-of-00002.parquet: only 1 of its 2 files are there; get the others"
    )


def test_hidden_files_and_blank_lines(tmp_path: Path) -> None:
    """What some systems leave beside the files is no subject, and a blank line no question."""
    data = write(tmp_path, f"{ROW}\n{ROW}\n\n")
    (tmp_path / "test" / "._anatomy_test.csv").write_bytes(b"\0")

    assert open_mmlu(tmp_path).subjects == data.subjects
    assert len(data.questions("anatomy")) == 2


@pytest.mark.parametrize("form", ["folder", "tar"])
def test_data_without_questions(tmp_path: Path, form: str) -> None:
    """An empty copy is refused at once, with where to get a whole one."""
    path = tmp_path / "mmlu"
    if form == "folder":
        (path / "test").mkdir(parents=True)
    else:
        tarfile.open(path, "w").close()

    with pytest.raises(DatasetError) as caught:
        open_mmlu(path)

    assert str(caught.value) == (
        f"{path}: it has no questions, such as test/anatomy_test.csv; {GET_IT}"
    )


@pytest.mark.parametrize("form", ["folder", "tar", "parquet"])
def test_a_test_file_that_is_missing(tmp_path: Path, form: str) -> None:
    """Its dev file says that the copy has lost it: that is no smaller exam."""
    folder = tmp_path / "mmlu"
    if form == "parquet":
        make_parquet(folder, together=False)
        (folder / "number_facts" / "test-00000-of-00001.parquet").unlink()
    else:
        shutil.copytree(EXAMPLE, folder)
        (folder / "test" / "number_facts_test.csv").unlink()
    if form == "tar":
        with tarfile.open(tmp_path / "data.tar", "w") as archive:
            archive.add(folder, "data")
        folder = tmp_path / "data.tar"

    data = open_mmlu(folder)

    assert data.subjects == ("kitchen_science", "number_facts", "world_capitals")
    with pytest.raises(DatasetError) as caught:
        data.questions("number_facts")
    name = "test-00000-of-00001.parquet" if form == "parquet" else "number_facts_test.csv"
    assert caught.value.where.endswith(name)
    assert caught.value.problem == "it has no questions"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.FIFOTYPE, "no regular file"),
        (tarfile.CHRTYPE, "no regular file"),
        (tarfile.DIRTYPE, "a folder"),
    ],
)
def test_a_member_that_is_no_file(tmp_path: Path, kind: bytes, expected: str) -> None:
    """It stands for questions that are not in the archive."""
    path = tmp_path / "data.tar"
    make_tar(path, "data/")
    with tarfile.open(path, "a") as archive:
        for name in (
            "data/test/notes",
            "data/test/._anatomy_test.csv",
            "data/test/anatomy_test.csv",
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "elsewhere"
            archive.addfile(member)

    with pytest.raises(DatasetError) as caught:
        open_mmlu(path)

    assert str(caught.value) == (
        f"{path}: its anatomy_test.csv is {expected}; put the file itself into it"
    )


def tar_of(path: Path, *names: str, packed: str = "") -> None:
    with tarfile.open(path, f"w:{packed}") as archive:  # type: ignore[call-overload]
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(ROW)
            archive.addfile(member, io.BytesIO(ROW.encode()))


@pytest.mark.parametrize("packed", ["", "gz", "bz2", "xz"])
def test_two_files_of_one_name(tmp_path: Path, packed: str) -> None:
    """The later one used to take the place of the other, in silence."""
    path = tmp_path / "data.tar"
    tar_of(path, "data/test/anatomy_test.csv", "other/anatomy_test.csv", packed=packed)

    with pytest.raises(DatasetError) as caught:
        open_mmlu(path)

    assert str(caught.value) == (
        f"{path}: it has two files named anatomy_test.csv; leave one of them in it"
    )


def sparse(path: Path) -> None:
    """Write a member of 4 GB that is one hole, in three blocks."""
    member = tarfile.TarInfo("data/test/anatomy_test.csv")
    member.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    # https://www.gnu.org/software/tar/manual/html_node/Standard.html: the size with its holes.
    header[386:398] = header[398:410] = b"00000000000\0"
    header[483:495] = b"37777777777\0"
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    path.write_bytes(bytes(header) + bytes(1024))


def one_large_member(path: Path) -> None:
    member = tarfile.TarInfo("data/test/anatomy_test.csv")
    member.size = 1 << 31
    with bz2.open(path, "wb") as file:
        file.write(member.tobuf())
        for _ in range(8):
            file.write(bytes(1 << 24))


def a_large_header(path: Path) -> None:
    member = tarfile.TarInfo("a")
    member.type = tarfile.XHDTYPE
    member.size = 1 << 27
    with gzip.open(path, "wb") as file:
        file.write(member.tobuf())
        file.write(bytes(1 << 27))


def many_members(path: Path) -> None:
    with lzma.open(path, "wb") as file:
        file.write(tarfile.TarInfo("a").tobuf() * 10_001 + bytes(1024))


def a_large_end(path: Path) -> None:
    tar_of(path, "data/test/anatomy_test.csv")
    path.write_bytes(gzip.compress(path.read_bytes() + bytes(1 << 27)))


@pytest.mark.parametrize(
    "make", [sparse, one_large_member, a_large_header, many_members, a_large_end]
)
def test_an_archive_of_few_bytes_that_holds_gigabytes(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """It is refused before it is unpacked, however it came to be so large."""
    path = tmp_path / "data.tar"
    make(path)
    assert path.stat().st_size < 1 << 19
    tracemalloc.start()
    try:
        with pytest.raises(DatasetError) as caught:
            open_mmlu(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert str(caught.value) == f"{path}: it holds far more than MMLU has; {GET_IT}"
    assert peak < 1 << 25


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"question": None}, "its question is null"),
        ({"choices": ["a", None, "c", "d"]}, "its choice 2 is null"),
        ({"subject": None}, "its subject is null"),
    ],
    ids=["question", "choice", "subject"],
)
def test_null_is_no_text(tmp_path: Path, changes: dict[str, object], problem: str) -> None:
    """It used to become the text "None", and the folder's name where the subject was missing."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    row = {"question": "Why?", "subject": "anatomy", "choices": list("abcd"), "answer": 1}
    file = tmp_path / "test-00000-of-00001.parquet"
    parquet.write_table(pa.Table.from_pylist([row, {**row, **changes}]), file)

    with pytest.raises(DatasetError) as caught:
        open_mmlu(tmp_path)

    assert (caught.value.where, caught.value.problem) == (f"{file.name}: row 2", problem)


def test_numbers_are_no_texts(tmp_path: Path) -> None:
    """A column of another type is refused, not written out."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    row = {"question": "Why?", "choices": [1, 2, 3, 4], "answer": 1}
    parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "test-0.parquet")

    with pytest.raises(DatasetError) as caught:
        open_mmlu(tmp_path)

    assert caught.value.where == "test-0.parquet: row 1"
    assert caught.value.problem == "its choice 1 is of the type int"


@pytest.mark.parametrize("kind", ["date32", "duration"])
def test_times_are_no_texts(tmp_path: Path, kind: str) -> None:
    """Nor may they be further away than a calendar of Python's reaches."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    far = (
        pa.array([1 << 30], pa.date32()) if kind == "date32" else pa.array([1 << 60], "duration[s]")
    )
    row = {"question": far, "choices": [list("abcd")], "answer": [1]}
    parquet.write_table(pa.table(row), tmp_path / "test-0.parquet")

    with pytest.raises(DatasetError) as caught:
        open_mmlu(tmp_path)

    assert caught.value.problem == "it is no Parquet file"


@pytest.mark.parametrize("kind", ["null", "string"])
def test_choices_without_end(tmp_path: Path, kind: str) -> None:
    """Ten million nulls take a thousand bytes of a file, and a minute as objects."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    size = 10_000_000
    nulls = pa.nulls(size) if kind == "null" else pa.nulls(size, pa.string())
    lists = pa.ListArray.from_arrays(pa.array([0, size], pa.int32()), nulls)
    file = tmp_path / "test-0.parquet"
    row = {"question": ["Why?"], "choices": lists, "answer": [0]}
    parquet.write_table(pa.table(row), file, compression="zstd")
    assert file.stat().st_size < 1 << 13

    with pytest.raises(DatasetError) as caught:
        open_mmlu(tmp_path)

    assert str(caught.value) == (
        "test-0.parquet: it holds far more than MMLU has; take the files of the dataset cais/mmlu"
    )


def test_a_subject_without_end(tmp_path: Path) -> None:
    """Short rows become objects far larger than they are."""
    data = write(tmp_path, "Why?,a,b,c,d,A\n" * ((1 << 17) + 1))

    with pytest.raises(DatasetError) as caught:
        data.questions("anatomy")

    assert str(caught.value) == f"anatomy_test.csv: it has more than 131,072 questions; {GET_IT}"


ALIKE = "its four choices are the same, so that any answer is right; correct it, or leave the question out"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            "Why?,a,a,a,a,A\n",
            ALIKE,
        ),
        (
            "Why?,,,,,B\n",
            ALIKE,
        ),
    ],
    ids=["alike", "empty"],
)
def test_questions_that_are_none(tmp_path: Path, row: str, expected: str) -> None:
    """A question that every model answers says nothing of one."""
    data = write(tmp_path, ROW + row)

    with pytest.raises(DatasetError) as caught:
        data.questions("anatomy")

    assert str(caught.value) == f"anatomy_test.csv: row 2: {expected}"


def test_a_question_with_a_nul(tmp_path: Path) -> None:
    """Python 3.10 could not read the file."""
    data = write(tmp_path, ROW + "Why\0?,a,b,c,d,A\n")

    with pytest.raises(DatasetError) as caught:
        data.questions("anatomy")

    assert str(caught.value) == "anatomy_test.csv: line 2: it holds a NUL character; remove it"


def test_solved_questions_that_are_asked(tmp_path: Path) -> None:
    """A dev file that is a copy of the test file shows the answers."""
    rows = [f"Why {number}?,a,b,c,d,A\n" for number in range(6)]
    data = write(tmp_path, "".join(rows), "".join(rows))

    with pytest.raises(DatasetError) as caught:
        data.shots("anatomy", 5)

    assert str(caught.value) == (
        "anatomy_dev.csv: its first 5 questions are questions of the test file; get the dev file: a "
        "model that is shown the answers is not tested"
    )


@pytest.mark.parametrize("kind", ["long texts", "many rows"])
def test_a_parquet_file_that_holds_gigabytes(tmp_path: Path, kind: str) -> None:
    """A text of a megabyte that is named a thousand times takes a few thousand bytes of a file."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "test-0.parquet"
    if kind == "long texts":
        texts = pa.DictionaryArray.from_arrays([0] * 5000, ["x" * (1 << 20)])
    else:
        texts = pa.DictionaryArray.from_arrays([0] * ((1 << 20) + 1), ["x"])
    answers = pa.nulls(len(texts), pa.int64())
    parquet.write_table(pa.table({"question": texts, "answer": answers}), file, compression="zstd")
    assert file.stat().st_size < 1 << 16

    with pytest.raises(DatasetError) as caught:
        open_mmlu(tmp_path)

    assert caught.value.problem == "it holds far more than MMLU has"
    assert pa.default_memory_pool().max_memory() < 1 << 28


def test_a_parquet_file_with_damaged_metadata(tmp_path: Path) -> None:
    """Wherever a byte is changed, the process goes on: arrow ends it over some of them."""
    make_parquet(tmp_path, together=True)
    file = tmp_path / "all" / "test-00000-of-00001.parquet"
    whole = file.read_bytes()
    size = int.from_bytes(whole[-8:-4], "little")
    start = len(whole) - 8 - size
    refused = 0
    for place in range(start, len(whole) - 8, max(1, size // 300)):
        changed = bytearray(whole)
        changed[place] ^= 0x10
        file.write_bytes(changed)
        try:
            open_mmlu(tmp_path)
        except DatasetError:
            refused += 1

    assert refused > 50
