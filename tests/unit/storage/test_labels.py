"""Labels files: what was written is read again, and what cannot be a label is named."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmjudge.data import Design, Label, LabelsFile
from pytest_llmjudge.errors import PeopleFileError
from pytest_llmjudge.stats.labels import records_digest, response_digest, seal
from pytest_llmjudge.storage.labels import (
    LABEL_BEGINNINGS,
    append_design,
    append_label,
    labels_so_far,
    read_labels,
)
from pytest_llmjudge.storage.torn_line import set_aside_cut_off

TEXT = st.text(min_size=1, max_size=20)
LABELS = st.builds(
    Label,
    record=TEXT,
    response_sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    score=st.integers(0, 100),
    labeler=TEXT,
    at=st.text(max_size=10),
    note=st.text(max_size=20),
    replaces=st.one_of(st.just(""), st.text("0123456789abcdef", min_size=16, max_size=16)),
)
DESIGN = Design("test_q.py::test_i", 110, 40, 123, records_digest([("r1", "c1")]))
LABEL = Label("r1", response_digest("Paris"), 90, "ana", "2026-11-30T12:00:00+00:00", "good")
EDITED = (
    "it was edited after it was written, and does not match its seal; undo that, or remove the "
    "line and label the response again with llmjudge label"
)


def _written(path: Path, *labels: Label, design: Design | None = DESIGN) -> Path:
    if design is not None:
        append_design(path, design)
    for label in labels:
        append_label(path, label)
    return path


@pytest.fixture(name="whole", scope="module")
def write_whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    return _written(folder / "labels.jsonl", LABEL, replace(LABEL, record="r2", note="}"))


def _lines(error: pytest.ExceptionInfo[PeopleFileError], path: Path) -> list[str]:
    return [line.removeprefix(f"{path}: ") for line in error.value.lines]


@settings(max_examples=40)
@given(st.lists(LABELS, min_size=1, max_size=5, unique_by=lambda one: (*one.key, one.labeler)))
def test_what_is_appended_is_read(
    tmp_path_factory: pytest.TempPathFactory, labels: list[Label]
) -> None:
    """Whatever characters names and notes have, line breaks of all kinds included."""
    path = _written(tmp_path_factory.mktemp("labels") / "labels.jsonl", *labels)

    assert read_labels(path) == LabelsFile(str(path), DESIGN, tuple(labels))
    assert len(path.read_bytes().splitlines()) == 1 + len(labels)


def test_labels_of_other_tools(tmp_path: Path) -> None:
    """Without a design a label needs no seal, no time and no note; unknown keys do no harm."""
    path = tmp_path / "labels.jsonl"
    line = {"record": "r1", "response_sha256": "0" * 64, "score": 0, "labeler": "x", "mood": 3}
    path.write_text(f"\ufeff\n{json.dumps(line)}\r\n\n", encoding="utf-8")

    assert read_labels(path).labels == (Label("r1", "0" * 64, 0, "x"),)
    assert read_labels(path).design is None


def test_files_put_together(tmp_path: Path) -> None:
    """Two labelers' files of one sample are one, and a label that is in both is one label."""
    other = replace(LABEL, labeler="ben", score=70)
    path = _written(tmp_path / "labels.jsonl", LABEL, other)
    path.write_bytes(path.read_bytes() * 2)

    found = read_labels(path)

    assert found.labels == (LABEL, other)
    assert found.scores() == {LABEL.key: {"ana": 90, "ben": 70}}


def test_a_label_that_replaces_another(tmp_path: Path) -> None:
    """The corrected one does not count, in whatever order files are put together."""
    better = replace(LABEL, score=80, replaces=seal(LABEL))
    back = replace(LABEL, replaces=seal(better))
    others = replace(LABEL, labeler="ben", score=10)
    path = _written(tmp_path / "labels.jsonl", LABEL, better)

    assert read_labels(path).labels == (better,)
    _written(path, back, others, LABEL, design=None)
    assert read_labels(path).labels == (back, others)


def test_two_corrections_of_one_label(tmp_path: Path) -> None:
    """Made on two machines, they contradict each other; nobody chooses between them in silence."""
    better, worse = (replace(LABEL, score=score, replaces=seal(LABEL)) for score in (95, 85))
    path = _written(tmp_path / "labels.jsonl", LABEL, better, worse)

    with pytest.raises(PeopleFileError) as error:
        read_labels(path)

    (line,) = _lines(error, path)
    assert line.startswith("line 4: ana gives 85 to a response to r1, and 95 to ")


def test_an_edited_label_that_was_replaced(tmp_path: Path) -> None:
    """It is one problem: the label in its place still is the one that counts."""
    path = _written(tmp_path / "labels.jsonl", LABEL, replace(LABEL, score=8, replaces=seal(LABEL)))
    path.write_text(path.read_text().replace('"score": 90', '"score": 91'))

    with pytest.raises(PeopleFileError) as error:
        read_labels(path)

    assert _lines(error, path) == [f"line 2: {EDITED}"]


def test_labels_so_far(tmp_path: Path) -> None:
    """There may be no file yet, none but blank lines, and a design without labels."""
    path = tmp_path / "labels.jsonl"
    assert labels_so_far(path) == LabelsFile(str(path), None, ())
    path.write_text("\n")
    assert labels_so_far(path) == LabelsFile(str(path), None, ())
    assert labels_so_far(_written(path)) == LabelsFile(str(path), DESIGN, ())
    assert labels_so_far(_written(path, LABEL)) == read_labels(path)


