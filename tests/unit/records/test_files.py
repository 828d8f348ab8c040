"""Types of records files: tables, compressed texts, Parquet, and folders of data sets."""

from __future__ import annotations

import bz2
import csv
import decimal
import gzip
import hashlib
import io
import json
import lzma
import os
import subprocess
import sys
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.errors import RecordsError
from pytest_llmjudge.records.files import find_source, source_digest
from pytest_llmjudge.records.loading import load_records
from pytest_llmjudge.records.suites import read_suite
from pytest_llmjudge.settings import SuiteSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

GOOD = {"instruction": "Say é.", "output": "one"}


def refusal(path: Path, split: str | None = None) -> str:
    """Load a file that cannot be used, and return its only line."""
    with pytest.raises(RecordsError) as caught:
        load_records(path, split=split)
    (line,) = caught.value.lines
    return line


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


TABLES: dict[str, tuple[str, bytes]] = {
    "plain": ("data.csv", "instruction,output\nSay é.,one\n".encode()),
    "byte-order-mark": ("data.csv", "instruction,output\nSay é.,one".encode("utf-8-sig")),
    "semicolons": ("data.csv", "instruction;output\r\nSay é.;one\r\n".encode()),
    "tabs": ("data.TSV", "instruction\toutput\nSay é.\tone\n".encode()),
    "tabs-named-csv": ("data.csv", "instruction\toutput\nSay é.\tone\n".encode()),
    "quotes": ("data.csv", '"instruction","output"\n"Say é.","one"\n'.encode()),
    "old-macs": ("data.csv", "instruction,output\rSay é.,one\r".encode()),
    "blank-lines": ("data.csv", "\ninstruction, output\n\nSay é.,one\n,\n\n".encode()),
    "json-named-csv": ("data.csv", json.dumps([GOOD]).encode()),
}


@pytest.mark.parametrize("name", list(TABLES))
def test_a_table(tmp_path: Path, name: str) -> None:
    """Its first line names the columns, whatever stands between them."""
    file, content = TABLES[name]

    (record,) = load_records(write(tmp_path, file, content))

    assert record.fields == GOOD


@pytest.mark.parametrize("dialect", csv.list_dialects())
def test_what_the_csv_module_writes(tmp_path: Path, dialect: str) -> None:
    """Quotes, delimiters and line breaks of all kinds are read back in all its dialects."""
    rows = [
        {"instruction": f'a "{text}" b', "output": text}
        for text in (",", ";\t", "x\ny", "x\r\ny", "\u2028|\x0b")
    ]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ["instruction", "output"], dialect=dialect)
    writer.writeheader()
    writer.writerows(rows)

    loaded = load_records(write(tmp_path, "data.csv", text.getvalue()))

    assert [record.fields for record in loaded] == rows


def test_fields_of_a_table_that_are_no_texts(tmp_path: Path) -> None:
    """People's scores are numbers; an empty cell is no id and no score, but may be an answer."""
    text = "id,instruction,output,human_score,model_response\n,a,b,,\n7,c,d,85,e\n"

    first, second = load_records(write(tmp_path, "data.csv", text), response_field="model_response")

    assert (first.fields["human_score"], first.fields["model_response"]) == (None, "")
    assert (second.id, second.fields["human_score"]) == ("7", 85)


BAD_TABLES: dict[str, tuple[str | bytes, str]] = {
    "widths": (
        "instruction,output\na,b\nc\nd,e,f\n",
        (
            "data.csv: lines 3, 4: not as many fields as the 2 columns of the first line; quote each "
            "field that has a comma or a line break"
        ),
    ),
    "open-quotes": (
        'instruction,output\na,b\nc,"d\ne,f\n',
        "data.csv: line 3: its quotes are never closed; write a quote within a field twice",
    ),
    "quotes-inside": (
        'instruction,output\n"a"x,b\n',
        (
            "data.csv: line 2: it is no line of a table (',' expected after '\"'); quote the field, and "
            "write a quote within it twice"
        ),
    ),
    "NUL": (
        "instruction,output\na,b\nc\0,d\n",
        "data.csv: line 3: it holds a NUL character; remove it",
    ),
    "columns-twice": (
        "instruction,output,output\na,b,c\n",
        (
            'data.csv: its first line has the column "output" more than once; the first line names the '
            "columns, each once"
        ),
    ),
    "commas-alone": (
        ",,\n,,\n",
        "data.csv: it is empty; add records or name another file",
    ),
    "header-alone": (
        "instruction,output\n",
        "data.csv: it holds no record; add records or name another file",
    ),
    "no-header": (
        "a,b\nc,d\ne,f\n",
        (
            'data.csv: all 2 records lack "instruction"; the fields are "a" and "b": name yours with '
            'fields={"instruction": "…", "output": "…"}'
        ),
    ),
    "blank-cells": (
        "question,answer\na,\nb,c\n,d\n",
        'data.csv: line 2: "answer" is empty; every record needs a reference answer, or criteria',
    ),
    "utf-16": (
        "instruction,output\na,b\n".encode("utf-16"),
        "data.csv: it is not UTF-8 (byte 1); save it as UTF-8",
    ),
    "messages": (
        "messages\n\"[{'role': 'user'}]\"\nx\n",
        'data.csv: lines 2 and 3: "messages" is a string; it must be a list of messages',
    ),
}


