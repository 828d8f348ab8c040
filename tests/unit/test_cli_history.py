"""The command ``llmjudge history``: what it prints and writes, and the status it ends with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_llmjudge.cli import main
from tests.support import results
from tests.support.history import NAME, checkpoint, judged, write_run

FIRST = [90, 80, 85, 70, 95, 88, 60, 40]
LOWER = [70, 65, 80, 40, 95, 60, 50, 30]
CAVEAT = (
    "Each test stands for itself, at 5 %: where nothing got worse, one in 20 shows a drop all the "
    "same. A history describes; the gate [baseline] decides."
)


# Lines are as long as they are where nobody says how wide they may be.
PRINTED = f"""\
4 runs from 2026-01-01 09:00 to 2026-04-01 09:00 UTC, in the order of the times they were created

{NAME}: average of 8 records, 4 runs
run               created  average  95 % interval  43.6                91.4  change in points       p  what changed
r1.json  2026-01-01 09:00    76.00   60.6 to 91.4          --------o-------                 -       -  judge: llama3 (ollama 0.24.0, digest abc); model: one.pth ({{one}})
r2.json  2026-02-01 09:00    61.25   43.6 to 78.9  ---------o--------                   -14.8  0.0078  drop; model: two.pth ({{two}})
r3.json  2026-03-01 09:00    76.00   60.6 to 91.4          --------o-------             +14.0       -  1 edited
not compared with r3.json: results of different judges do not compare: its model was llama3 (abc) and is llama3 (def) now
run               created  average  95 % interval  43.6                91.4  change in points  p  what changed
r4.json  2026-04-01 09:00    76.00   60.6 to 91.4          --------o-------                 -  -  judge: llama3 (ollama 0.24.0, digest def)
1 of 2 pairs of neighbours shows a drop
records that flipped most often: 1 of 1
record  fell  rose  scores, the last one at the end
r3         1     1  70 40 70 | 70

{CAVEAT}
"""


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four runs in a folder, the last one of another judge."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    folder = Path("runs")
    folder.mkdir()
    write_run(folder / "r1.json", 1, judged(FIRST, "one.pth"))
    write_run(folder / "r2.json", 2, judged(LOWER, "two.pth"))
    write_run(folder / "r3.json", 3, judged(FIRST, "two.pth", edited=[0]))
    write_run(folder / "r4.json", 4, judged(FIRST, "two.pth", edited=[0], judge="def"))


def test_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """Each suite's runs with what changed, the drops, what flipped; and that it is no gate."""
    assert main(["history", "runs"]) == 0

    one, two = (checkpoint(name).fingerprint[:12] for name in ("one.pth", "two.pth"))
    assert capsys.readouterr().out == PRINTED.format(one=one, two=two)


