"""Records files: what they may hold, and how records are named."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from importlib import resources
from typing import TYPE_CHECKING

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_llmjudge.data import Record
from pytest_llmjudge.errors import RecordsError
from pytest_llmjudge.kinds.markers import GATES
from pytest_llmjudge.records.loading import draw_sample, load_records, record_id
from pytest_llmjudge.records.validation import is_plain

if TYPE_CHECKING:
    from pathlib import Path

TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1
).filter(str.strip)
RECORDS = st.lists(
    st.fixed_dictionaries(
        {"instruction": TEXT, "output": TEXT}, optional={"input": TEXT, "source": TEXT}
    ),
    min_size=1,
    max_size=8,
)


def write(folder: Path, content: object, name: str = "data.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


SCHEMA = json.loads(resources.files("pytest_llmjudge").joinpath("schemas/record.json").read_bytes())
VALUES = st.one_of(
    st.text(max_size=3), st.sampled_from([" \t", "\u2003", "\x1f", "x"]), st.integers(), st.none()
)
ODD_RECORDS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys((*SCHEMA["properties"], "other"), VALUES)
)


@given(st.one_of(ODD_RECORDS, VALUES, st.lists(ODD_RECORDS, max_size=2)))
def test_what_looks_good_at_a_glance_is_good(value: object) -> None:
    """The glance never passes what the schema would refuse."""
    refused = list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(value))

    assert not (is_plain(value) and refused)


@given(RECORDS)
def test_ordinary_records_are_good_at_a_glance(values: list[dict[str, str]]) -> None:
    """The glance is enough for records of texts."""
    assert all(map(is_plain, values))


def test_id_is_slug_and_hash() -> None:
    """The id is what the contract says, computed here by hand."""
    canonical = '["Name the author of \'Pride & Prejudice\'.","","Jane Austen."]'
    digest = hashlib.sha256(canonical.encode()).hexdigest()[:8]

    name = record_id("Name the author of 'Pride & Prejudice'.", "", "Jane Austen.")

    assert name == f"name-the-author-of-pride-prejudice-{digest}"


def test_slug_is_cut_at_forty_characters() -> None:
    """A long instruction gives a short name that does not end in a dash."""
    slug = record_id("a" * 39 + " bcd", "", "x")[:-9]

    assert slug == "a" * 39


def test_an_instruction_without_ascii_is_named_by_its_hash() -> None:
    """There may be nothing to make a slug from."""
    assert re.fullmatch(r"[0-9a-f]{8}", record_id("翻訳", "", "x"))


def test_many_marks_in_a_row() -> None:
    """Normalising them together would take minutes: it sorts them, one by one."""
    marks = "\u0301\u0316" * 150_000

    assert record_id(f"Caf\u00e9 {marks}\uff21", "", "x").startswith("cafe-a-")


def test_canonical_json_keeps_text_as_it_is() -> None:
    """The hash is taken over UTF-8 without ASCII escapes."""
    digest = hashlib.sha256('["é","","ß"]'.encode()).hexdigest()[:8]

    assert record_id("é", "", "ß") == f"e-{digest}"


def test_duplicates_are_numbered(tmp_path: Path) -> None:
    """Exact duplicates get -2, -3; an id of another record is not taken from it."""
    record = {"instruction": "Say.", "output": "x"}
    base = record_id("Say.", "", "x")
    path = write(tmp_path, [record, record, {**record, "id": f"{base}-3"}, record])

    ids = [item.id for item in load_records(path)]

    assert ids == [base, f"{base}-2", f"{base}-3", f"{base}-4"]


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    """Some editors write one."""
    path = tmp_path / "data.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps([{"instruction": "a", "output": "b"}]).encode())

    assert load_records(path)[0].instruction == "a"


def test_other_keys_are_kept(tmp_path: Path) -> None:
    """What we do not know is carried along."""
    raw = {"instruction": "a", "output": "b", "tags": ["x", {"y": None}]}

    (record,) = load_records(write(tmp_path, [raw]))

    assert record == Record(record.id, "a", "", "b", raw)


def test_a_megabyte_is_a_record(tmp_path: Path) -> None:
    """Length is for the model and the judge to refuse, record by record."""
    raw = {"instruction": "word " * 200_000, "output": "b"}

    (record,) = load_records(write(tmp_path, [raw]))

    assert len(record.instruction) == 1_000_000
    assert len(record.id) < 50


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(RECORDS, st.randoms(use_true_random=False))
def test_ids_do_not_depend_on_the_neighbours(
    tmp_path: Path, raws: list[dict[str, str]], random: object
) -> None:
    """Ids are unique, no gate's, and stay when records move or others go."""
    loaded = load_records(write(tmp_path, raws))
    ids = [record.id for record in loaded]
    assert len(set(ids)) == len(ids)
    assert not set(ids) & set(GATES)

    random.shuffle(raws)  # type: ignore[attr-defined]
    assert sorted(ids) == sorted(record.id for record in load_records(write(tmp_path, raws)))

    (alone,) = load_records(write(tmp_path, raws[:1]))
    assert alone.id in ids


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(RECORDS)
def test_json_and_json_lines_agree(tmp_path: Path, raws: list[dict[str, str]]) -> None:
    """The two forms of a file give the same records."""
    lines = tmp_path / "data.jsonl"
    lines.write_text("".join(json.dumps(raw) + "\n" for raw in raws), encoding="utf-8")

    assert load_records(lines) == load_records(write(tmp_path, raws))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.binary(max_size=60))
def test_no_bytes_escape_as_another_error(tmp_path: Path, content: bytes) -> None:
    """Whatever a file holds, it is read or refused in our own words."""
    path = tmp_path / "data.json"
    path.write_bytes(content)

    with contextlib.suppress(RecordsError):
        assert load_records(path)


@given(st.sets(st.integers(), min_size=2, max_size=30), st.data())
def test_a_sample_stays_when_records_come_and_go(numbers: set[int], data: st.DataObject) -> None:
    """Records that are drawn stay drawn when one that is not drawn goes, in file order."""
    every = [Record(str(number), "x", "", "y", {}) for number in sorted(numbers)]
    size = data.draw(st.integers(min_value=1, max_value=len(every) - 1))
    drawn = draw_sample(every, size)
    gone = next(record for record in every if record not in drawn)

    assert len(drawn) == size
    assert list(drawn) == [record for record in every if record in drawn]
    assert drawn == draw_sample([record for record in every if record is not gone], size)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A folder in the file's place is reported as what it is."""
    with pytest.raises(RecordsError) as caught:
        load_records(tmp_path)

    text = f"{tmp_path}: it cannot be read (Is a directory); check the path and its permissions"
    assert str(caught.value) == text
