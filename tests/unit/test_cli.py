"""The command ``llmjudge``: what it prints, and the status it ends with."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge import __version__
from pytest_llmjudge.cli import main
from tests.unit.storage.test_results_reader import RELEASED, SMALLEST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


NAME = "test_a.py::test_a"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write a results file with these scores, in a folder that is the working folder."""
    monkeypatch.chdir(tmp_path)

    def make(
        file: str, scores: Sequence[int | None], *, digest: str = "abc", **more: object
    ) -> Path:
        (suite,) = SMALLEST["suites"]
        (record,) = suite["records"]
        made = [
            {**record, "id": f"r{number}", "score": score, "model_response": f"answer {score}"}
            for number, score in enumerate(scores)
        ]
        known = [score for score in scores if score is not None]
        average = sum(known) / len(known) if known and len(known) == len(made) else None
        counts = {"total": len(made), "scored": len(known), "unscored": len(made) - len(known)}
        whole = {**suite, **counts, "average": average, "records": made, **more}
        document = {**SMALLEST, "judge": {**SMALLEST["judge"], "digest": digest}, "suites": [whole]}
        path = tmp_path / file
        path.write_text(json.dumps(document), encoding="utf-8")
        return path

    return make


OLD = [90, 80, 85, 70, 95, 88]
NEW = [70, 65, 80, 40, 95, 60]
DROPPED = (
    "dropped by 16.33 points (95 % CI -24.7 to -7.5, p = 0.031), more than "
    "--max-drop 0; this suite can show drops of 12.3 points or more"
)


