"""The command ``llmjudge vote``: its lines, its errors, its end."""

from __future__ import annotations

import getpass
import json
import signal
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import requests

from pytest_llmjudge.cli import main
from pytest_llmjudge.keys import Content, content_digest
from pytest_llmjudge.storage.votes import append_vote
from tests.support.ballots import lines_in, record, suite_of, voting, write_pair, write_results
from tests.support.outcomes import compared
from tests.unit.voting.making import vote_on

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 300
ARGUMENTS = ["vote", "a.json", "b.json", "--out", "votes.jsonl", "--voter", "ann"]


@pytest.fixture(autouse=True)
def _work_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_pair(tmp_path, 2)


def vote_on_all(path: Path) -> None:
    """Write what ``ann`` thinks of both records."""
    for number in range(2):
        vote = vote_on(f"r{number}", "a", (f"First of {number}.", f"Second of {number}."))
        asked = record(number, None)
        content = content_digest(Content(asked["instruction"], asked["input"], asked["output"]))
        names = {"model_a": "old-pony.pth", "model_b": "new-zebra.pth"}
        append_vote(path, replace(vote, content=content, **names))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_a_summary(tmp_path: Path, number: signal.Signals) -> None:
    """By Ctrl-C or SIGTERM, with status 0 and no traceback, before anything was voted."""
    with voting(tmp_path) as server:
        assert requests.get(server.address, timeout=PATIENCE).status_code == 200
        status, lines, problem = server.end(number)

    assert server.lines == ["2 ballots for ann", f"vote at {server.address} and end with Ctrl-C"]
    assert (status, problem) == (0, "")
    assert lines == [
        "0 votes cast, 0 of 2 ballots voted on",
        "old-pony.pth against new-zebra.pth: no vote yet",
    ]
    assert not (tmp_path / "votes.jsonl").exists()


def test_nothing_left_to_vote_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The summary comes at once, and no page is served."""
    vote_on_all(tmp_path / "votes.jsonl")

    assert main(ARGUMENTS) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2 ballots for ann, 2 voted on before",
        "0 votes cast, 2 of 2 ballots voted on; votes are in votes.jsonl",
        "old-pony.pth against new-zebra.pth: win rate 100.0 % (95 % CI 34.2 to 100.0)",
        "  old-pony.pth is better: 2",
        "  new-zebra.pth is better: 0",
        "  tie: 0",
        "  judge llama3 agrees: 0.0 % of 2 pairs, kappa 0.00",
    ]


def test_the_outcome_for_other_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON on stdout, with what people read on stderr."""
    vote_on_all(tmp_path / "votes.jsonl")

    assert main([*ARGUMENTS, "--json"]) == 0

    captured = capsys.readouterr()
    document = json.loads(captured.out)
    (pair,) = document["pairs"]
    assert document["votes"] == "votes.jsonl"
    assert (pair["models"], pair["won"], pair["lost"], pair["rate"]) == (
        ["old-pony.pth", "new-zebra.pth"],
        2,
        0,
        1.0,
    )
    assert pair["agreement"] == {"count": 2, "agreed": 0.0, "kappa": 0.0}
    assert captured.err.splitlines()[0] == "2 ballots for ann, 2 voted on before"


def test_a_line_that_was_cut_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is reported and moved away, and all other votes count."""
    path = tmp_path / "votes.jsonl"
    vote_on_all(path)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"id": "r1", "mod')

    assert main(ARGUMENTS) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "votes.jsonl: its last line was cut off while it was written; it is in votes.jsonl.cut-off now",
        "2 ballots for ann, 2 voted on before",
    ]
    assert len(lines_in(path)) == 2


def test_the_voter_is_who_is_logged_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless a name is given."""
    vote_on_all(tmp_path / "votes.jsonl")
    monkeypatch.setattr(getpass, "getuser", lambda: "ann")

    assert main(ARGUMENTS[:-2]) == 0
    assert "2 ballots for ann, 2 voted on before\n" in capsys.readouterr().out


def test_names_of_ones_own(tmp_path: Path) -> None:
    """Two checkpoints of one name are told apart."""
    write_pair(tmp_path, 1, old="model.pth", new="model.pth")
    with voting(tmp_path, "--name=old", "--name=new") as server:
        _, lines, _ = server.end(signal.SIGINT)

    assert lines[1] == "old against new: no vote yet"


