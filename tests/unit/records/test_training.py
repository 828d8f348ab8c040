"""What training data of each format asks, and which records appear in it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.data import Duplicate, FollowUp, Overlap, Record, TrainingFile, Turn
from pytest_llmjudge.errors import RecordsError
from pytest_llmjudge.records.training import find_overlap, read_training, training_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmjudge.records.training import Training


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File names are short."""
    monkeypatch.chdir(tmp_path)


def said(*texts: str) -> list[dict[str, str]]:
    """Make a conversation of which the user has the first word."""
    roles = ("user", "assistant")
    return [{"role": roles[at % 2], "content": text} for at, text in enumerate(texts)]


def read(
    content: object, name: str = "t.json", fields: Mapping[str, str] | None = None
) -> Training:
    """Write training data and read it."""
    text = content if isinstance(content, str) else json.dumps(content)
    Path(name).write_text(text, encoding="utf-8")
    return read_training(Path(name), name, fields)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"instruction": "a", "input": "b", "output": "c"}, ["a\nb"]),
        ({"instruction": "a", "output": ""}, ["a"]),
        ({"instruction": "a"}, ["a"]),
        ({"instruction": "b", "output": "c", "history": [["a", "x"]]}, ["a", "b"]),
        ({"instruction": "a", "context": "b", "response": "c"}, ["a\nb"]),
        ({"prompt": "a", "completion": "b"}, ["a"]),
        ({"prompt": said("a"), "completion": said("", "b")[1:]}, ["a"]),
        ({"question": "a", "answer": "b"}, ["a"]),
        ({"messages": said("a", "b")}, ["a"]),
        ({"messages": said("a")}, ["a"]),
        ({"messages": said("a", "b", "c", "d")}, ["a", "c"]),
        (
            {"messages": [{"role": "system", "content": "s"}, *said("a", "b", "c")]},
            ["a", "c"],
        ),
        (
            {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
            ["a"],
        ),
        ({"question_id": 1, "turns": ["a", "b"]}, ["a", "b"]),
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, ["a"]),
        ({"prompt": said("a"), "chosen": said("", "b")[1:], "rejected": []}, ["a"]),
        ({"chosen": said("a", "b"), "rejected": said("a", "c")}, ["a"]),
        ({"prompt": "a", "completion": "b", "label": False}, ["a"]),
    ],
)
def test_what_a_record_asks(record: Mapping[str, Any], expected: list[str]) -> None:
    """Each message of the user with those before it, in any format, with an answer or without."""
    training = read([record, record])

    assert training.questions == (tuple(expected), tuple(expected))
    assert training.places == ("record 1", "record 2")
    assert training.file == TrainingFile("t.json", 2)


def test_fields_of_the_suite_where_they_are() -> None:
    """They apply to a file that has all of them; another file is read by its own format."""
    fields = {"instruction": "q", "output": "a"}

    mapped = read([{"q": "x", "a": "y"}], fields=fields)
    own = read([{"instruction": "x", "q": "y", "output": "z"}], fields=fields)

    assert mapped.questions == own.questions == (("x",),)


def test_records_that_cannot_be_read_are_counted() -> None:
    """The others are compared all the same."""
    tool = [{"role": "tool", "content": "4"}]
    content = [{"messages": said("a", "b")}, {"messages": tool}, 5, {"messages": said("c", "d")}]

    training = read("\n".join(map(json.dumps, content)), "t.jsonl")

    assert training.questions == (("a",), ("c",))
    assert training.places == ("line 1", "line 4")
    problem = 'line 2: message 1 is of the role "tool"'
    assert training.file == TrainingFile("t.jsonl", 4, unread=2, problem=problem)


def test_the_split_to_train_on_is_read() -> None:
    """Of a file or folder with several, that is the one named train."""
    splits = {name: [{"instruction": name, "output": "x"}] for name in ("test", "train")}
    for name in splits:
        path = Path("data") / f"{name}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(splits[name][0]), encoding="utf-8")

    of_file, of_folder = read(splits), read_training(Path("data"), "data")

    assert of_file.questions == of_folder.questions == (("train",),)
    assert of_file.source.split == of_folder.source.split == "train"
    assert training_digest(Path("data")) != training_digest(Path("t.json")) != ""


