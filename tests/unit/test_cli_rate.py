"""The command ``llmjudge rate``: what it prints, and the status it ends with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_llmjudge.cli import main
from tests.support.outcomes import compared, judged, write_run, write_votes

RESAMPLES = "give 0 for no intervals, or an integer from 100 to 100000"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File names are short."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def votes() -> str:
    """Return a votes file: x beats y in three of four."""
    winners = ["a", "a", "b", "a"]
    voted = [(f"r{number}", "x", "y", winner) for number, winner in enumerate(winners)]
    return str(write_votes(Path("votes.jsonl"), voted))


def test_rate_in_words(votes: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Ratings, then who beat whom."""
    assert main(["rate", votes, "--bootstrap=0"]) == 0

    assert capsys.readouterr().out == (
        "4 outcomes: 4 decided by people, 0 by a judge\n"
        "\n"
        "rank  model  rating  95 % interval     Elo  outcomes\n"
        "   1  x      1095.4              -  1003.9         4\n"
        "   2  y       904.6              -   996.1         4\n"
        "\n"
        "win rate of the model in a row over the one in a column, in % (outcomes):\n"
        "             1         2\n"
        "1  x         -  75.0 (4)\n"
        "2  y  25.0 (4)         -\n"
    )


def test_rate_with_all_there_is_to_say(votes: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Groups, notes, agreement, and the first of what gave no outcome; no control characters."""
    winners = {f"p{number}": None for number in range(12)} | {"p12": "a"}
    pairs = compared(winners, checkpoint="new\x1b[2J\npth")
    pairs["records"][0]["error"] = "p0:\x1b[2J a line\nbreak"
    voted = [("p12", "new\x1b[2J\npth", "old.pth", "a")]
    more = write_votes(Path("more.jsonl"), voted)

    assert main(["rate", votes, str(write_run(Path("run.json"), pairs)), str(more)]) == 0

    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.startswith("6 outcomes: 5 decided by people, 1 by a judge\n\nrank")
    assert out.count("rank  model") == 2
    lines = out[out.index("\nnot connected") :].splitlines()
    assert lines[1].startswith("not connected: the models are 2 groups that no outcome joins;")
    assert lines[2] == (
        "new\\x1b[2J pth won everything and old.pth lost everything, which no finite rating fits: "
        "each pair of models that met there was given one tie more, and the true ratings may lie "
        "outside of the intervals"
    )
    assert lines[3].endswith("each pair that met was given one tie more")
    assert lines[4] == (
        "people and the judge prefer the same in 100.0 % of 1 pairs that both decided (Cohen's "
        "kappa: none, since both gave all pairs the same winner)"
    )
    assert lines[5:8] == [
        "",
        "without an outcome (12):",
        "  run.json: p0: p0:\\x1b[2J a line break",
    ]
    assert lines[8] == "  run.json: p1: nobody decided"
    assert lines[17:] == ["  and 2 more"]


def test_rate_as_json(votes: str, capsys: pytest.CaptureFixture[str]) -> None:
    """All figures, for other programs."""
    run = write_run(
        Path("run.json"), compared({"r0": "b", "r9": None}, checkpoint="x", against="y")
    )

    assert main(["rate", votes, str(run), "--json", "--anchor=y=1200"]) == 0

    document = json.loads(capsys.readouterr().out)
    first, second = document["ratings"]
    assert first.keys() == {"model", "rating", "interval", "elo", "outcomes", "component"}
    assert (first["model"], first["outcomes"], first["component"]) == ("x", 5, 1)
    assert first["rating"] == pytest.approx(1200 + 70.44, abs=0.01)
    low, high = first["interval"]
    assert low < first["rating"] < high
    assert second["rating"] == 1200
    assert second["interval"] == [1200, 1200]
    assert document["matrix"][0] == {"model": "x", "against": "y", "win_rate": 0.6, "outcomes": 5}
    assert document["components"] == [["x", "y"]]
    assert document["outcomes"] == {"people": 4, "judge": 1}
    assert document["unscored"] == [{"id": "r9", "file": "run.json", "cause": "nobody decided"}]
    assert document["agreement"] == {"count": 1, "agreed": 0, "kappa": 0}
    assert len(document["notes"]) == 1


def test_names_with_equals_signs(capsys: pytest.CaptureFixture[str]) -> None:
    """The last one parts the rating off, unless the whole is a name."""
    path = str(write_votes(Path("votes.jsonl"), [("r1", "lr=1", "lr=2", "tie")]))

    for anchor, expected in (("lr=1", 1000), ("lr=1=1500.5", 1500.5)):
        assert main(["rate", path, "--json", f"--anchor={anchor}"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert {one["rating"] for one in document["ratings"]} == {expected}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--anchor=z"], '--anchor: no model is named "z"; name one of x, y'),
        (["--anchor=z=5"], '--anchor: no model is named "z"; name one of x, y'),
        (["--anchor=x="], '--anchor: "" is not a number; give a rating, for example 1000'),
        (["--anchor=x=nan"], '--anchor: "nan" is no rating; give a rating, for example 1000'),
        *(
            (
                [f"--bootstrap={count}"],
                f'--bootstrap: "{count}" is no number of resamples; {RESAMPLES}',
            )
            for count in (-1, 1, 99, 100_001)
        ),
        (
            ["--bootstrap=many"],
            f'--bootstrap: "many" is not a whole number; {RESAMPLES}',
        ),
        (
            ["other.csv"],
            "other.csv: it is neither a votes file (.jsonl) nor a results file (.json); name such files",
        ),
    ],
)
def test_usage_errors(
    votes: str, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """One line, and status 2."""
    assert main(["rate", votes, *arguments]) == 2

    assert capsys.readouterr() == ("", f"llmjudge: {message}\n")


def test_more_models_than_can_be_drawn_again(capsys: pytest.CaptureFixture[str]) -> None:
    """The work grows with the cube of their number; without intervals it is done at once."""
    votes = [(f"r{number}", f"m{number}", f"m{number + 1}", "a") for number in range(150)]
    path = str(write_votes(Path("votes.jsonl"), votes))

    assert main(["rate", path]) == 2
    assert capsys.readouterr().err == (
        "llmjudge: --bootstrap: 1000 resamples of 151 models take too long; give --bootstrap=0, or "
        "name fewer files\n"
    )
    assert main(["rate", path, "--bootstrap=0", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["ratings"]) == 151


def test_nothing_to_rate_by(capsys: pytest.CaptureFixture[str]) -> None:
    """One line that says why."""
    alone = write_run(Path("one.json"), judged(Path("one"), {"r1": 90}, checkpoint="one"))

    assert main(["rate", str(alone)]) == 2

    assert capsys.readouterr().err == (
        "llmjudge: one.json: no pair of models has an outcome (one.json: test_a.py::test_a: no "
        "other model's records pair up with its 1, so they rate nothing); name votes files, or "
        "results of several models over the same records by one judge\n"
    )


def test_the_console_script(votes: str) -> None:
    """It is installed beside this interpreter."""
    script = Path(sys.executable).with_name("llmjudge")

    done = subprocess.run([script, "rate", votes], capture_output=True, text=True, check=True)

    assert done.stdout.startswith("4 outcomes: 4 decided by people, 0 by a judge\n")
    assert done.stderr == ""
