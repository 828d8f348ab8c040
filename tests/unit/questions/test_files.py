"""Files of benchmark sets as records, and what is said of those that are none."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmjudge.errors import RecordsError
from pytest_llmjudge.questions.files import read_questions
from pytest_llmjudge.questions.modes import with_fields
from pytest_llmjudge.questions.presets import CHOICE_MODES, CHOICE_PRESETS, EXACT_PRESETS
from pytest_llmjudge.records.files import find_source
from tests.support.benchmark_sets import rows_of, write_set

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_llmjudge.data import Record
    from pytest_llmjudge.questions.base import AnyQuestion, Form

LETTERS = CHOICE_MODES["letters"]
OWN = {"question": "Why?", "choices": ["x", "y"], "answer": 1}


def read(
    folder: Path, rows: Sequence[object], form: Form[AnyQuestion] = LETTERS
) -> tuple[Record, ...]:
    path = folder / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return read_questions(find_source(path), form, gates=("average", "baseline"))


def refused(
    folder: Path, rows: Sequence[object], form: Form[AnyQuestion] = LETTERS
) -> tuple[str, ...]:
    with pytest.raises(RecordsError) as caught:
        read(folder, rows, form)
    return caught.value.lines


def test_records(tmp_path: Path) -> None:
    """The question is the instruction, the right answer the output, the row all fields."""
    path = write_set("arc_easy", tmp_path)["test"]

    records = read_questions(find_source(path), CHOICE_PRESETS["arc_easy"])

    rows, _ = rows_of("arc_easy")
    assert [record.fields for record in records] == rows
    assert [record.id for record in records] == [row["id"] for row in rows]
    assert records[0].instruction == rows[0]["question"]
    assert records[0].output == rows[0]["choices"]["text"]["ABCDE".index(rows[0]["answerKey"])]
    assert {record.input for record in records} == {""}


def test_the_reference_of_an_exact_answer(tmp_path: Path) -> None:
    """It is all that the set says."""
    path = write_set("gsm8k", tmp_path)["test"]

    records = read_questions(find_source(path), EXACT_PRESETS["gsm8k"])

    assert [record.output for record in records] == [row["answer"] for row in rows_of("gsm8k")[0]]


def test_ids(tmp_path: Path) -> None:
    """A row without an id is named after what it asks; numbers are ids too."""
    other, moved = {**OWN, "choices": ["x", "z"]}, {**OWN, "note": "another column"}
    names = [record.id for record in read(tmp_path, [OWN, {**OWN, "id": 7}, other, moved])]

    assert names[0].startswith("why-")
    assert names[1] == "7"
    assert names[2] not in names[:2]
    assert names[3] == f"{names[0]}-2"


def test_the_same_words(tmp_path: Path) -> None:
    """Of two questions with the same words and other options each stands for itself."""
    row = rows_of("mmlu_pro")[0][0]
    other = {**row, "options": [f"{option}!" for option in row["options"]]}

    one, two = read(tmp_path, [row, other], EXACT_PRESETS["mmlu_pro"])

    assert one.id.removesuffix("-2") != two.id.removesuffix("-2")
    assert one.instruction.splitlines()[:2] == [row["question"], f"A. {row['options'][0]}"]


def test_fields_name_the_id(tmp_path: Path) -> None:
    """fields= may name the column that holds it."""
    form = with_fields("t", LETTERS, {"id": "meta.key"})

    (record,) = read(tmp_path, [{**OWN, "meta": {"key": "first"}}], form)

    assert record.id == "first"


def test_fields_name_what_is_wrong(tmp_path: Path) -> None:
    """A message has the names of the file's columns."""
    form = with_fields("t", LETTERS, {"question": "prompt", "answer": "meta.key"})
    row = {"prompt": "Why?", "choices": ["x", "y"], "meta": {"key": 1}}

    lines = refused(tmp_path, [row, {**row, "prompt": ""}, {**row, "meta": {"key": 9}}], form)

    assert lines == (
        'own.jsonl: line 2: "prompt" is empty; write a text',
        (
            'own.jsonl: line 3: "meta.key" is 9, which is none of the 2 choices; write an index '
            "from 0 to 1 or a letter from A to B"
        ),
    )