def test_the_folder_that_one_is_in() -> None:
    """It has a name in messages."""
    for name in ("a", "b"):
        Path(f"{name}.json").write_text(json.dumps([{"instruction": name}]), encoding="utf-8")

    with pytest.raises(RecordsError) as raised:
        read_training(Path(), ".")

    assert str(raised.value) == (
        f'{Path.cwd().name}: it has the splits "a" and "b"; name a file of one split, or rename '
        'the split to train on to "train"'
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "t.json: it is empty; add records or name another file"),
        ("[]", "t.json: it holds no record; name the data that the model was trained on"),
        (
            [{"text": "a"}, {"text": "b"}],
            (
                't.json: all 2 records lack "instruction"; give the records of t.json an instruction, '
                "a prompt or messages"
            ),
        ),
        (
            [{"instruction": ""}],
            (
                't.json: its only record asks no question (record 1: "instruction" is empty); give the '
                "records of t.json an instruction, a prompt or messages"
            ),
        ),
        (
            [{"messages": []}, {"messages": 5}],
            (
                't.json: none of its 2 records asks a question (record 1: "messages" is empty); give '
                "the records of t.json an instruction, a prompt or messages"
            ),
        ),
        (
            {"a": [{"instruction": "x"}], "b": [{"instruction": "x"}]},
            (
                't.json: it has the splits "a" and "b"; name a file of one split, or rename the split '
                'to train on to "train"'
            ),
        ),
    ],
)
def test_data_that_cannot_be_used(content: object, text: str) -> None:
    """One line says what is wrong."""
    with pytest.raises(RecordsError) as raised:
        read(content)

    assert str(raised.value) == text


def record(name: str, instruction: str, context: str = "", **more: Any) -> Record:  # noqa: ANN401  # what else a record has
    """Make a held-out record."""
    return Record(name, instruction, context, "x", {}, **more)


def exact(name: str, file: str, text: str) -> Duplicate:
    """Make what is found of a record that appears there word for word."""
    return Duplicate(name, is_exact=True, similarity=1.0, file=file, place="record 1", text=text)


def test_records_that_stand_there() -> None:
    """Each with the training record that is most like it, and where that stands."""
    one = read([{"instruction": "Name a colour.", "output": "x"}], "a.json")
    near = {"instruction": "Translate into German", "input": "Good morning to you", "output": "x"}
    two = read([{"messages": said("Hi", "x", "Name a colour", "y")}, {"messages": said("x")}])
    three = read([near], "b.json")
    records = [
        record("same", "name a COLOUR"),
        record("other", "Name a number."),
        record("near", "Translate into German:", context="Good morning to you!!"),
        record("nearer", "Translate into German", context="Good morning to you all"),
        record("talk", "name a colour!", turns=(Turn("user", "Hi"), Turn("assistant", "z"))),
        record("context", "Name a colour", turns=(Turn("user", "Bye"), Turn("assistant", "z"))),
        record("then", "Hi", follow_ups=(FollowUp("Name a colour", "x"),)),
    ]

    translate = "Translate into German Good morning to you"

    overlap = find_overlap(records, [one, two, three], 0.5)

    assert overlap == Overlap(
        7,
        (TrainingFile("a.json", 1), TrainingFile("t.json", 2), TrainingFile("b.json", 1)),
        (
            exact("same", "a.json", "Name a colour."),
            exact("near", "b.json", translate),
            replace(exact("nearer", "b.json", translate), is_exact=False, similarity=37 / 41),
            exact("talk", "t.json", "Hi Name a colour"),
            exact("then", "t.json", "Hi"),
        ),
        0.5,
    )
    assert (overlap.exact, overlap.near, overlap.share) == (4, 1, 5 / 7)
    assert not overlap.is_allowed


@pytest.mark.parametrize(
    ("many", "near", "most", "expected"),
    [
        (0, 3, None, True),
        (1, 0, None, False),
        (1, 0, 0.1, True),
        (1, 1, 0.1, False),
        (0, 1, 0.0, False),
        (0, 0, 0.0, True),
        (5, 5, 1.0, True),
    ],
)
def test_what_is_allowed(many: int, near: int, most: float | None, *, expected: bool) -> None:
    """By itself no exact duplicate; with a share, no more of both kinds than that."""
    duplicates = tuple(
        replace(exact(f"r{number}", "t", "x"), is_exact=number < many)
        for number in range(many + near)
    )

    assert Overlap(10, (), duplicates, most).is_allowed is expected