@given(st.integers(min_value=0))
def test_a_crash_at_any_byte(
    tmp_path_factory: pytest.TempPathFactory, whole: Path, cut: int
) -> None:
    """Of the design's line too: what was cut off is set aside, and nothing else is lost."""
    lines = whole.read_bytes()
    length = cut % (len(lines) + 1)
    path = tmp_path_factory.mktemp("cut") / "labels.jsonl"
    path.write_bytes(lines[:length])
    aside = set_aside_cut_off(path, LABEL_BEGINNINGS)

    kept = labels_so_far(path)
    ends = [end for end in range(len(lines)) if lines[end : end + 1] == b"\n"]
    count = sum(length >= end for end in ends)
    assert (kept.design is not None, len(kept.labels)) == (count > 0, max(0, count - 1))
    cut_off = b"" if aside is None else aside.read_bytes()[:-1]
    assert path.read_bytes() + cut_off == lines[:length]


@pytest.mark.parametrize(
    ("key", "value"),
    [("score", 95), ("record", "r2"), ("labeler", "ben"), ("note", ""), ("at", "later")],
)
def test_an_edited_label(tmp_path: Path, key: str, value: object) -> None:
    """Whatever of a label is edited, its seal tells."""
    path = _written(tmp_path / "labels.jsonl", LABEL)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], json.dumps({**json.loads(lines[1]), key: value})]))

    with pytest.raises(PeopleFileError) as error:
        read_labels(path)

    assert _lines(error, path) == [f"line 2: {EDITED}"]


def test_a_label_without_seal_in_a_drawn_sample(tmp_path: Path) -> None:
    """Nobody can take the seal away instead."""
    path = _written(tmp_path / "labels.jsonl")
    with path.open("a") as file:
        file.write(json.dumps(asdict(LABEL)))

    with pytest.raises(PeopleFileError) as error:
        read_labels(path)

    problem = "it has no seal, so that nobody knows whether it was edited"
    assert _lines(error, path) == [f"line 2: {problem}; {EDITED.partition('; ')[2]}"]


def test_all_problems_are_told_together(tmp_path: Path) -> None:
    """A broken line, a second design, a second score and an edited one: a line each."""
    second = replace(DESIGN, seed=7)
    path = _written(tmp_path / "labels.jsonl", LABEL, replace(LABEL, score=10))
    append_design(path, second)
    with path.open("a") as file:
        file.write('{"record": \n')
        file.write(json.dumps({**asdict(LABEL), "record": "r9", "seal": seal(LABEL)}) + "\n")
        file.write('{"record": "r1", "score": "good"}\n[1]\n')

    with pytest.raises(PeopleFileError) as error:
        read_labels(path)

    assert _lines(error, path) == [
        (
            "line 3: ana gives 10 to a response to r1, and 90 to the same response in line 2; keep "
            "one of the two lines"
        ),
        "line 4: it has another design than line 1; keep labels of one sample in a file",
        'line 5: it is no JSON: {"record":; correct or remove the line',
        f"line 6: {EDITED}",
        (
            "line 7: it is no label ('response_sha256' is a required property); correct or remove the "
            "line"
        ),
        "line 8: it is no label ([1] is not of type 'object'); correct or remove the line",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it has no label; give some with llmjudge label"),
        (b"\0", "it holds NUL bytes; name a file that llmjudge label wrote"),
        (b"\xff", "it is no UTF-8; name a file that llmjudge label wrote"),
    ],
)
def test_a_file_without_labels(tmp_path: Path, content: bytes, message: str) -> None:
    """What is no labels file is told in one line."""
    path = tmp_path / "labels.jsonl"
    path.write_bytes(content)

    with pytest.raises(PeopleFileError) as error:
        read_labels(path, named_by="--llm-judge-labels")

    assert error.value.lines == (f"--llm-judge-labels {path}: {message}",)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            ('"size": 40', '"size": 20'),
            "it was edited after it was written, its seal is another design's",
        ),
        (
            ('"seed": 123', '"seed": 7'),
            "it was edited after it was written, its seal is another design's",
        ),
        (
            (', "seal": ', ', "more": '),
            "it has no seal, so that nobody knows whether it was edited",
        ),
    ],
)
def test_an_edited_design(tmp_path: Path, change: tuple[str, str], problem: str) -> None:
    """A sample is not made smaller, or drawn by another seed, once it is labelled."""
    path = _written(tmp_path / "labels.jsonl", LABEL)
    first, second = path.read_text("utf-8").splitlines()
    path.write_text(f"{first.replace(*change)}\n{second}\n", "utf-8")

    with pytest.raises(PeopleFileError) as caught:
        read_labels(path)

    hint = "undo that, or draw a sample and label it with llmjudge label into another file"
    assert str(caught.value) == f"{path}: line 1: {problem}; {hint}"


def test_whole_numbers_with_a_fraction(tmp_path: Path) -> None:
    """JSON Schema takes 40.0 for an integer, and other programs write it; it is 40."""
    path = _written(tmp_path / "labels.jsonl", LABEL)
    text = path.read_text("utf-8").replace('"size": 40', '"size": 40.0')
    path.write_text(text.replace('"score": 90', '"score": 90.0'), "utf-8")

    file = read_labels(path)

    assert file == LabelsFile(str(path), DESIGN, (LABEL,))
    assert file.design is not None
    assert {type(file.design.size), type(file.labels[0].score)} == {int}


def test_another_kind_of_file(tmp_path: Path) -> None:
    """As results in the place of labels: one line, not one for each of its own."""
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"suites": [*range(30)]}, indent=1), "utf-8")

    with pytest.raises(PeopleFileError) as caught:
        read_labels(path)

    line = f"{path}: none of its 34 lines is a label; name a file that llmjudge label wrote"
    assert caught.value.lines == (line,)


def test_a_name_that_no_file_has() -> None:
    """As a marker may give it."""
    with pytest.raises(PeopleFileError, match="its name holds a NUL character; name a file that"):
        read_labels(Path("la\0bels.jsonl"))
