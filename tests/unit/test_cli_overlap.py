"""The command ``llmjudge overlap``: what it prints, and the status it ends with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pytest_llmjudge.cli import main

TRAINED = ["Name a colour.", "What is the opposite of 'weak'?"]
HELD_OUT = ["name a colour", "What is the opposite of 'wet'?", "Name a number."]


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training data in messages, and held-out prompts without an answer."""
    monkeypatch.chdir(tmp_path)
    lines = [{"messages": [{"role": "user", "content": text}]} for text in TRAINED]
    Path("train.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    held_out = [{"id": f"h{at}", "instruction": text} for at, text in enumerate(HELD_OUT)]
    Path("held.json").write_text(json.dumps(held_out), encoding="utf-8")
    Path("other.json").write_text('[{"q": "Name a number!", "a": "1"}]', encoding="utf-8")


def test_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """What the gate says, and all of the records."""
    assert main(["overlap", "train.jsonl", "held.json"]) == 1

    assert capsys.readouterr().out == (
        "1 of 3 records appears in the training data word for word (1 nearly); take it out of the "
        "training data, or out of the suite\n"
        "word for word:\n"
        "  h0  train.jsonl: line 1\n"
        "nearly:\n"
        "  0.88  h1  train.jsonl: line 2: What is the opposite of 'weak'?\n"
    )


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The same as data; with as much as is allowed the status is 0."""
    assert main(["overlap", "train.jsonl", "held.json", "--max-overlap=0.7", "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    records = document.pop("records")
    assert document == {
        "held_out": "held.json",
        "outcome": "passed",
        "training": [{"path": "train.jsonl", "records": 2, "unread": 0, "problem": ""}],
        "total": 3,
        "exact": 1,
        "near": 1,
        "max_overlap": 0.7,
    }
    assert [(one["id"], one["is_exact"], one["place"]) for one in records] == [
        ("h0", True, "line 1"),
        ("h1", False, "line 2"),
    ]


def test_several_files_and_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """The last one is held out; fields are for each file that has them."""
    Path("held.json").write_text('[{"q": "name a number", "a": "1"}]', encoding="utf-8")
    files = ["train.jsonl", "other.json", "held.json"]

    assert main(["overlap", *files, "--fields", "instruction=q output=a"]) == 1
    assert "other.json: record 1" in capsys.readouterr().out
    assert main(["overlap", "train.jsonl", "held.json", "--fields", "instruction=q output=a"]) == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ["copy.json", "held.json"],
            (
                "copy.json: it is the held-out file held.json itself; name the data that the model was "
                "trained on, and then the held-out file"
            ),
        ),
        (
            ["no.json", "held.json"],
            (
                "no.json: it cannot be read (No such file or directory); check the path and its "
                "permissions"
            ),
        ),
        (
            ["train.jsonl", "held.json", "--max-overlap=5"],
            '--max-overlap: "5" is no share; give a share from 0 to 1, for example 0.05',
        ),
    ],
)
def test_what_cannot_be_used(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on standard error, and status 2."""
    shutil.copy("held.json", "copy.json")

    assert main(["overlap", *arguments]) == 2

    assert capsys.readouterr().err == f"llmjudge: {text}\n"