@pytest.mark.parametrize("name", list(BAD_TABLES))
def test_a_bad_table(tmp_path: Path, name: str) -> None:
    """The first line says where it is wrong, and no row is lost in silence."""
    content, text = BAD_TABLES[name]

    with pytest.raises(RecordsError) as caught:
        load_records(write(tmp_path, "data.csv", content))

    assert caught.value.lines[0] == text


def test_the_limit_of_the_csv_module_is_left_alone(tmp_path: Path) -> None:
    """It is one of the whole process, and a field may be longer than it."""
    before = csv.field_size_limit()
    path = write(tmp_path, "data.csv", f"instruction,output\n{'word ' * 100_000},b\n")

    (record,) = load_records(path)

    assert (len(record.instruction), csv.field_size_limit()) == (500_000, before)


def test_a_first_column_of_a_long_name(tmp_path: Path) -> None:
    """The limit of the csv module does not hold for names either."""
    path = write(tmp_path, "data.csv", f"{'n' * 200_000},instruction,output\n1,a,b\n")

    (record,) = load_records(path)

    assert record.instruction == "a"


@pytest.mark.parametrize("limit", ["ROWS_LIMIT", "VALUES_LIMIT"])
@pytest.mark.parametrize("name", ["data.csv", "data.jsonl"])
def test_more_records_than_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, limit: str
) -> None:
    """Text that is small may hold more values than the memory has room for."""
    monkeypatch.setattr(f"pytest_llmjudge.records.json_values.{limit}", 2)
    line = "a,b\n" if name == "data.csv" else json.dumps(GOOD) + "\n"
    start = "instruction,output\n" if name == "data.csv" else ""

    text = refusal(write(tmp_path, name, start + line * 3))

    assert text.startswith(f"{name}: it has more than the ")
    assert text.endswith(" values that are read; take a part of its records")


LISTS = {
    "data": ({"data": [GOOD]}, None),
    "split": ({"train": [GOOD], "version": 1, "notes": ["x"]}, None),
    "named-split": ({"train": [], "test": [GOOD]}, "test"),
    "one-record": (GOOD, None),
}


@pytest.mark.parametrize("name", list(LISTS))
@pytest.mark.parametrize("indent", [None, 1])
def test_an_object_with_a_list(tmp_path: Path, name: str, indent: int | None) -> None:
    """The list of records may stand in an object, in one line or many."""
    content, split = LISTS[name]
    path = write(tmp_path, "data.json", json.dumps(content, indent=indent))

    (record,) = load_records(path, split=split)

    assert record.fields == GOOD


BAD_SPLITS: dict[str, tuple[object, str | None, str]] = {
    "several": (
        {"train": [GOOD], "test": [GOOD]},
        None,
        'it has the splits "train" and "test"; choose one, as in split="train" or --llm-judge-split=train',
    ),
    "unknown": ({"train": [GOOD]}, "test", 'it has no split "test"; it has "train"'),
    "no-splits": (
        [GOOD],
        "test",
        'it has no splits, and split "test" was asked for; leave the split out',
    ),
    "columns": (
        {"instruction": ["a"], "output": ["b"]},
        None,
        'record 1: "instruction" is a list; it must be a string',
    ),
    "no-list": (
        {"a": 1},
        None,
        (
            "it holds an object instead of a list; a records file is a list of objects, or has one object "
            "on each line"
        ),
    ),
    "empty": ({"data": []}, None, "it holds no record; add records or name another file"),
}


