"""The command ``llmjudge judges``: what it prints, and the status it ends with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_llmjudge.cli import main
from tests.support.judged_labels import write_judge, write_labels
from tests.support.outcomes import compared, write_run

if TYPE_CHECKING:
    from collections.abc import Mapping

SUITE = "test_a.py::test_a"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File names are short."""
    monkeypatch.chdir(tmp_path)


def people(count: int) -> dict[str, int]:
    """Return a score of every record."""
    return {f"r{number:02}": 100 if number % 3 else 10 * (number % 7) for number in range(count)}


def near(scores: Mapping[str, int], noise: float, seed: int = 1) -> dict[str, int | None]:
    """Return what a judge gives that is so far off."""
    random = np.random.default_rng(seed)
    return {
        name: int(np.clip(round(score + random.normal(0, noise)), 0, 100))
        for name, score in scores.items()
    }


def judged(*arguments: str, status: int = 0) -> None:
    assert main(["judges", *arguments]) == status


def test_a_judge_to_take(capsys: pytest.CaptureFixture[str]) -> None:
    """A table, each two judges, and one line that says which one to take."""
    given = people(40)
    write_labels(Path("labels.jsonl"), given)
    write_judge(Path("a.json"), near(given, 30), "small", cost={"seconds": 0.41, "tokens": 200})
    write_judge(Path("b.json"), near(given, 4), "large", cost={"seconds": 1.44, "tokens": 212})

    judged("labels.jsonl", "a.json", "b.json")

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "40 responses labelled by 1 person, 40 of them scored by all judges"
    assert lines[2].split("  ")[0] == ""
    assert lines[2].split() == (
        [
            "judge",
            "scored",
            "Spearman",
            "(95",
            "%)",
            "error",
            "(95",
            "%)",
            "bias",
            "(95",
            "%)",
            "seconds",
            "tokens",
        ]
    )
    assert lines[3].startswith("1  small integer/1  40 of 40  ")
    assert lines[4].startswith("2  large integer/1  40 of 40  ")
    assert lines[4].split()[-2:] == ["1.44", "212"]
    assert lines[6:8] == [f"judge 1: a.json, {SUITE}", f"judge 2: b.json, {SUITE}"]
    assert lines[8].startswith("1 minus 2: mean absolute error +")
    assert lines[8].endswith(": more than chance")
    assert lines[9:] == [
        "take 2, large integer/1: its mean absolute error is the smallest, by more than chance"
    ]


def test_judges_that_cannot_be_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """It says so, and about how many labels would tell; the worst of three is told."""
    given = people(40)
    write_labels(Path("labels.jsonl"), given)
    for name, noise, seed in (("a", 10, 1), ("b", 11, 2), ("c", 60, 3)):
        write_judge(Path(f"{name}.json"), near(given, noise, seed), name)

    judged("labels.jsonl", "a.json", "b.json", "c.json")

    lines = capsys.readouterr().out.splitlines()
    assert lines[-2] == "p is corrected for 3 comparisons (Holm), intervals are not"
    assert lines[-1].startswith("cannot tell 1 from 2: it may be chance, and ")
    assert lines[-1].endswith(" labels would tell; 40 are there")
    assert [line.endswith("more than chance") for line in lines[-5:-2]] == [False, True, True]


def test_a_choice_by_rank_correlation(capsys: pytest.CaptureFixture[str]) -> None:
    """A judge that is always 20 points too strict ranks best, which the other way says too."""
    given = {f"r{number}": 40 + number for number in range(60)}
    write_labels(Path("labels.jsonl"), given)
    strict: dict[str, int | None] = {name: score - 40 for name, score in given.items()}
    write_judge(Path("a.json"), strict, "strict")
    write_judge(Path("b.json"), near(given, 8), "near")

    judged("labels.jsonl", "a.json", "b.json", "--by=agreement")
    by_agreement = capsys.readouterr().out.splitlines()
    judged("labels.jsonl", "a.json", "b.json")
    by_error = capsys.readouterr().out.splitlines()

    assert by_agreement[-2:] == [
        "note: by its mean absolute error judge 2 comes first, and --by=error compares by that",
        "take 1, strict integer/1: its rank correlation is the highest, by more than chance",
    ]
    assert by_error[-2:] == [
        "note: by its rank correlation judge 1 comes first, and --by=agreement compares by that",
        "take 2, near integer/1: its mean absolute error is the smallest, by more than chance",
    ]


def test_few_labels(capsys: pytest.CaptureFixture[str]) -> None:
    """Below 20 there are figures, and no choice."""
    given = people(19)
    write_labels(Path("labels.jsonl"), given)
    write_judge(Path("a.json"), near(given, 50), "a")
    write_judge(Path("b.json"), near(given, 1), "b")

    judged("labels.jsonl", "a.json", "b.json")

    lines = capsys.readouterr().out.splitlines()
    assert lines[3].startswith("1  a integer/1  19 of 19  ")
    assert lines[-2:] == [
        f"judge 2: b.json, {SUITE}",
        (
            "cannot tell which judge to take: 19 labelled responses are scored by all, and at least "
            "20 are needed"
        ),
    ]


