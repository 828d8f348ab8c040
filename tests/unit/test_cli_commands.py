"""No output of the command ``llmjudge`` commands a terminal or the runner of a CI job."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.cli import main
from pytest_llmjudge.storage.labels import append_design, append_label
from tests.support.outcomes import write_votes
from tests.unit.labelling.making import label_on, sample_of
from tests.unit.storage.test_results_reader import SMALLEST

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (
    "##vso[task.setvariable variable=x]y",
    "##[error]forged",
    "##teamcity[buildProblem description='x']",
    "::error file=a.py::forged",
    "\r::stop-commands::x",
    "\x1b[0Ksection_start:1:name\r\x1b[0K",
    "\x1b]8;;http://evil.test\x07click\x1b]8;;\x07",
    "\x9b31m\x7f\u202e",
)
EVIL = "\n".join(COMMANDS)
OBEYED = re.compile(
    r"##[a-z]*\[|^\s*::[\w-]+[^\n]*::|[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", re.M | re.I
)


def write(path: Path, scores: Sequence[int]) -> None:
    """Write a results file whose names, ids and responses are all commands."""
    (suite,) = SMALLEST["suites"]
    (record,) = suite["records"]
    records = [
        {**record, "id": f"{EVIL}{number}", "score": score, "model_response": EVIL}
        for number, score in enumerate(scores)
    ]
    judge = {**SMALLEST["judge"], "model": EVIL}
    counts = {"total": len(records), "scored": len(records), "average": sum(scores) / len(scores)}
    whole = {**suite, **counts, "name": EVIL, "judge": judge, "records": records}
    document = {**SMALLEST, "judge": judge, "suites": [whole]}
    path.write_text(json.dumps(document), encoding="utf-8")


def write_labels(results: Path, path: Path) -> None:
    """Write labels of two people, whose names are commands, so that nothing is left to label."""
    for labeler in (EVIL, f"{EVIL}x"):
        sample = sample_of(results, labeler=labeler)
        append_design(path, sample.design)
        for score, item in enumerate(sample.items):
            append_label(path, label_on(item, score, labeler=labeler))


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results of two models, and votes on them."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "old.json", [90, 80, 85, 70, 95, 88])
    write(tmp_path / "new.json", [70, 65, 80, 40, 95, 60])
    write_votes(tmp_path / "votes.jsonl", [("r0", f"{EVIL}x", f"{EVIL}y", "a")])


@pytest.mark.parametrize("form", [[], ["--json"], ["--markdown"]])
@pytest.mark.parametrize(
    "command",
    [
        ["compare", "old.json", "new.json"],
        ["power", "old.json", "--drop=3"],
        ["history", "old.json", "new.json"],
        ["rate", "votes.jsonl", "--bootstrap=0"],
        ["vote", "old.json", "new.json", "--out=votes.jsonl", "--no-browser"],
        ["label", "old.json", f"--labeler={EVIL}", "--no-browser"],
    ],
)
def test_nothing_is_obeyed(
    command: list[str], form: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever stands in names, ids, responses and votes, in each form a command has."""
    if command[0] == "vote":
        # Identical answers: there is nothing to be voted on, and the names are in the message.
        assert main([*command, f"--voter={EVIL}", *(form if form == ["--json"] else [])]) == 2
    elif command[0] == "label" and form != ["--markdown"]:
        write_labels(Path("old.json"), Path("labels.jsonl"))
        assert main([*command, *form]) == 0
    elif form == ["--markdown"] and command[0] not in {"compare", "history"}:
        with pytest.raises(SystemExit):
            main([*command, *form, EVIL])
    else:
        assert main([*command, *form]) == int(command[0] == "compare")

    shown = capsys.readouterr()
    assert shown.out or shown.err
    assert OBEYED.findall(shown.out + shown.err) == []


def test_json_reads_back_as_the_same_text(capsys: pytest.CaptureFixture[str]) -> None:
    """What is escaped in JSON is escaped as JSON does it."""
    assert main(["compare", "--json", "old.json", "new.json"]) == 1

    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    (suite,) = document["suites"]
    assert suite["name"] == EVIL
    assert {flip["response_after"] for flip in suite["flips"]} == {EVIL}


def test_a_usage_error_repeats_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The names of branches and files come from other people."""
    with pytest.raises(SystemExit) as caught:
        main(["power", "old.json", "--drop=3", EVIL])

    assert caught.value.code == 2
    output = capsys.readouterr().err
    assert r"unrecognized arguments: \x23#vso[task.setvariable variable=x]y" in output
    assert OBEYED.findall(output) == []