@pytest.mark.parametrize("name", list(BAD_SPLITS))
def test_splits_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    """Where several lists fit, or none, the message says what to do."""
    content, split, text = BAD_SPLITS[name]
    path = write(tmp_path, "data.json", json.dumps(content, indent=1))

    with pytest.raises(RecordsError) as caught:
        load_records(path, split=split)

    assert caught.value.lines[0] == f"data.json: {text}"


def zstd(content: bytes) -> bytes:
    pa = pytest.importorskip("pyarrow")
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


PACKERS: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "zst": zstd}


@pytest.mark.parametrize("kind", list(PACKERS))
@pytest.mark.parametrize("name", ["data.json", "data.jsonl", "data.csv", "data.TSV"])
def test_a_compressed_text(tmp_path: Path, kind: str, name: str) -> None:
    """Texts of all types are unpacked, by their first bytes and not by their names."""
    text = json.dumps([GOOD])
    if "json" not in name:
        text = "instruction,output\nSay é.,one\n"
    packed = PACKERS[kind](text.encode())

    for path in (write(tmp_path, f"{name}.{kind}", packed), write(tmp_path, name, packed)):
        (record,) = load_records(path)
        assert record.fields == GOOD


@pytest.mark.parametrize("kind", list(PACKERS))
def test_a_damaged_compressed_text(tmp_path: Path, kind: str) -> None:
    """It is one line, not a part of the records."""
    packed = PACKERS[kind](
        b"".join(json.dumps({**GOOD, "n": n}).encode() + b"\n" for n in range(9999))
    )

    line = refusal(write(tmp_path, f"data.jsonl.{kind}", packed[: len(packed) // 2]))

    assert line.startswith(f"data.jsonl.{kind}: it cannot be unpacked (")
    assert line.endswith("; get the file anew")


@pytest.mark.parametrize("kind", list(PACKERS))
def test_a_compressed_file_that_is_no_text(tmp_path: Path, kind: str) -> None:
    """It is named as what it is, and not as a text of another encoding."""
    for content, what in (
        (gzip.compress(b"[]"), "another compressed file"),
        (zstd(b"[]"), "another compressed file"),
        (b"PAR1...", "a Parquet file"),
    ):
        path = write(tmp_path, f"data.json.{kind}", PACKERS[kind](content))

        line = f"data.json.{kind}: it unpacks to {what}, which is no text; unpack it and name that"
        assert refusal(path) == line


@pytest.mark.parametrize("kind", list(PACKERS))
def test_what_is_wrong_in_a_compressed_text(tmp_path: Path, kind: str) -> None:
    """Lines are counted as in the text, and the file has its whole name."""
    for name, text, line in (
        ("data.jsonl", '{"instruction": "a", "output": "b"}\n{x}', "line 2: it is not JSON"),
        ("data.json", '[{"instruction": "a", "output": ""}]', 'record 1: "output" is empty'),
        ("data.csv", 'instruction,output\na,b\n"x\n', "line 3: its quotes are never closed"),
        ("data.tsv", "instruction\toutput\na\t \n", 'line 2: "output" is empty'),
        ("data.jsonl", " ", "it is empty"),
    ):
        path = write(tmp_path, f"{name}.{kind}", PACKERS[kind](text.encode()))

        assert refusal(path).startswith(f"{name}.{kind}: {line}")


def parquet(path: Path, table: object, **options: object) -> Path:
    pq = pytest.importorskip("pyarrow.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, **options)
    return path


def test_a_parquet_file(tmp_path: Path) -> None:
    """Its rows are records, their values as JSON has them."""
    pa = pytest.importorskip("pyarrow")
    asked = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    columns = {
        "messages": [asked, asked],
        "score": [1.5, float("nan")],
        "day": [date(2026, 1, 2), None],
        "price": [decimal.Decimal("1.50"), None],
        "raw": [b"xy", None],
        "hash": [b"\xff\xd8", None],
        "tags": [["a"], None],
    }
    path = parquet(tmp_path / "data.bin", pa.table(columns))

    first, second = load_records(path)

    assert (first.instruction, first.output) == ("Hi", "Hello")
    assert first.fields == {
        "messages": asked,
        "score": 1.5,
        "day": "2026-01-02",
        "price": "1.50",
        "raw": "xy",
        "hash": {"bytes": 2, "sha256": hashlib.sha256(b"\xff\xd8").hexdigest()},
        "tags": ["a"],
    }
    assert second.fields == {**dict.fromkeys(columns), "messages": asked}


LAYOUTS: dict[str, dict[str, object]] = {
    "one-group": {},
    "several-groups": {"row_group_size": 700},
    "plain": {"use_dictionary": False},
    "small-dictionaries": {"dictionary_pagesize_limit": 1000, "data_page_size": 1000},
    "other-version": {"data_page_version": "2.0", "compression": "zstd"},
}


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_conversations_in_parquet(tmp_path: Path, name: str) -> None:
    """However a file divides and encodes them, all are read."""
    pa = pytest.importorskip("pyarrow")
    values = [
        {
            "messages": [
                {"role": "user", "content": f"Q{number} " * (number % 40 + 1)},
                {"role": "assistant", "content": f"A{number % 3}"},
            ]
        }
        for number in range(2500)
    ]
    path = parquet(tmp_path / "data.parquet", pa.Table.from_pylist(values), **LAYOUTS[name])

    assert [record.fields for record in load_records(path)] == values


@pytest.mark.parametrize("content", [b"PAR1", b"PAR1xxxxPAR1", b"[]", b"PAR1" + bytes(100)])
def test_no_parquet_file(tmp_path: Path, content: bytes) -> None:
    """A file of that name that is none is one line."""
    pytest.importorskip("pyarrow")

    line = refusal(write(tmp_path, "data.parquet", content))

    assert line == "data.parquet: it is no Parquet file; get the file anew"


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says how to install it."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    install = 'install it with pip install "pytest-llmjudge[parquet]"'
    assert refusal(write(tmp_path, "data.parquet", b"PAR1")) == (
        f"data.parquet: Parquet files need pyarrow; {install}"
    )
    assert refusal(write(tmp_path, "data.json.zst", b"\x28\xb5\x2f\xfdx")) == (
        f"data.json.zst: Zstandard files need pyarrow; {install}, or unpack the file"
    )


BOMBS = {
    "csv-field": """
path = Path("data.csv")
path.write_text("instruction,output\\na," + "x" * 100_000_000 + "\\n")
""",
    "csv-quoted-field": """
path = Path("data.csv")
path.write_text('instruction,output\\na,"' + "\\U0001f44b\\n" + "xxxxxxx\\n" * 12_500_000 + '"\\n')
""",
    "gzip": """
import gzip
path = Path("data.jsonl.gz")
with gzip.open(path, "wb", compresslevel=1) as file:
    for _ in range(300):
        file.write(b" " * 1_000_000)
""",
    "json-lists": """
path = Path("data.json")
path.write_text("[" + "[]," * 20_000_000 + "[]]")
""",
    "json-inside": """
path = Path("data.json")
path.write_text('[{"instruction": "a", "output": "b", "k": [' + "{}," * 20_000_000 + "{}]}]")
""",
    "json-lines": """
path = Path("data.jsonl")
path.write_text("{}\\n" * 40_000_000)
""",
    "zstd": """
import pyarrow as pa
path = Path("data.jsonl.zst")
with pa.CompressedOutputStream(str(path), "zstd") as file:
    for _ in range(2000):
        file.write(b" " * 1_000_000)
""",
    "parquet-text": """
import pyarrow as pa, pyarrow.parquet as pq
path = Path("data.parquet")
text = pa.array(["x" * 10_000_000])
column = pa.DictionaryArray.from_arrays(pa.array([0] * 50_000, pa.int32()), text)
pq.write_table(pa.table({"instruction": column, "output": column}), path)
""",
    "parquet-messages": """
import pyarrow as pa, pyarrow.parquet as pq
path = Path("data.parquet")
message = {"role": "user", "content": "x" * 500_000}
schema = pa.schema({"messages": pa.list_(pa.struct({"role": pa.string(), "content": pa.string()}))})
with pq.ParquetWriter(path, schema) as writer:
    for _ in range(50):
        writer.write_table(pa.table({"messages": [[message] * 2] * 20}, schema))
""",
    "parquet-nulls": """
import pyarrow as pa, pyarrow.parquet as pq
path = Path("data.parquet")
pq.write_table(pa.table({"instruction": pa.nulls(50_000_000)}), path)
""",
    "parquet-lists": """
import pyarrow as pa, pyarrow.parquet as pq
path = Path("data.parquet")
pq.write_table(pa.table({"turns": pa.array([[None] * 20_000_000], pa.list_(pa.null()))}), path)
""",
    "parquet-list-of-zeros": """
import numpy, pyarrow as pa, pyarrow.parquet as pq
path = Path("data.parquet")
size = 40_000_000
zeros = pa.array(numpy.zeros(size, numpy.int64))
pq.write_table(pa.table({"turns": pa.ListArray.from_arrays([0, size], zeros)}), path)
""",
}
LOAD = """
import sys
from pathlib import Path
from pytest_llmjudge.errors import RecordsError
from pytest_llmjudge.records.loading import load_records

path = Path(sys.argv[1])
try:
    load_records(path)
except RecordsError as error:
    print(*error.lines, sep="\\n")
# That of getrusage() begins with what the process had that started this one.
(peak,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(int(peak.split()[1]) // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", list(BOMBS))
def test_a_bomb_is_one_line(tmp_path: Path, name: str) -> None:
    """A small file that would fill the memory, or a field of 100 MB, takes less than 1 GiB."""
    if sys.platform != "linux":
        pytest.skip("needs what Linux tells of a process")
    if "parquet" in name or name == "zstd":
        pytest.importorskip("pyarrow")
    make = f"from pathlib import Path\n{BOMBS[name]}\nprint(path)"
    run = [sys.executable, "-c"]
    made = subprocess.run([*run, make], cwd=tmp_path, capture_output=True, text=True, check=True)

    loaded = subprocess.run(
        [*run, LOAD, made.stdout.strip()], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    *lines, mib = loaded.stdout.splitlines()
    assert len(lines) == 1, lines
    assert "more than" in lines[0]
    assert int(mib) < 1024


def arrow_stream(path: Path, rows: list[dict[str, Any]]) -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.Table.from_pylist(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)


def test_bytes_are_no_answer(tmp_path: Path) -> None:
    """What is no text is refused as what it is."""
    pa = pytest.importorskip("pyarrow")
    path = parquet(tmp_path / "data.parquet", pa.table({"question": ["a"], "answer": [b"\xff"]}))

    assert refusal(path) == 'data.parquet: record 1: "answer" is an object; it must be a string'


def stream_of(table: Any, **options: Any) -> bytes:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa

    sink = io.BytesIO()
    how = pa.ipc.IpcWriteOptions(**options)
    with pa.ipc.new_stream(sink, table.schema, options=how) as writer:
        writer.write_table(table)
    return sink.getvalue()


def saved_stream(folder: Path, content: bytes) -> Path:
    write(folder, "saved/state.json", '{"_data_files": [{"filename": "x.arrow"}]}')
    write(folder, "saved/x.arrow", content)
    return folder / "saved"


def test_streams_that_are_not_read(tmp_path: Path) -> None:
    """Each is one line: columns of one name, and bodies that unpack to any size."""
    pa = pytest.importorskip("pyarrow")
    texts = pa.array(["a" * 9000])
    twice = pa.Table.from_arrays([texts, texts], ["question", "question"])
    packed = pa.table({"question": texts, "answer": texts.dictionary_encode()})
    parquet(tmp_path / "data.parquet", twice)

    lines = [
        refusal(tmp_path / "data.parquet"),
        refusal(saved_stream(tmp_path, stream_of(twice))),
        refusal(saved_stream(tmp_path, stream_of(packed, compression="zstd"))),
    ]

    again = 'it has the column "question" more than once; keep one of them'
    assert lines == [
        f"data.parquet: {again}",
        f"x.arrow: {again}",
        "x.arrow: its batches are compressed; write the file without compression",
    ]


def test_a_stream_of_views(tmp_path: Path) -> None:
    """Its texts may be named any number of times, so that it unpacks to any size."""
    pa = pytest.importorskip("pyarrow", minversion="16")
    texts = pa.array(["a" * 9000]).cast(pa.string_view())

    assert refusal(saved_stream(tmp_path, stream_of(pa.table({"question": texts})))) == (
        "x.arrow: it has a column of views or of repeated values; "
        "write the file with plain strings and lists"
    )


def test_a_stream_with_wrong_offsets(tmp_path: Path) -> None:
    """It is no stream, and does not end the process."""
    pa = pytest.importorskip("pyarrow")
    offsets = pa.array([0, 3, 6], pa.int32()).buffers()[1].to_pybytes()
    content = stream_of(pa.table({"question": ["abc", "def"], "answer": ["x", "y"]}))
    assert offsets in content
    wrong = pa.array([0, 2**30, 6], pa.int32()).buffers()[1].to_pybytes()

    line = refusal(saved_stream(tmp_path, content.replace(offsets, wrong)))

    assert line == "x.arrow: it is no Arrow file; get the file anew"


def save(folder: Path, rows: list[dict[str, Any]], **state: object) -> Path:
    """Write what ``Dataset.save_to_disk`` writes."""
    names = [f"data-{number:05}-of-00002.arrow" for number in range(2)]
    for number, name in enumerate(names):
        arrow_stream(folder / name, rows[number::2])
    files = [{"filename": name} for name in names]
    write(folder, "state.json", json.dumps({"_data_files": files, "_split": "train", **state}))
    write(folder, "dataset_info.json", "{}")
    return folder


def rows(*numbers: int) -> list[dict[str, Any]]:
    return [{"question": f"Q{number}", "answer": f"A{number}"} for number in numbers]


def test_a_saved_data_set(tmp_path: Path) -> None:
    """All its files are read, in their order."""
    folder = save(tmp_path / "saved", rows(0, 1, 2, 3))

    assert [one.output for one in load_records(folder)] == ["A0", "A2", "A1", "A3"]
    assert len(load_records(folder, split="train")) == 4
    assert refusal(folder, "test") == 'saved: it has no split "test"; it has "train"'


def test_a_saved_data_set_of_several_splits(tmp_path: Path) -> None:
    """The split says which is read."""
    folder = tmp_path / "saved"
    save(folder / "train", rows(0, 1))
    save(folder / "test", rows(2, 3))
    write(folder, "dataset_dict.json", '{"splits": ["train", "test"]}')

    assert [one.output for one in load_records(folder, split="test")] == ["A2", "A3"]
    assert (
        refusal(folder)
        == 'saved: it has the splits "train" and "test"; choose one, as in split="train" or --llm-judge-split=train'
    )


def test_a_data_set_as_it_is_published(tmp_path: Path) -> None:
    """Files belong to a split by their names or their folders."""
    pa = pytest.importorskip("pyarrow")
    folder = tmp_path / "published"
    for number in range(2):
        name = f"data/train-{number:05}-of-00002.parquet"
        parquet(folder / name, pa.Table.from_pylist(rows(number)))
    write(folder, "test/some.jsonl", json.dumps(rows(5)[0]))
    write(folder, "my_dev.csv", "question,answer\nQ6,A6\n")
    write(folder, "README.md", "# A data set")
    write(folder, ".cache/other.json", "[]")

    outputs = {
        split: [one.output for one in load_records(folder, split=split)]
        for split in ("train", "test", "validation")
    }

    assert outputs == {"train": ["A0", "A1"], "test": ["A5"], "validation": ["A6"]}


def test_a_split_of_several_configurations(tmp_path: Path) -> None:
    """They are never mixed, and each can be named."""
    folder = tmp_path / "published"
    for kind in ("main", "socratic"):
        for split in ("train", "test"):
            write(folder, f"v1/{kind}/{split}.jsonl", json.dumps(rows(len(kind))[0]))
    write(folder, "v1/main/config.json", "{}")

    assert refusal(folder, "test") == (
        'published: the files of its split "test" are in "v1/main" and "v1/socratic"; '
        "name one of these folders instead of it"
    )
    (record,) = load_records(folder / "v1/main", split="test")
    assert record.output == "A4"


def test_a_split_without_one_of_its_files(tmp_path: Path) -> None:
    """A part of a split is not taken for all of it."""
    folder = tmp_path / "published"
    write(folder, "test-00000-of-00002.jsonl", json.dumps(rows(0)[0]))

    assert refusal(folder) == (
        'published: it has no "test-00001-of-00002"; get all files of the split'
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            '{"question": "a", "answer": "b", "n": NaN}',
            '"n" is NaN, which JSON does not have; leave it out or write null',
        ),
        (
            '{"question": "a", "answer": "b", "answer": "c"}',
            'it has "answer" more than once; keep one of them',
        ),
    ],
)
def test_odd_records_of_a_folder(tmp_path: Path, line: str, problem: str) -> None:
    """They are refused as in a file."""
    write(tmp_path, "published/test.jsonl", line)

    assert refusal(tmp_path / "published") == f"test.jsonl: line 1: {problem}"


SAVE_AGAIN = "save the data set again"
BAD_FOLDERS: dict[str, tuple[str, str]] = {
    "state.json": ("{", f"saved/state.json: it cannot be read as JSON; {SAVE_AGAIN}"),
    "state.json ": (
        '{"_data_files": []}',
        f'saved/state.json: it has no list "_data_files"; {SAVE_AGAIN}',
    ),
    "state.json  ": (
        '{"_data_files": [{"filename": "../x.arrow"}]}',
        f"saved: state.json names no file of it; {SAVE_AGAIN}",
    ),
    "state.json   ": (
        '{"_data_files": [{"filename": "x.arrow"}]}',
        "x.arrow: it is no Arrow file; get the file anew",
    ),
    "state.json    ": (
        '{"_data_files": ["x.arrow"]}',
        f"saved: state.json names no file of it; {SAVE_AGAIN}",
    ),
    "dataset_dict.json ": (
        '{"splits": [".."]}',
        f"saved: dataset_dict.json names no folder of it; {SAVE_AGAIN}",
    ),
    "dataset_dict.json": (
        "{}",
        f'saved/dataset_dict.json: it has no list "splits"; {SAVE_AGAIN}',
    ),
}


@pytest.mark.parametrize("name", list(BAD_FOLDERS))
def test_a_bad_folder(tmp_path: Path, name: str) -> None:
    """A damaged data set is one line."""
    pytest.importorskip("pyarrow")
    content, line = BAD_FOLDERS[name]
    folder = tmp_path / "saved"
    write(folder, name.strip(), content)
    write(folder, "x.arrow", b"no arrow")

    assert refusal(folder) == line


def test_chosen_rows_of_a_saved_data_set(tmp_path: Path) -> None:
    """Rows that a file of indices chooses are not read without it."""
    folder = save(tmp_path / "saved", rows(0, 1), _indices_data_files=[{"filename": "i.arrow"}])

    assert refusal(folder) == (
        "saved: its rows are chosen by a file of indices; save it again with flatten_indices()"
    )


def digest_of(folder: Path, split: str | None = None) -> str:
    return source_digest(find_source(folder, split))


def test_the_digest_of_a_folder(tmp_path: Path) -> None:
    """It changes when any of its data does, and with nothing that is not read."""
    folder = save(tmp_path / "saved", rows(0, 1))
    before = digest_of(folder)
    write(folder, "cache-1.arrow", b"x")
    write(folder, "notes.json", "{}")
    assert before == digest_of(folder)

    arrow_stream(folder / "data-00001-of-00002.arrow", rows(7))

    assert digest_of(folder) != before


def test_the_digest_of_a_split(tmp_path: Path) -> None:
    """It covers the names of the split's own files, and no other split."""
    folder = tmp_path / "published"
    write(folder, "test/a.jsonl", json.dumps(rows(0)[0]))
    write(folder, "train.jsonl", json.dumps(rows(1)[0]))
    before = digest_of(folder, "test")
    write(folder, "train.jsonl", json.dumps(rows(2)[0]))
    assert digest_of(folder, "test") == before

    (folder / "test/a.jsonl").rename(folder / "test/b.jsonl")

    assert digest_of(folder, "test") != before


def test_a_folder_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding, reading and hashing the records of a suite walk it one time."""
    write(tmp_path, "published/test.jsonl", json.dumps(rows(0)[0]))
    walks: list[Path] = []
    walk = os.walk

    def counted(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
        walks.append(folder)
        return walk(str(folder))

    monkeypatch.setattr("pytest_llmjudge.records.dataset_folders.os.walk", counted)
    chosen = SuiteSettings(None, None, None, "alpaca", None, None)

    suite = read_suite("test_a", "published", tmp_path, chosen, load_records)

    assert [record.output for record in suite.records] == ["A0"]
    assert walks == [tmp_path / "published"]


def test_what_is_wrong_in_several_files_of_a_folder(tmp_path: Path) -> None:
    """A line names the file of its first record, and others where they are meant."""
    folder = tmp_path / "published"
    good, bad = rows(0)[0], {"question": "Q", "answer": ""}
    for name, values in {
        "a/test-00000-of-00003.jsonl": [{**good, "id": "x"}, bad],
        "a/test-00001-of-00003.csv": [{**good, "id": "y"}],
        "a/test-00002-of-00003.jsonl": [{**good, "id": "x"}, bad, {"question": 1, "answer": "a"}],
    }.items():
        text = "\n".join(map(json.dumps, values))
        write(folder, name, "question,answer,id\nQ,A,y\n" if name.endswith("csv") else text)

    with pytest.raises(RecordsError) as caught:
        load_records(folder)

    two_empty, taken, number = caught.value.lines
    assert two_empty == (
        'published: line 2 of test-00000-of-00003.jsonl and 1 other: "answer" is empty; '
        "every record needs a reference answer, or criteria"
    )
    assert taken == (
        'test-00002-of-00003.jsonl: line 1: "id" is "x", as in line 1 of '
        "test-00000-of-00003.jsonl; ids must differ within a file"
    )
    assert number == (
        'test-00002-of-00003.jsonl: line 3: "question" is a number; it must be a string'
    )


def test_records_of_a_saved_data_set_are_counted_by_file(tmp_path: Path) -> None:
    """A row's number is the one that its file gives it."""
    values = [*rows(0, 1, 2), {"question": "Q", "answer": " "}]
    folder = save(tmp_path / "saved", values)

    assert refusal(folder) == (
        'data-00001-of-00002.arrow: record 2: "answer" is empty; every record needs a reference '
        "answer, or criteria"
    )


RECORD = b'{"instruction": "Say it.", "output": "It."}'


def test_texts_that_look_like_many_values(tmp_path: Path) -> None:
    """Commas and brackets in strings are no values, whatever is escaped there."""
    text = '\\\\\\"[{,' * 3_000_000
    path = write(tmp_path, "data.json", f'[{{"instruction": "Say it.", "output": "{text}"}}]')

    (record,) = load_records(path)

    assert record.output.count(",") == 3_000_000
    unclosed = '[{"instruction": "Say it.", "output": "' + "[," * 5_000_000
    assert "it is not JSON" in refusal(write(tmp_path, "unclosed.json", unclosed))


@pytest.mark.parametrize(
    ("kind", "content"),
    [("bzip2", bz2.compress(RECORD)), ("xz", lzma.compress(RECORD)), ("zip", b"PK\x03\x04")],
)
def test_other_compressions(tmp_path: Path, kind: str, content: bytes) -> None:
    """They are named."""
    assert refusal(write(tmp_path, "data.jsonl", content)) == (
        f"data.jsonl: it is compressed as {kind}, which is not read; unpack it, or pack it as .gz "
        "or .zst"
    )


def test_a_column_that_python_cannot_hold(tmp_path: Path) -> None:
    """It is named, such as a time after the year 9999."""
    pa = pytest.importorskip("pyarrow")
    when = pa.array([10**15], pa.timestamp("ms"))
    parquet(tmp_path / "data.parquet", pa.table({"question": ["Q"], "answer": ["A"], "when": when}))

    assert refusal(tmp_path / "data.parquet") == (
        'data.parquet: its column "when" holds values that cannot be read; leave it out, or write '
        "it as text"
    )


LINE = RECORD.decode() + "\n"
FOLDERS: dict[str, tuple[tuple[str, ...], str]] = {
    "packed": (
        ("test-a.jsonl", "test-b.jsonl.bz2", "train.pq"),
        (
            'its split "test" has "test-b.jsonl.bz2" too, which cannot be read; unpack such files, or '
            "take them out of the folder"
        ),
    ),
    "twice": (
        ("test.jsonl", "test.jsonl.gz"),
        (
            'it has "test.jsonl" and "test.jsonl.gz"; they may hold the same records, so take one out '
            "of the folder"
        ),
    ),
    "versions": (
        ("test-00000-of-00001.jsonl", "test-00000-of-00002.jsonl", "test-00001-of-00002.jsonl"),
        (
            'it has "test-00000-of-00001.jsonl" and "test-00000-of-00002.jsonl"; they may hold the '
            "same records, so take one out of the folder"
        ),
    ),
    "whole-and-shard": (
        ("test-00000-of-00001.jsonl", "test.jsonl"),
        (
            'it has "test-00000-of-00001.jsonl" and "test.jsonl"; they may hold the same records, so '
            "take one out of the folder"
        ),
    ),
}


@pytest.mark.parametrize("name", list(FOLDERS))
def test_folders_with_files_too_many(tmp_path: Path, name: str) -> None:
    """No file of a split is left out, and none is read beside another version of it."""
    files, text = FOLDERS[name]
    for file in files:
        write(tmp_path, f"set/{file}", LINE)

    assert refusal(tmp_path / "set", "test") == f"set: {text}"


def test_files_of_one_split(tmp_path: Path) -> None:
    """Several may have one each, and notes beside them are no data."""
    for file in ("test-a.jsonl", "test-b.jsonl", "README.md", "test.txt", "test.jsonl.sha256"):
        write(tmp_path, f"set/{file}", LINE)

    assert len(load_records(tmp_path / "set")) == 2
