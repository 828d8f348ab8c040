"""The gate over what a suite's records and the training data have in common."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.project import Project, records

if TYPE_CHECKING:
    from tests.support.fake_ollama import FakeOllama

REPORT = "--llm-judge-report=results.json"
ARGUMENTS = 'responses="model_response", min_score=50, training="train.jsonl"'
MOST = ", max_overlap=0.5"
NEAR = "What is the opposite of 'wet'?"


def said(text: str) -> str:
    """Return a line of training data as finetuning on chats takes it."""
    return json.dumps({"messages": [{"role": "user", "content": text}]})


@pytest.fixture(name="suite")
def make_suite(project: Project) -> Project:
    """Four records: one appears in the training data word for word, one nearly."""
    content = records(4, wrong=[0])
    content[2]["instruction"] = NEAR
    project.write("train.jsonl", f"{said('say 0, in WORDS')}\n{said(NEAR.replace('wet', 'weak'))}")
    project.suite(content, ARGUMENTS)
    return project


def errors(result: pytest.RunResult) -> list[str]:
    """Return the lines of a usage error."""
    return [line for line in result.errlines + result.outlines if line.startswith("ERROR: ")]


def test_a_record_that_appears_in_the_training_data(suite: Project, dist: tuple[str, ...]) -> None:
    """The gate fails and names it; the average without such records stands beside the other."""
    reports = "--llm-judge-html=report.html", "--llm-judge-markdown=report.md"

    result = suite.run(REPORT, *reports, *dist)

    result.assert_outcomes(passed=4, failed=2)
    reason = (
        "1 of 4 records appears in the training data word for word (1 nearly); take it out of the "
        "training data, or out of the suite"
    )
    output = str(result.stdout)
    assert f"{reason}\nword for word:\n  r0  train.jsonl: line 1\n" in output
    assert "  0.88  r2  train.jsonl: line 2: What is the opposite of 'weak'?" in output
    (document,) = suite.results()["suites"]
    average = document["average"]
    titled = f"(average {average:.2f}, without them 100.00)"
    assert average < 100
    assert f"in the training data of test_suite.py::test_instructions {titled}: 2" in output
    assert titled in (suite.path / "report.md").read_text("utf-8")
    assert "average without them" in (suite.path / "report.html").read_text("utf-8")
    assert [gate["name"] for gate in document["gates"]] == ["overlap", "average"]
    assert document["gates"][0] == {"name": "overlap", "outcome": "failed", "reason": reason}
    assert document["outcome"] == "failed"
    assert document["overlap"]["training"] == [
        {"path": "train.jsonl", "records": 2, "unread": 0, "problem": ""}
    ]
    assert document["overlap"]["without"] == {"total": 2, "average": 100, "ci95": [100, 100]}
    assert [one["id"] for one in document["overlap"]["records"]] == ["r0", "r2"]


def test_as_much_as_is_allowed(suite: Project) -> None:
    """With a share exact ones pass too, and near ones count."""
    suite.suite(records(4), ARGUMENTS + MOST)

    suite.run("-k", "overlap").assert_outcomes(passed=1, deselected=5)


def test_a_run_with_overlap_is_a_baseline_too(suite: Project) -> None:
    """Its results are read back as any others, and the next run has both gates."""
    suite.suite(records(6), ARGUMENTS + MOST)
    suite.run(REPORT).assert_outcomes(passed=8)

    suite.run("--llm-judge-baseline=results.json").assert_outcomes(passed=9)


def test_held_out_loss(suite: Project) -> None:
    """Its gate comes first too; a text has no records that could appear in training data."""
    suite.write("general.txt", "Some text.")
    for name, data in (("data", "data.json"), ("text", "general.txt")):
        suite.write(
            f"test_{name}.py",
            "import pytest\n\n"
            f'@pytest.mark.llm_loss("{data}", max_loss=5, training="train.jsonl", max_overlap=0.5)\n'
            "def test_loss(loss):\n    pass\n",
        )

    result = suite.run("test_data.py", "-k", "overlap", REPORT, "--llm-judge-checkpoint=no.pth")
    refused = suite.run("test_text.py", "--llm-judge-checkpoint=no.pth")

    result.assert_outcomes(passed=1, deselected=5)
    (document,) = suite.results()["suites"]
    assert [gate["name"] for gate in document["gates"]] == ["overlap", "perplexity"]
    assert (document["overlap"]["exact"], document["overlap"]["without"]) == (1, None)
    text = "test_text.py::test_loss: training: it says nothing of a text file; leave it out"
    assert errors(refused) == [f"ERROR: {text}"]


def test_neither_model_nor_judge_is_needed(suite: Project, ollama: FakeOllama) -> None:
    """Selected alone it asks nothing, and loads nothing; the server and the model may be missing."""
    suite.suite(records(4), 'min_score=50, checkpoint="no.pth", training=["train.jsonl"]' + MOST)
    alone = suite.run("-k", "overlap", REPORT, server="http://localhost:9")
    (document,) = suite.results()["suites"]

    alone.assert_outcomes(passed=1, deselected=5)
    assert (document["outcome"], document["scored"]) == ("incomplete", 0)
    assert document["overlap"]["without"] is None
    assert "judge: not asked" in str(alone.stdout)

    forced = suite.run("-k", "overlap", "--llm-judge-checkpoint=no.pth", server=ollama.url)

    forced.assert_outcomes(passed=1, deselected=5)
    assert ollama.chats == []


@pytest.mark.parametrize(
    ("training", "text"),
    [
        (None, 'training: "train.jsonl" is not there; expected it at {path}'),
        ("", "train.jsonl: it is empty; add records or name another file"),
        (
            '{"text": "a"}\n{"text": "b"}',
            (
                'train.jsonl: all 2 records lack "instruction"; give the records of train.jsonl an '
                "instruction, a prompt or messages"
            ),
        ),
        (
            "\n".join(map(json.dumps, records(2))),
            (
                "training: train.jsonl is the suite's own records file; name the data that the model "
                "was trained on"
            ),
        ),
    ],
)
def test_training_data_that_cannot_be_used(suite: Project, training: str | None, text: str) -> None:
    """One line before any work, and status 4."""
    path = suite.path / "train.jsonl"
    if training is None:
        path.unlink()
    else:
        path.write_text(training, encoding="utf-8")
        if "r1" in training:
            suite.write("data.json", training)

    result = suite.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    where = "test_suite.py::test_instructions: " if text.startswith("training") else ""
    assert errors(result)[-1] == f"ERROR: {where}{text.format(path=path)}"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            "min_score=5, max_overlap=0.1",
            (
                "max_overlap: there is no training data; name the data that the model was trained on "
                "with training="
            ),
        ),
        (
            'min_score=5, training="train.jsonl", max_overlap=5',
            "max_overlap: 5 is no share; give a share from 0 to 1, for example 0.05",
        ),
        ("min_score=5, training=[]", "training: it names no file; name one, or leave it out"),
        ("min_score=5, training=5", "training: 5 is no text; give a string in quotes"),
        (
            'training="train.jsonl"',
            (
                "no score of it can fail, only its overlap with the training data; set min_score or "
                "min_average, or --llm-judge-min-score or --llm-judge-min-average, or compare with "
                "--llm-judge-baseline"
            ),
        ),
    ],
)
def test_keywords_that_cannot_be_used(suite: Project, arguments: str, text: str) -> None:
    """One line, and status 4."""
    suite.suite(records(4), f'responses="model_response", {arguments}')

    result = suite.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert errors(result) == [f"ERROR: test_suite.py::test_instructions: {text}"]


def test_a_required_suite_needs_its_gate(suite: Project) -> None:
    """A run without it is no whole run of the suite, and ends before work."""
    suite.suite(records(4), ARGUMENTS + MOST)
    suite.write("pytest.ini", "[pytest]\nllm_judge_require = test_suite.py::test_instructions\n")

    result = suite.run("-k", "not overlap")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "(5 of 6 items selected)" in str(result.stderr)
    suite.run().assert_outcomes(passed=6)


def test_pairs(suite: Project) -> None:
    """The win rate without the records that appear there is beside the other."""
    content = [{**one, "other": "xyz"} for one in records(4, wrong=[0])]
    arguments = 'responses="model_response", against="other", min_win_rate=0.5'
    suite.pairs(content, f'{arguments}, training="train.jsonl"')

    result = suite.run("test_pairs.py", REPORT)

    result.assert_outcomes(passed=5, failed=1)
    (document,) = suite.results()["suites"]
    assert [gate["name"] for gate in document["gates"]] == ["overlap", "win-rate"]
    assert document["win_rate"] == 0.875
    without = document["overlap"]["without"]
    assert (without["total"], without["win_rate"]) == (3, 1.0)


def test_files_that_would_be_overwritten(suite: Project) -> None:
    """A report does not take the place of training data."""
    result = suite.run("--llm-judge-report=train.jsonl")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "train.jsonl is the training data of test_suite.py::test_instructions as well" in str(
        result.stderr
    )
