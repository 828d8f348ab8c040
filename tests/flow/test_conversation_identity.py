"""Conversations that differ in an earlier turn or the system text alone are different records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.data import Turn
from pytest_llmjudge.keys import Content, content_digest, text_digest
from tests.support.project import records

if TYPE_CHECKING:
    from tests.support.project import Project

JUDGED = 'responses="model_response", min_average=50'
REFUSED = (
    "only 0 of the 6 records of the baseline have a score on both sides (6 have other texts now, "
    "such as another system text, or other criteria), and 80 % are needed"
)

JUDGE = """
import pytest
from pytest_llmjudge import Verdict

class Own:
    fingerprint = "own"

    def score(self, record, response):
        with open("asked.txt", "a") as file:
            file.write("x")
        return Verdict(60)

@pytest.fixture(scope="session")
def llm_judge():
    return Own()
"""


def talks(turn: str) -> list[dict[str, Any]]:
    """Make six conversations in which the same is asked after another question."""
    return [
        {
            "id": f"r{number}",
            "messages": [
                {"role": "user", "content": turn},
                {"role": "assistant", "content": "Yes."},
                {"role": "user", "content": f"Say {number} in words."},
                {"role": "assistant", "content": f"The number {number} in words."},
            ],
            "model_response": f"The number {number} in words.",
            "old": f"No idea of {number}.",
        }
        for number in range(6)
    ]


def not_compared(project: Project) -> str:
    (suite,) = project.results("new.json")["suites"]
    assert suite["baseline"]["paired"] == 0
    return str(suite["baseline"]["refusal"])


def test_a_baseline_of_other_turns(project: Project, dist: tuple[str, ...]) -> None:
    """Their scores are not paired, and those of the same conversations are."""
    project.suite(talks("Hello?"), JUDGED)
    project.run("--llm-judge-report=old.json", *dist).assert_outcomes(passed=7)
    (suite,) = project.results("old.json")["suites"]
    assert suite["records"][0]["turns"] == talks("Hello?")[0]["messages"][:2]
    assert "system" not in suite["records"][0]
    compared = "--llm-judge-baseline=old.json", "--llm-judge-report=new.json", *dist

    project.run(*compared).assert_outcomes(passed=8)
    project.suite(talks("Goodbye?"), JUDGED)
    project.run(*compared)

    assert not_compared(project).startswith(REFUSED)


def test_a_baseline_without_the_system_text(project: Project) -> None:
    """A marker's own counts as the records' does, and so do those of which it has none."""
    project.suite(records(6), JUDGED)
    project.run("--llm-judge-report=old.json").assert_outcomes(passed=7)
    assert "system" not in (project.path / "old.json").read_text("utf-8")
    project.suite(records(6), f'{JUDGED}, system="In words."')

    project.run("--llm-judge-baseline=old.json", "--llm-judge-report=new.json")

    assert not_compared(project).startswith(REFUSED)
    (suite,) = project.results("new.json")["suites"]
    assert [record["system"] for record in suite["records"]] == ["In words."] * 6


@pytest.mark.parametrize("turn", ["Hello?", "Goodbye?"])
def test_answers_of_a_results_file(project: Project, turn: str) -> None:
    """What was answered to another conversation is no answer to this one."""
    project.suite(talks("Hello?"), 'responses="old", min_average=0')
    project.run("--llm-judge-report=old.json")
    project.pairs(talks(turn), 'responses="model_response", against="old.json", min_win_rate=0.5')

    result = project.run("test_pairs.py")

    if turn == "Hello?":
        result.assert_outcomes(passed=7)
    else:
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert "it has none of these records" in str(result.stderr)


@pytest.mark.parametrize("turn", ["Hello?", "Goodbye?"])
def test_votes(project: Project, turn: str) -> None:
    """People voted on the conversation that they saw."""
    votes = [
        {
            "id": talk["id"],
            "model_a": "new",
            "model_b": "old",
            "winner": "a",
            "response_a": text_digest(talk["model_response"]),
            "response_b": text_digest(talk["old"]),
            "content": content_digest(
                Content(
                    talk["messages"][2]["content"],
                    "",
                    talk["messages"][3]["content"],
                    turns=(Turn("user", "Hello?"), Turn("assistant", "Yes.")),
                )
            ),
        }
        for talk in talks("Hello?")
    ]
    project.write("votes.jsonl", "".join(json.dumps(vote) + "\n" for vote in votes))
    arguments = 'responses="model_response", against="old", min_win_rate=0.5, votes="votes.jsonl"'
    project.pairs(talks(turn), arguments)

    result = project.run()

    if turn == "Hello?":
        result.assert_outcomes(passed=7)
    else:
        result.assert_outcomes(errors=6, failed=1)
        assert "a vote on record r0, but not on these two answers to it" in str(result.stdout)


@pytest.mark.parametrize(
    "more", ['system="In words."', 'fields={"instruction": "instruction", "output": "other"}']
)
def test_a_judge_of_ones_own_is_asked_again(project: Project, more: str) -> None:
    """What the marker makes of the same fields is another record to it."""
    project.write("conftest.py", JUDGE)
    content = [{**record, "other": "else"} for record in records(2)]
    for arguments, asked in ((JUDGED, 2), (JUDGED, 2), (f"{JUDGED}, {more}", 4)):
        project.suite(content, arguments)
        project.run()
        assert (project.path / "asked.txt").read_text("utf-8") == "x" * asked