def test_one_judge(capsys: pytest.CaptureFixture[str]) -> None:
    """Its own figures are shown."""
    given = people(20)
    write_labels(Path("labels.jsonl"), given)
    write_judge(Path("a.json"), dict(given), "a")

    judged("labels.jsonl", "a.json")

    lines = capsys.readouterr().out.splitlines()
    assert lines[3] == (
        "1  a integer/1  20 of 20  1.00 (1.00 to 1.00)  0.0 (0.0 to 0.0)  +0.0 (+0.0 to +0.0)"
        "        -       -"
    )
    assert lines[-1] == "one judge: name results of others to compare it with"


def test_labels_of_several_people(capsys: pytest.CaptureFixture[str]) -> None:
    """Their mean counts."""
    given = people(20)
    write_labels(Path("labels.jsonl"), given)
    lower = {name: max(0, score - 10) for name, score in given.items()}
    write_labels(Path("labels.jsonl"), lower, labeler="bob", design=False)
    write_judge(Path("a.json"), dict(given), "a")

    judged("labels.jsonl", "a.json", "--json")

    document = json.loads(capsys.readouterr().out)
    assert (document["labelled"], document["labelers"]) == (20, 2)
    expected = np.mean([(given[name] - lower[name]) / 2 for name in given])
    assert document["judges"][0]["bias"] == pytest.approx(expected)


def test_what_is_not_scored_or_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """It is named, and judges are compared over what all of them scored."""
    given = people(40)
    write_labels(Path("labels.jsonl"), given)
    write_judge(Path("a.json"), {**near(given, 30), "r03": None, "r05": None}, "a")
    fewer = {name: score for name, score in near(given, 3).items() if name > "r01"}
    write_judge(Path("b.json"), {**fewer, "r99": 50}, "b")

    judged("labels.jsonl", "a.json", "b.json")
    lines = capsys.readouterr().out.splitlines()
    judged("labels.jsonl", "a.json", "b.json", "--json")
    document = json.loads(capsys.readouterr().out)

    assert lines[0] == "40 responses labelled by 1 person, 36 of them scored by all judges"
    assert "1  a integer/1  38 of 40" in lines[3]
    assert lines[-3:-1] == [
        "note: judge 1 left 2 unscored: r03, r05",
        "note: b.json lacks 2 of the 40 labelled responses",
    ]
    assert document["compared"] == 36
    first, second = document["judges"]
    assert first["unscored"] == [
        {"id": name, "error": f"{name}: the judge gave no score; ask again"}
        for name in ("r03", "r05")
    ]
    assert (first["missing"], second["missing"], second["scored"]) == (0, 2, 38)


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """All figures, for other programs, whatever is known of the costs."""
    given = people(40)
    write_labels(Path("labels.jsonl"), given)
    write_judge(Path("a.json"), near(given, 30), "a", cost={"seconds": 2.0})
    write_judge(Path("b.json"), near(given, 3), "b", cost={"seconds": 0.25, "tokens": 100})

    judged("labels.jsonl", "a.json", "b.json", "--json")

    document = json.loads(capsys.readouterr().out)
    (difference,) = document.pop("differences")
    first, second = document.pop("judges")
    assert document == {
        "labels": "labels.jsonl",
        "labelled": 40,
        "labelers": 1,
        "compared": 40,
        "by": "error",
        "take": "b.json",
        "reason": "take 2, b integer/1: its mean absolute error is the smallest, by more than "
        "chance",
        "notes": [],
    }
    assert first.keys() == {
        *("file", "suite", "judge", "scored", "unscored", "missing", "seconds", "tokens"),
        *("spearman", "mean_absolute_error", "bias"),
        *("spearman_interval", "error_interval", "bias_interval"),
    }
    assert (first["file"], first["suite"], first["judge"]["model"]) == ("a.json", SUITE, "a")
    assert (first["seconds"], first["tokens"]) == (2, None)
    assert (second["seconds"], second["tokens"]) == (0.25, 100)
    assert difference.keys() == {"first", "second", "difference", "interval", "p", "needed"}
    assert (difference["first"], difference["second"]) == ("a.json", "b.json")
    error = first["mean_absolute_error"] - second["mean_absolute_error"]
    assert difference["difference"] == pytest.approx(error)
    assert difference["needed"] is None


def test_as_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    """The same table and lines; nothing in a name becomes markup."""
    given = people(40)
    write_labels(Path("labels.jsonl"), given)
    write_judge(Path("a.json"), near(given, 30), "<b>|a")
    write_judge(Path("b.json"), near(given, 3), "b", cost={"seconds": 12.34, "tokens": 100})

    judged("labels.jsonl", "a.json", "b.json", "--markdown")

    lines = capsys.readouterr().out.splitlines()
    assert lines[:5] == [
        (
            "## Judges beside people: take 2, b integer/1: its mean absolute error is the smallest, "
            "by more than chance"
        ),
        "",
        "40 responses labelled by 1 person, 40 of them scored by all judges.",
        "",
        "|  | judge | scored | Spearman (95 %) | error (95 %) | bias (95 %) | seconds | tokens |",
    ]
    assert lines[6].startswith("| 1 | &lt;b&gt;\\|a integer/1 | 40 of 40 |")
    assert lines[7].endswith("| 12.34 | 100 |")
    assert lines[9:11] == [
        "- judge 1: a.json, test\\_a.py::test\\_a",
        "- judge 2: b.json, test\\_a.py::test\\_a",
    ]
    assert lines[11].startswith("- 1 minus 2: mean absolute error +")