@pytest.mark.parametrize("text", ["\ud800", "\0"])
def test_characters_of_all_that_a_prompt_has(text: str, tmp_path: Path) -> None:
    """The subject and a chain of thought are read by models as well."""
    thought = rows_of("mmlu_pro")[0][0]
    form = EXACT_PRESETS["mmlu_pro"]
    told = [
        *refused(tmp_path, [{**OWN, "subject": text}]),
        *refused(tmp_path, [{**thought, "category": f"law{text}"}], form),
        *refused(tmp_path, [{**thought, "cot_content": text}], form),
    ]

    assert len(told) == 3
    assert all("line 1: it holds" in line for line in told)


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        ([], ["own.jsonl: it is empty; add records or name another file"]),
        (
            [OWN, {**OWN, "answer": "C"}, {**OWN, "answer": 5}],
            [
                (
                    'own.jsonl: line 2 and 1 other like it: "answer" is "C", which is none of the 2 '
                    "choices; write an index from 0 to 1 or a letter from A to B"
                )
            ],
        ),
        (
            [
                OWN,
                {**OWN, "choices": ["x"]},
                {**OWN, "choices": ["x"] * 27},
                {**OWN, "question": ""},
            ],
            [
                "own.jsonl: line 2 and 1 other like it: it has 1 choice; a question has 2 to 26",
                'own.jsonl: line 4: "question" is empty; write a text',
            ],
        ),
        ([OWN, [1]], ["own.jsonl: line 2: it is a list; a question is an object"]),
        (
            [{**OWN, "id": "a"}, {**OWN, "id": "a"}],
            ['own.jsonl: line 2: "id" is "a", as in line 1; ids must differ within a file'],
        ),
        (
            [{**OWN, "id": "average"}],
            ['own.jsonl: line 1: "id" is "average", the name of a gate; give it another id'],
        ),
        (
            [{**OWN, "id": [1]}],
            ['own.jsonl: line 1: "id" is no text or whole number; write one, or leave it out'],
        ),
        (
            [{**OWN, "choices": ["x", "a\0b"]}],
            ["own.jsonl: line 1: it holds a NUL character; remove it"],
        ),
        (
            [{**OWN, "question": "\ud83d?"}],
            [
                (
                    "own.jsonl: line 1: it holds half a surrogate pair (character 1); "
                    "write the text again as UTF-8"
                )
            ],
        ),
        (
            [{**OWN, "subject": "\ud83dlaw"}, {**OWN, "id": "\ud83d"}, {**OWN, "subject": "a\0"}],
            [
                (
                    "own.jsonl: lines 1 and 2: it holds half a surrogate pair (character 1); "
                    "write the text again as UTF-8"
                ),
                "own.jsonl: line 3: it holds a NUL character; remove it",
            ],
        ),
        (
            [{**OWN, "weight": float("nan")}],
            [
                (
                    'own.jsonl: line 1: "weight" is NaN, which JSON does not have; '
                    "leave it out or write null"
                )
            ],
        ),
    ],
)
def test_wrong_files(tmp_path: Path, rows: list[Any], lines: list[str]) -> None:
    """One line for each cause, with the first place and how many rows share it."""
    assert list(refused(tmp_path, rows)) == lines


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
COLUMNS = st.dictionaries(st.sampled_from([*OWN, "id", "subject"]), VALUES, max_size=3)