@pytest.mark.parametrize(
    "command",
    [
        ["compare", "{}", "new.json"],
        ["history", "{}", "new.json"],
        ["judges", "{}", "new.json"],
        ["label", "{}"],
        ["merge", "{}", "--out=merged.json"],
        ["overlap", "{}", "{}"],
        ["power", "{}", "--drop=3"],
        ["rate", "{}", "new.json"],
        ["report", "{}", "--html=report.html"],
        ["report", "new.json", "--html=report.html", "--baseline={}"],
        ["vote", "{}", "new.json", "--out=votes.jsonl"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("name", ["loop.json", f"{'x' * 300}.json"], ids=["loop", "long"])
def test_a_name_that_leads_nowhere(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str], command: list[str], name: str
) -> None:
    """A loop of links, or longer than names may be: said in one line, as of any other file."""
    write("new.json", NEW).with_name("loop.json").symlink_to("loop.json")

    status = main([word.format(name) for word in command])

    (line,) = capsys.readouterr().err.splitlines()
    assert status in {2, 4}
    assert "; " in line
    # A long name is cut.
    assert name[:9] in line


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The command tells the package's."""
    with pytest.raises(SystemExit) as caught:
        main(["--version"])

    assert (caught.value.code, capsys.readouterr().out) == (0, f"llmjudge {__version__}\n")


def test_compare_in_words(write: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    """What the gate would say, with both answers of what lost most, and status 1."""
    write("old.json", OLD)
    write("new.json", NEW)

    assert main(["compare", "old.json", "new.json"]) == 1

    out = capsys.readouterr().out
    assert out.startswith(
        f"{NAME}: FAILED\n{DROPPED}\n6 records paired\n"
        "their average: 84.67 before, 68.33 now\n"
        "0 passed before and fail now, 0 the other way (McNemar's exact test: p = 1)\n"
        "1 of 6 responses are identical (17 %); the others part after 7 characters (median)\n"
        "what lost most (5):\n"
        "  70 -> 40  r3\n    before: answer 70\n    now:    answer 40\n"
    )


def test_compare_finds_nothing_worse(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 0, also for a drop that is allowed."""
    write("old.json", OLD)
    write("new.json", NEW)

    assert main(["compare", "old.json", "old.json"]) == 0
    assert main(["compare", "--max-drop=17", "old.json", "new.json"]) == 0
    assert main(["compare", "new.json", "old.json"]) == 0

    assert f"{NAME}: passed\nno drop shown: +16.3 points" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("scores", "arguments", "message"),
    [
        (
            [90, 80, 85, 70],
            [],
            (
                "only 4 of its records can score lower than in the baseline, which shows no drop: "
                "p = 0.062 at best, and p < 0.05 is needed; give it 5 such records or more"
            ),
        ),
        (
            [90] * 20,
            ["--alpha=0.00001"],
            (
                "p < 1e-05 is needed, and a test of 10,000 resamples has 1 / 10,001 at best; compare "
                "fewer suites in one run, or raise alpha"
            ),
        ),
        (
            OLD,
            ["--max-drop=85"],
            (
                "--max-drop 85 allows the loss of all that the baseline scored, 84.67 points; allow "
                "fewer points"
            ),
        ),
        (
            [0] * 6,
            [],
            (
                "the baseline scored 0 points, which leaves nothing to lose; ask what its model can "
                "answer"
            ),
        ),
    ],
)
def test_compare_what_cannot_fail(
    write: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    scores: Sequence[int],
    arguments: Sequence[str],
    message: str,
) -> None:
    """A comparison that passes whatever the candidate holds is a usage error, as in a run."""
    write("old.json", scores)
    write("new.json", [0] * len(scores))

    assert main(["compare", "old.json", "new.json", *arguments]) == 2

    assert capsys.readouterr().err == (
        f"llmjudge: old.json, new.json: the comparison cannot fail: {message}\n"
    )


def test_compare_where_one_suite_cannot_fail(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named where others can fail; so the command itself can."""
    small = json.loads(write("small.json", [90, 80]).read_text("utf-8"))["suites"]
    lost = json.loads(write("lost.json", [0, 0]).read_text("utf-8"))["suites"]
    for file, more in (("old.json", small), ("new.json", lost)):
        document = json.loads(write(file, [90] * 8).read_text("utf-8"))
        document["suites"] += [{**one, "name": "test_b.py::test_b"} for one in more]
        write(file, []).write_text(json.dumps(document), encoding="utf-8")

    assert main(["compare", "old.json", "new.json"]) == 0

    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if "cannot fail" in line]
    assert line.endswith(
        "; it cannot fail: only 2 of its records can score lower than in the baseline, which shows "
        "no drop: p = 0.25 at best, and p < 0.025 is needed"
    )


def test_compare_as_json(write: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    """All figures, for other programs."""
    write("old.json", OLD)
    write("new.json", NEW)

    main(["compare", "--json", "old.json", "new.json"])

    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    (suite,) = document.pop("suites")
    assert document == {
        "old": "old.json",
        "new": "new.json",
        "max_drop": 0,
        "rule": "no-drop",
        "alpha": 0.05,
        "outcome": "failed",
    }
    assert (suite["name"], suite["outcome"], suite["reason"]) == (NAME, "failed", DROPPED)
    assert suite["difference"] == pytest.approx(-98 / 6)
    assert suite["flips"][0]["id"] == "r3"
    assert suite["responses"] == {"paired": 6, "identical": 1, "common_beginning": 7}


def test_compare_as_markdown(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A table, and texts that cannot end their own fence or make a cell."""
    write("old.json", [90, 80, 85, 70, 95, 88], name="a|<b>")
    path = write("new.json", [70, 65, 80, 40, 95, 60], name="a|<b>")
    document = json.loads(path.read_text(encoding="utf-8"))
    document["suites"][0]["records"][3]["model_response"] = "```\n</details><script>"
    path.write_text(json.dumps(document), encoding="utf-8")

    assert main(["compare", "--markdown", "old.json", "new.json"]) == 1

    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[:3] == [
        "| suite | before | now | change | 95 % CI | p | pairs | outcome |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        (
            r"| a\|&lt;b&gt; | 84.67 | 68.33 | -16.3 | -24.7 to -7.5 | 0.031 | 6 | **failed** (worse) |"
        ),
    ]
    start = lines.index("````")
    assert lines[start : start + 4] == ["````", "```", "</details><script>", "````"]
    assert lines[-1] == "</details>"
    parted = "1 of 6 responses are identical (17 %); the others part after 7 characters (median)"
    assert f"- {parted}" in lines


def add_suite(path: Path, name: str) -> None:
    """Add to a results file its first suite once more, under another name."""
    document = json.loads(path.read_text(encoding="utf-8"))
    document["suites"].append({**document["suites"][0], "name": name})
    path.write_text(json.dumps(document), encoding="utf-8")


def test_a_suite_that_is_gone(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Suites of both files are compared, those of one alone too."""
    add_suite(write("old.json", OLD), "test_b.py::test_b")
    write("new.json", OLD)

    assert main(["compare", "old.json", "new.json"]) == 1

    out = capsys.readouterr().out
    assert out.startswith(
        "test_b.py::test_b: FAILED\n"
        "not compared: this run has no records of a suite named test_b.py::test_b, but of "
        "test_a.py::test_a; start pytest in the same folder both times, or make a baseline of the "
        "release with these records\n0 records paired, 6 removed\n"
    )
    assert f"{NAME}: passed\nno drop shown: 0.0 points" in out


def test_one_suite_in_each_file(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """They are compared whatever their names, and the other name is shown."""
    write("old.json", OLD)
    write("new.json", OLD, name="test_b.py::test_b")

    assert main(["compare", "old.json", "new.json"]) == 0

    out = capsys.readouterr().out
    assert out.startswith("test_b.py::test_b: passed\nno drop shown: 0.0 points")
    assert f"the baseline's suite is {NAME}\n6 records paired\n" in out


def test_suites_that_were_renamed(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """With several suites their names are given; an unknown one is a usage error."""
    add_suite(write("old.json", OLD), "test_b.py::test_b")
    add_suite(write("new.json", OLD), "test_c.py::test_c")
    files = ["old.json", "new.json"]

    assert main(["compare", *files]) == 1
    assert main(["compare", "--suite=test_b.py::test_b=test_c.py::test_c", *files]) == 0
    capsys.readouterr()
    assert main(["compare", "--suite=x=y", *files]) == 2

    assert capsys.readouterr().err == (
        'llmjudge: --suite: the baseline has no suite named "x"; name one of test_a.py::test_a, '
        "test_b.py::test_b\n"
    )


def test_compare_by_another_rule(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Not worse is proved, disproved, or neither; each outcome has its cause."""
    write("old.json", [50] * 40)
    write("same.json", [49, 51] * 20)
    write("unsure.json", [0, 100] * 20)
    write("worse.json", [20, 30] * 20)
    rule = ("--rule=not-worse", "--max-drop=10")

    assert main(["compare", "old.json", "same.json", *rule]) == 0
    assert main(["compare", "old.json", "worse.json", *rule, "--json"]) == 1
    assert main(["compare", "old.json", "unsure.json", *rule]) == 1
    assert main(["compare", "old.json", "unsure.json", *rule, "--inconclusive=warn"]) == 0
    assert main(["compare", "old.json", "unsure.json", *rule, "--markdown"]) == 1

    out = capsys.readouterr().out
    assert f"{NAME}: passed\nnot worse by 10 points or more: 0.0 points, at least -" in out
    assert '"rule": "not-worse",\n "alpha": 0.05,' in out
    assert '"cause": "worse",' in out
    assert f"{NAME}: FAILED\ncannot tell whether it is worse by 10 points or more: " in out
    assert f"{NAME}: passed, WARNING\ncannot tell whether it is worse by 10 points" in out
    assert "| **failed** (inconclusive) |" in out


def test_compare_many_suites(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A p of 0.031 is a drop in one suite, and may be chance in one of two."""
    for file, scores in (("old.json", OLD), ("new.json", NEW)):
        path = write(file, scores)
        document = json.loads(path.read_text(encoding="utf-8"))
        (suite,) = document["suites"]
        document["suites"].append({**suite, "name": "test_b.py::test_b"})
        path.write_text(json.dumps(document), encoding="utf-8")

    assert main(["compare", "old.json", "new.json"]) == 0
    assert main(["compare", "old.json", "new.json", "--alpha=0.1"]) == 1

    out = capsys.readouterr().out
    assert out.count("(95 % CI -24.7 to -7.5, p = 0.031; a drop has p < 0.025)") == 2
    assert out.count("(95 % CI -24.7 to -7.5, p = 0.031), more than --max-drop 0;") == 2


def test_power_by_rule_and_suites(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """More suites need more records each, or more power to all be proved not worse."""
    write("old.json", OLD)

    main(["power", "old.json", "--drop=3", "--suites=4"])
    main(["power", "old.json", "--drop=3", "--suites=4", "--rule=not-worse"])
    main(["power", "old.json", "--drop=3", "--suites=4", "--alpha=0.2", "--json"])

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        f"{NAME}: 90 records show a drop of 3 points in 80 % of all releases that have it, with at "
        "most 5 % false alarms in any of 4 suites"
    )
    assert lines[3:6] == [
        (
            f"{NAME}: 162 records prove a release not worse by 3 points or more in 80 % of all "
            "cases where it is equal; one that is worse by 3 points passes in at most 5 %"
        ),
        "  its 6 scored records do so for a margin of 51.1 points or more",
        "  4 such suites all pass in 40.96 % of these cases, and with --power 0.946 in 80 %",
    ]
    document = json.loads("\n".join(lines[7:]))
    assert (document["rule"], document["alpha"]) == ("no-drop", 0.05)
    assert document["suites"][0]["needed"] == 59


def test_power_that_cannot_be_asked_for(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Only a power that --power takes is named."""
    write("old.json", OLD)

    main(["power", "old.json", "--drop=3", "--suites=1000", "--rule=not-worse"])

    lines = capsys.readouterr().out.splitlines()
    assert "  1000 such suites all pass in 1.23e-95 % of these cases" in lines


def test_another_judge(write: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Not compared is not passed."""
    write("old.json", OLD, digest="x")
    write("new.json", OLD)

    assert main(["compare", "old.json", "new.json"]) == 1

    assert "its model was llama3 (x) and is llama3 (abc) now" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["compare", "old.json", "none.json"],
            (
                "none.json: it cannot be read (No such file or directory); name a file that "
                "--llm-judge-report wrote"
            ),
        ),
        (
            ["compare", "--max-drop=x", "old.json", "old.json"],
            '--max-drop: "x" is not a number; give a number of points from 0 to 100',
        ),
        (
            ["compare", "old.json", "old.json", "--rule=not-worse"],
            (
                f"{NAME}: the rule not-worse needs a margin above 0, and --max-drop is 0: no number of "
                "records proves that a model is not worse by any amount, however small; give "
                "--max-drop, or take the rule no-drop"
            ),
        ),
        (
            ["power", "old.json", "--drop=3", "--alpha=0.5"],
            '--alpha: "0.5" is no error rate; give a share of at least 0.000001 and below 0.5, for example 0.05',
        ),
        (
            ["power", "old.json", "--drop=1e-200"],
            '--drop: "1e-200" is too small; give the smallest drop that matters, 0.01 points or more',
        ),
        (
            ["power", "old.json", "--drop=3", "--power=0.02"],
            '--power: "0.02" is no power to plan with; give a share from 0.5 to 0.999, for example 0.8',
        ),
        (
            ["power", "old.json", "--drop=3", "--baseline=other.json"],
            (
                "--baseline other.json: test_a.py::test_a: results of different judges do not compare: "
                "its model was llama3 (x) and is llama3 (abc) now; judge the baseline's model again "
                "with this judge"
            ),
        ),
        (
            ["compare", "empty.json", "empty.json"],
            "empty.json, empty.json: neither has a suite that is compared; name files of runs with suites that can have the gate [baseline]",
        ),
        (
            ["power", "empty.json", "--drop=3"],
            "empty.json: it has no suite that is compared; name the file of a run with suites that can have the gate [baseline]",
        ),
    ],
)
def test_usage_errors(
    write: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    """One line, and status 2."""
    path = write("old.json", OLD)
    write("other.json", OLD, digest="x")
    path.with_name("empty.json").write_text(json.dumps({**SMALLEST, "suites": []}))

    assert main(arguments) == 2

    assert capsys.readouterr() == ("", f"llmjudge: {message}\n")


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """As argparse has it."""
    with pytest.raises(SystemExit) as raised:
        main(["compar"])

    assert raised.value.code == 2
    assert "invalid choice: 'compar'" in capsys.readouterr().err


def test_power_assumed(write: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Of one release alone the spread of differences is not known, and the line says so."""
    write("old.json", OLD)

    assert main(["power", "old.json", "--drop=3"]) == 0

    assert capsys.readouterr().out == (
        f"{NAME}: 59 records show a drop of 3 points in 80 % of all releases that have it, with at "
        "most 5 % false alarms\n"
        "  its 6 scored records show drops of 9.4 points or more\n"
        "  assumed: differences with a standard deviation of 9.2 points, from 8.8 of the scores "
        "and published pairs of releases; --baseline FILE measures it\n"
    )


def test_power_measured(write: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    """With another release the spread of the differences decides."""
    write("old.json", OLD)
    write("new.json", NEW)

    assert main(["power", "new.json", "--drop=3", "--power=0.9", "--baseline=old.json"]) == 0

    assert capsys.readouterr().out == (
        f"{NAME}: 140 records show a drop of 3 points in 90 % of all releases that have it, with at "
        "most 5 % false alarms\n"
        "  its 6 scored records show drops of 14.5 points or more\n"
        "  measured: the differences of 6 pairs have a standard deviation of 12.1 points\n"
    )


def test_power_from_a_run_that_was_compared(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A results file that has its own comparison needs no other; JSON has all figures."""
    compared = {"deviation": 10.0, "paired": 6}
    path = write("new.json", NEW)
    document = json.loads(path.read_text(encoding="utf-8"))
    released = json.loads((RELEASED / "version-1.json").read_text(encoding="utf-8"))["suites"][0][
        "baseline"
    ]
    document["suites"][0]["baseline"] = {**released, **compared}
    path.write_text(json.dumps(document), encoding="utf-8")

    assert main(["power", "new.json", "--drop=5", "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    (suite,) = document["suites"]
    assert (document["drop"], document["power"], suite["name"]) == (5, 0.8, NAME)
    assert (suite["deviation"], suite["pairs"], suite["needed"]) == (10, 6, 25)


def test_power_takes_nothing_from_a_refused_comparison(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Differences between two judges say nothing of two releases."""
    path = write("new.json", NEW)
    document = json.loads(path.read_text(encoding="utf-8"))
    released = json.loads((RELEASED / "version-1.json").read_text(encoding="utf-8"))
    refused = {**released["suites"][0]["baseline"], "deviation": 10.0, "refusal": "they differ"}
    document["suites"][0]["baseline"] = refused
    path.write_text(json.dumps(document), encoding="utf-8")

    main(["power", "new.json", "--drop=5"])

    assert "  assumed: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("scores", "there"),
    [
        ([0, 100], "2 scored records cannot show any drop"),
        ([50, 52, 54, 56], "4 scored records cannot show any drop"),
        ([50, 52, 54, 56, 58], "5 scored records show drops of 3.7 points or more"),
    ],
)
def test_power_knows_the_least_p(
    write: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    scores: list[int],
    there: str,
) -> None:
    """Fewer than five records cannot show any drop, as all of four fall by chance in one of 16."""
    write("old.json", scores)

    assert main(["power", "old.json", "--drop=90"]) == 0

    first, second, _ = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{NAME}: 5 records show a drop of 90 points")
    assert second == f"  its {there}"


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([50], "nothing is known of its spread, with 1 score"),
        ([50, 50, 50], "nothing is known of its spread, all 3 scores are the same"),
        ([], "nothing is known of its spread, with 0 scores"),
    ],
)
def test_power_of_nothing(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str], scores: list[int], message: str
) -> None:
    """No number where there is none."""
    write("old.json", scores)

    assert main(["power", "old.json", "--drop=3"]) == 0

    assert capsys.readouterr().out == f"{NAME}: {message}\n"


def test_the_console_script_is_light(write: Callable[..., Path]) -> None:
    """It is installed, and needs neither torch nor pytest."""
    write("old.json", OLD)
    code = (
        "import sys; from pytest_llmjudge.cli import main; "
        "status = main(['compare', 'old.json', 'old.json']); "
        "print(status, sorted({'torch', 'pytest', 'tiktoken'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "0 []"


@pytest.mark.slow
def test_a_reader_that_has_had_enough(write: Callable[..., Path]) -> None:
    """As in ``llmjudge compare … | head -1``: no traceback."""
    write("old.json", OLD)
    code = "from pytest_llmjudge.cli import main; main(['compare', 'old.json', 'old.json'])"
    # A pipe holds more than this writes: only a reader that has ended before breaks it.
    command = f'"{sys.executable}" -c "{code}" | true'

    done = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, check=True)

    assert done.stderr == ""


def test_an_output_that_is_full(write: Callable[..., Path]) -> None:
    """One line and status 2, for no comparison was seen."""
    write("old.json", OLD)
    code = "from pytest_llmjudge.cli import main; raise SystemExit(main(['compare'] + ['old.json'] * 2))"

    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 2
    assert done.stderr == (
        "llmjudge: output: it cannot be written (No space left on device); make room\n"
    )


def test_an_output_that_knows_few_characters(write: Callable[..., Path]) -> None:
    """What it does not know is escaped."""
    write("old.json", OLD)
    path = write("new.json", NEW)
    path.write_text(path.read_text("utf-8").replace("answer 40", "an \u2192 arrow"), "utf-8")
    code = "from pytest_llmjudge.cli import main; main(['compare', 'old.json', 'new.json'])"

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "an \\u2192 arrow" in done.stdout


def test_power_of_an_exam(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Suites of both kinds are described, in their own words."""
    document = json.loads((RELEASED / "version-1.json").read_text(encoding="utf-8"))
    first, *others = document["suites"][1]["subjects"][0]["questions"]
    first["prediction"] = first["answer"]
    for question in others:
        question["prediction"] = "A" if question["answer"] != "A" else "B"
    for share in (document["suites"][1], document["suites"][1]["subjects"][0]):
        share |= {"correct": 1, "accuracy": 0.3333}
    path = tmp_path / "results.json"
    path.write_text(json.dumps(document), encoding="utf-8")

    assert main(["power", str(path), "--drop=5"]) == 0

    output = capsys.readouterr().out
    assert "test_release.py::test_instructions: 388 records show a drop of 5 points" in output
    assert "test_release.py::test_mmlu: 916 questions show a drop of 5 points" in output
    assert "  its 3 scored questions cannot show any drop\n" in output


@pytest.mark.parametrize(
    ("new", "closed", "status"),
    [
        ("old.json", ">&-", 0),
        ("old.json", "2>&-", 0),
        ("none.json", "2>&-", 2),
        ("", ">&- 2>&-", 2),
    ],
)
def test_an_output_that_is_closed(
    write: Callable[..., Path], new: str, closed: str, status: int
) -> None:
    """The exit status says it all."""
    write("old.json", OLD)
    code = "from pytest_llmjudge.cli import main; raise SystemExit(main())"
    command = f"'{sys.executable}' -c '{code}' compare old.json {new} {closed}"

    done = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, check=False)

    assert (done.returncode, "Traceback" in done.stderr) == (status, False)