def test_suites_of_pairs_beside_suites_of_scores(tmp_path: Path) -> None:
    """Their answers are asked about too, those that both have once."""
    for file, model in (("a.json", "old.pth"), ("b.json", "new.pth")):
        path = tmp_path / file
        pairs = compared(dict.fromkeys(("p0", "p1", "p2"), "a"), checkpoint=model)
        for pair in pairs["records"]:
            pair["model_response"] = f"{model} says {pair['id']}."
        more = [record(number, f"{model} on {number}.") for number in range(2)]
        again = compared({"r0": "a"}, checkpoint=model, name="test_c.py::test_c")
        again["records"][0] |= {**more[0], "winner": "a"}
        write_results(path, suite_of(model, more), pairs, again)
    with voting(tmp_path) as server:
        server.end(signal.SIGINT)

    note = "1 pairs of answers are those of another suite, and shown once"
    assert server.lines[:2] == [
        f"a.json, b.json: test_c.py::test_c: {note}",
        "5 ballots for ann",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--name=one"],
            "--name: 1 for 2 results files; give one for each file, or none",
        ),
        (["--name=one", "--name= "], "--name: it is empty; give a name"),
        (
            ["--name=one", "--name=one"],
            "a.json, b.json: both have answers of one; tell the models apart with --name for each file",
        ),
        (["--voter= "], "--voter: it is empty; give the name of who votes"),
        (["--name=one", "--name=\udcff"], "--name: it has bytes that are no UTF-8; give a name"),
        (["--out=\udcff"], "--out: it has bytes that are no UTF-8; name another place"),
        (["--voter=\udcff"], "--voter: it has bytes that are no UTF-8; give the name of who votes"),
        (
            ["--port=x"],
            '--port: "x" is not a whole number; give a port from 1 to 65535, or 0 for any free one',
        ),
        (
            ["--port=65536"],
            '--port: "65536" is no port; give a port from 1 to 65535, or 0 for any free one',
        ),
        (
            ["--out=a.json"],
            "--out a.json: line 1: it is no vote ({told}); correct or remove the line",
        ),
        (["--out=."], "--out: . is a folder; name another place"),
        (
            ["--out=a.json/votes.jsonl"],
            "--out: nothing can be written to a.json (File exists); name another place",
        ),
        (
            ["none.json"],
            "none.json: it cannot be read (No such file or directory); name a file that --llm-judge-report wrote",
        ),
    ],
)
def test_usage_errors(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """One line, and status 2."""
    files = [one for one in arguments if not one.startswith("-")]
    options = [one for one in arguments if one.startswith("-")]

    assert main(["vote", "a.json", "b.json", *files, *ARGUMENTS[3:], *options]) == 2
    error = capsys.readouterr().err
    pattern = message.partition("{told}")
    assert error.startswith(f"llmjudge: {pattern[0]}")
    assert error.endswith(f"{pattern[2] or pattern[0]}\n")
    assert error.count("\n") == 1


def test_nothing_to_choose_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Identical answers on all records, or no common record."""
    records = [record(number, "same") for number in range(3)]
    write_results(tmp_path / "b.json", suite_of("other.pth", records))
    write_results(tmp_path / "a.json", suite_of("model.pth", records))

    assert main(ARGUMENTS) == 2
    assert capsys.readouterr().err == (
        "llmjudge: a.json, b.json: no record has two answers to choose from (3 have identical "
        "ones); name results of two models on the same records\n"
    )


def test_without_flask(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said how to get it."""
    monkeypatch.setitem(sys.modules, "flask", None)

    assert main(ARGUMENTS) == 2
    assert capsys.readouterr().err == (
        'llmjudge: llmjudge vote: its page needs Flask; install it with pip install "pytest-llmjudge[vote]"\n'
    )


def test_without_a_login_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container whose user has no entry."""

    def fail() -> str:
        raise OSError("no user")

    monkeypatch.setattr(getpass, "getuser", fail)

    assert main(ARGUMENTS[:-2]) == 2
    assert capsys.readouterr().err == (
        "llmjudge: --voter: the login name is not known; give the name of who votes\n"
    )


def test_flask_waits_until_it_is_needed() -> None:
    """Other commands do not load it."""
    code = (
        "import sys, pytest_llmjudge.cli; print([n for n in sys.modules if n.startswith('flask')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