@settings(max_examples=40)
@given(rows=st.lists(VALUES | COLUMNS.map(lambda change: {**OWN, **change}), max_size=4))
def test_any_file(rows: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever a file holds, all of its rows are questions or it is refused."""
    folder = tmp_path_factory.getbasetemp()

    try:
        records = read(folder, rows)
    except RecordsError:
        return

    assert len(records) == len({record.id for record in records}) == len(rows)


def test_all_causes(tmp_path: Path) -> None:
    """A cause of every row is said once."""
    rows = [{**row, "label": ""} for row in rows_of("hellaswag")[0]]

    assert refused(tmp_path, rows, CHOICE_PRESETS["hellaswag"]) == (
        (
            f'own.jsonl: all {len(rows)} records: "label" says no answer; '
            "take the validation split: the test split has no answers"
        ),
    )


@pytest.mark.parametrize(
    ("name", "form", "line"),
    [
        (
            *("piqa", CHOICE_PRESETS["arc_easy"]),
            (
                'own.jsonl: no row has "question", "choices" and "answerKey", which arc_easy needs; '
                'it reads like llm_choices(…, preset="piqa")'
            ),
        ),
        (
            *("gsm8k", CHOICE_PRESETS["mmlu_pro"]),
            (
                'own.jsonl: no row has "options" and "category", which mmlu_pro needs; '
                'it reads like llm_exact(…, preset="gsm8k")'
            ),
        ),
        (
            *("openbookqa", EXACT_PRESETS["gsm8k"]),
            (
                'own.jsonl: no row has "question" and "answer", which gsm8k needs; '
                'it reads like llm_choices(…, preset="openbookqa")'
            ),
        ),
    ],
)
def test_another_set(tmp_path: Path, name: str, form: Form[AnyQuestion], line: str) -> None:
    """Rows of another set are known by their columns."""
    assert refused(tmp_path, rows_of(name)[0], form) == (line,)


def test_own_files_and_presets(tmp_path: Path) -> None:
    """Rows for a mode are no set's; rows of nothing that is known are shown with their columns."""
    assert refused(tmp_path, [OWN], CHOICE_PRESETS["winogrande"]) == (
        (
            'own.jsonl: no row has "sentence", "option1" and "option2", which winogrande needs; '
            'it reads like llm_choices(…, mode="letters")'
        ),
    )
    assert refused(tmp_path, [{"prompt": "x", "options": ["a", "b"]}]) == (
        (
            'own.jsonl: no row has "question", "choices" and "answer", which letters needs; '
            'name yours with fields={"question": "…", "choices": "…", "answer": "…"}: there are '
            '"prompt" and "options"'
        ),
    )
    assert refused(tmp_path, [{"instruction": "x", "output": "y"}]) == (
        (
            'own.jsonl: no row has "question", "choices" and "answer", which letters needs; '
            "it reads like records, which llm_exact and llm_judge take"
        ),
    )
    assert refused(tmp_path, [{"passage": "x", "label": 0}], CHOICE_PRESETS["piqa"]) == (
        (
            'own.jsonl: no row has "goal", "sol1" and "sol2", which piqa needs; its columns are '
            '"passage" and "label": name a file of the public set'
        ),
    )
    form = with_fields("t", LETTERS, {"question": "prompt"})
    assert refused(tmp_path, [OWN], form) == (
        (
            'own.jsonl: no row has "prompt", which letters needs; '
            'correct fields=: the columns are "question", "choices" and "answer"'
        ),
    )


def test_tables(tmp_path: Path) -> None:
    """In a table the choices are JSON, and all numbers texts."""
    path = tmp_path / "own.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(OWN)
        writer.writerow(["Why?", '["x", "y"]', "1"])

    (record,) = read_questions(find_source(path), LETTERS)

    assert record.output == "y"


def test_another_split(tmp_path: Path) -> None:
    """A file of several splits is read as records files are."""
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"train": [OWN], "test": [OWN, OWN]}), encoding="utf-8")

    assert len(read_questions(find_source(path, "test"), LETTERS)) == 2