def test_the_suite_that_was_labelled(capsys: pytest.CaptureFixture[str]) -> None:
    """Of several it is the one that the design names, or --suite; a single one may have any name."""
    given = people(20)
    both = (SUITE, "test_b.py::test_b")
    write_labels(Path("labels.jsonl"), given, suite="test_b.py::test_b")
    write_judge(Path("a.json"), near(given, 3), "a", suites=both)
    write_judge(Path("b.json"), near(given, 3), "b", suites=("test_c.py::test_c",))

    for option, expected in (([], "test_b.py::test_b"), ([f"--suite={SUITE}"], SUITE)):
        judged("labels.jsonl", "a.json", "--json", *option)
        (one,) = json.loads(capsys.readouterr().out)["judges"]
        assert one["suite"] == expected
    judged("labels.jsonl", "b.json", "--json")
    (one,) = json.loads(capsys.readouterr().out)["judges"]
    assert one["suite"] == "test_c.py::test_c"


def test_everything_that_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each cause, status 2, and nothing else is printed."""
    given = people(3)
    write_labels(Path("labels.jsonl"), given, suite="test_z.py::test_z")
    scores = near(given, 3)
    write_judge(Path("a.json"), scores, "a")
    write_judge(Path("same.json"), scores, "a")
    write_judge(Path("two.json"), scores, "c", suites=(SUITE, "test_b.py::test_b"))
    write_judge(Path("foreign.json"), {"other": 3}, "d")
    write_run(Path("pairs.json"), compared({"r00": "a"}))
    empty = json.loads(Path("a.json").read_text(encoding="utf-8"))
    empty["judge"]["digest"] = "e"
    for record in empty["suites"][0]["records"]:
        record["model_response"] = None
    Path("empty.json").write_text(json.dumps(empty), encoding="utf-8")
    files = ["a.json", "same.json", "two.json", "foreign.json", "pairs.json", "empty.json"]

    judged("labels.jsonl", *files, "gone.json", "a.json", status=2)

    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines() == [
        f"llmjudge: {line}"
        for line in (
            (
                f"two.json: it has several judged suites: {SUITE}, test_b.py::test_b; name one with "
                "--suite"
            ),
            (
                "pairs.json: it has no suite whose records a judge scored; name a results file of a "
                "suite with llm_judge"
            ),
            (
                f"empty.json: it has no responses in {SUITE}, so that no label is of one of them; name "
                "the file of a run that had responses"
            ),
            (
                "gone.json: it cannot be read (No such file or directory); name a file that "
                "--llm-judge-report wrote"
            ),
            "a.json: it is named twice; name each file once",
            "same.json: it is of the same judge as a.json (a); name one file of each judge",
            (
                f"foreign.json: {SUITE}: none of its 1 responses has one of the 3 labels of "
                "labels.jsonl; name results with the responses that were labelled"
            ),
        )
    ]


def test_labels_and_results_that_are_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong with the labels is said beside what is wrong with the results."""
    Path("labels.jsonl").write_text("{}\nno\n", encoding="utf-8")

    judged("labels.jsonl", "gone.json", status=4)

    output = capsys.readouterr()
    lines = output.err.splitlines()
    assert output.out == ""
    assert len(lines) == 3
    assert all(line.startswith("llmjudge: labels.jsonl: line ") for line in lines[:2])
    assert lines[2].startswith("llmjudge: gone.json: ")


@pytest.mark.parametrize(
    ("scores", "option", "message"),
    [
        (
            {"r00": 5, "r01": None},
            [],
            (
                "a.json, b.json: no response with a label in labels.jsonl is scored in all of them; "
                "name results of the same responses"
            ),
        ),
        (
            {"r00": 5, "r01": 5},
            ["--suite=test_z.py::test_z"],
            (
                'a.json: it has no judged suite named "test_z.py::test_z", but test_a.py::test_a; '
                "name one of them with --suite"
            ),
        ),
    ],
)
def test_what_cannot_be_compared(
    capsys: pytest.CaptureFixture[str],
    scores: dict[str, int | None],
    option: list[str],
    message: str,
) -> None:
    """One line, and status 2."""
    write_labels(Path("labels.jsonl"), {"r00": 5, "r01": 5})
    write_judge(Path("a.json"), scores, "a")
    write_judge(Path("b.json"), {"r00": None, "r01": 5}, "b")

    judged("labels.jsonl", "a.json", "b.json", *option, status=2)

    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines()[0] == f"llmjudge: {message}"