@pytest.mark.parametrize("columns", [100, 80, 40])
def test_lines_fit_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    """All facts are there whatever the width, and nothing but plain ASCII."""
    monkeypatch.setenv("COLUMNS", str(columns))

    assert main(["history", "runs"]) == 0

    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= columns
    assert out.isascii()
    for fact in ("-14.8", "0.0078", "drop", "1 edited", "r4.json", "76.00", "70 40 70 | 70"):
        assert fact in out


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """For other programs, as the docs describe it."""
    assert main(["history", "--json", "runs"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert list(document) == ["order", "runs", "notes", "suites"]
    assert document["runs"][0] == {
        "file": "runs/r1.json",
        "created": "2026-01-01T09:00:00+00:00",
        "pytest_llmjudge": "0.1.0",
    }
    (suite,) = document["suites"]
    assert [point["value"] for point in suite["points"]] == [76, 61.25, 76, 76]
    steps = [point["beside_previous"] for point in suite["points"]]
    assert steps[0] is None
    assert steps[1]["worse"] == "drop"
    assert steps[1]["not_compared"] is None
    assert steps[1]["comparison"]["difference"] == -14.75
    assert steps[1]["comparison"]["p"] == 2 / 2**8
    assert steps[1]["changes"][0]["what"] == "model"
    assert steps[2]["edited"] == 1
    assert steps[3]["comparison"] is None
    assert steps[3]["not_compared"].startswith("results of different judges do not compare")
    assert suite["flipped"][0] == {
        "id": "r3",
        "fell": 1,
        "rose": 1,
        "changes": 2,
        "distance": 60.0,
        "scores": [70, 40, 70, 70],
    }


def test_as_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    """Tables for a wiki or a pull request; a run of another judge has its own."""
    assert main(["history", "--markdown", "runs"]) == 0

    lines = capsys.readouterr().out.splitlines()
    heading = "| run | created | average | 95 % interval | change in points | p | what changed |"
    assert lines.count(heading) == 2
    assert "| r3.json | 2026-03-01 09:00 | 76.00 | 60.6 to 91.4 | +14.0 | \\- | 1 edited |" in lines
    assert lines[-1] == CAVEAT.replace("[", "\\[").replace("]", "\\]")


def test_one_page(capsys: pytest.CaptureFixture[str]) -> None:
    """Beside what is printed, which names it last."""
    assert main(["history", "runs", "--html", "out/history.html"]) == 0

    assert capsys.readouterr().out.splitlines()[-1] == "page: out/history.html"
    assert Path("out/history.html").read_text("utf-8").startswith("<!doctype html>")


def test_one_run(capsys: pytest.CaptureFixture[str]) -> None:
    """It has figures and no neighbour."""
    assert main(["history", "runs/r1.json"]) == 0

    out = capsys.readouterr().out
    assert out.startswith("1 run of 2026-01-01 09:00 UTC\n")
    assert out.endswith("one run, which has no neighbour\n")


def test_all_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing was tested, so nothing is said of tests."""
    assert main(["history", "runs/r3.json", "runs/r4.json"]) == 0

    assert capsys.readouterr().out.endswith("no two neighbours compare\n")


def test_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the times."""
    Path("runs/r1.json").rename("runs/r10.json")

    assert main(["history", "--order=name", "--json", "runs"]) == 0

    files = [Path(run["file"]).name for run in json.loads(capsys.readouterr().out)["runs"]]
    assert files == ["r2.json", "r3.json", "r4.json", "r10.json"]


def test_files_given_twice_and_copies(capsys: pytest.CaptureFixture[str]) -> None:
    """A run counts once; of a copy that is said."""
    Path("baseline.json").write_bytes(Path("runs/r2.json").read_bytes())

    assert main(["history", "runs", "runs/r1.json", "baseline.json", "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert len(document["runs"]) == 4
    assert document["notes"] == ["runs/r2.json holds the same as baseline.json and counts once"]


def test_figures_of_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    """A kind without a paired test has its figures all the same."""
    for month in (1, 2):
        pairs = results.pairs([results.pair("p0", "a"), results.pair("p1", "b")])
        write_run(Path(f"p{month}.json"), month, pairs)

    assert main(["history", "p1.json", "p2.json"]) == 0

    out = capsys.readouterr().out
    assert "test_p.py::test_pairs: win rate of 2 pairs, 2 runs" in out
    assert out.endswith("suites of this kind have no paired test\n")


def test_every_file_that_is_no_results_file(capsys: pytest.CaptureFixture[str]) -> None:
    """One line each, status 2, and nothing on the way."""
    Path("list.json").write_text("[]", "utf-8")
    Path("torn.json").write_text("{", "utf-8")

    status = main(
        ["history", "runs", "list.json", "torn.json", "gone.json", "--html", "history.html"]
    )

    assert status == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    wrote = "name a file that --llm-judge-report wrote"
    assert captured.err.splitlines() == [
        f"llmjudge: list.json: it is no results file; {wrote}",
        f"llmjudge: torn.json: it is no JSON, or not all of it; {wrote}",
        f"llmjudge: gone.json: it cannot be read (No such file or directory); {wrote}",
    ]
    assert not Path("history.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["empty"],
            "empty: this folder has no file *.json; name files that --llm-judge-report wrote",
        ),
        (
            ["none.json"],
            "none.json: no run in it has a suite; name files of runs with suites",
        ),
        (
            # What a shell makes of --html runs/*.json.
            ["--html", "runs/r1.json", "runs/r2.json"],
            "--html: runs/r1.json is no name of a page; name a file that ends in .html",
        ),
        (
            ["runs", "--html", "a.html"],
            "--html: a.html is a folder; name another place",
        ),
    ],
    ids=["folder", "suites", "page", "place"],
)
def test_usage_errors(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2, and one line."""
    Path("empty").mkdir()
    Path("a.html").mkdir()
    write_run(Path("none.json"), 1)
    before = Path("runs/r1.json").read_bytes()

    assert main(["history", *arguments]) == 2

    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"llmjudge: {message}\n")
    assert Path("runs/r1.json").read_bytes() == before


def test_a_run_alone_loads_nothing_that_reckons() -> None:
    """The tests' library takes a second to load, and there is nothing to be tested."""
    program = (
        "import sys; from pytest_llmjudge.cli import main; main(['history', 'runs/r1.json']); "
        "print(sorted({'scipy', 'numpy', 'torch', 'jinja2', 'requests'} & sys.modules.keys()))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert done.stdout.endswith("\n[]\n")
