"""Near misses in the judge's check: reported always, and demanded where a limit is set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.fake_ollama import Answer, ChatRequest, FakeOllama, Reply

if TYPE_CHECKING:
    from tests.support.project import Project

SUITE = "test_suite.py::test_instructions"
STRICT = "--llm-judge-check=strict"
LIMIT = "--llm-judge-check-near=0.75"
ARGUMENTS = 'responses="model_response", min_average=50'
THINGS = ("Alps", "hens", "oaks", "seas", "cups", "quarks", "popes", "bands", "keys", "owls")
NO_NUMBER = "0 of 10 records have a number, name or the like to change"


def records(reference: str = "There are {number} {thing}.") -> list[dict[str, Any]]:
    return [
        {
            "id": f"r{number}",
            "instruction": f"How many {thing} are there?",
            "output": reference.format(number=number + 20, thing=thing),
            "model_response": reference.format(number=number + 20, thing=thing),
        }
        for number, thing in enumerate(THINGS)
    ]


def reads_the_last_word(request: ChatRequest) -> Reply:
    """Tell right from plainly wrong answers, but no number from another."""
    is_alike = request.response.split()[-1:] == request.reference.split()[-1:]
    return Answer("95" if is_alike else "0")


def test_a_judge_that_accepts_near_misses(project: Project, dist: tuple[str, ...]) -> None:
    """It passes, and its figures are in every report; with a limit it is not fit."""
    project.suite(records(), ARGUMENTS)
    files = (
        "--llm-judge-report=results.json",
        "--llm-judge-markdown=run.md",
        "--llm-judge-html=run.html",
    )

    with FakeOllama(reads_the_last_word) as server:
        passed = project.run(STRICT, *files, "--junitxml=run.xml", "-v", *dist, server=server.url)
        asked = len(server.chats)
        (accepted,) = project.results()["suites"]
        refused = project.run(STRICT, LIMIT, *files, *dist, server=server.url)
        assert len(server.chats) == asked == 40 + 8 + 10

    passed.assert_outcomes(passed=12)
    check = accepted["check"]
    assert (check["near"], check["near_auc"], check["near_asked"], check["asked"]) == (
        95,
        0.5,
        8,
        48,
    )
    figures = "right 95, wrong 0, AUC 1.00, grader injection +0, near 95 (AUC 0.50)"
    line = f"judge-check: passed, the judge tells right from wrong ({figures})"
    assert line in passed.outlines
    xml = (project.path / "run.xml").read_text()
    assert f'name="llm_judge_near[{SUITE}]" value="95"' in xml
    assert f'name="llm_judge_near_auc[{SUITE}]" value="0.5"' in xml

    refused.assert_outcomes(failed=1, errors=11)
    reason = (
        "judge llama3: it gives 95 to right answers and 95 to near misses, AUC 0.50 where at least "
        "0.75 is needed; name a larger judge with --llm-judge-model, or --llm-judge-ask=weighted, "
        "or lower --llm-judge-check-near"
    )
    assert reason in refused.outlines
    (suite,) = project.results()["suites"]
    assert (suite["check"]["fit"], suite["check"]["reason"]) == (False, reason)
    assert "AUC 0.50 where at least 0.75 is needed" in (project.path / "run.md").read_text()
    assert "near misses score" in (project.path / "run.html").read_text()


def test_a_suite_without_near_misses(project: Project) -> None:
    """Reports say so, and a limit that nothing can show is an error before work."""
    project.suite(records("Nobody counts {thing}."), ARGUMENTS)

    with FakeOllama(reads_the_last_word) as server:
        reported = project.run(STRICT, "-v", "-k", "judge-check", server=server.url)
        asked = len(server.chats)
        refused = project.run(STRICT, LIMIT, server=server.url)
        pairs = project.run("--llm-judge-check=warn", LIMIT, "-k", "r1", server=server.url)
        off = project.run("--llm-judge-check=off", LIMIT, server=server.url)
        assert len(server.chats) == asked == 40

    reported.stdout.fnmatch_lines([f"judge-check: passed, *, no near misses: {NO_NUMBER})"])
    hint = "leave out --llm-judge-check-near=0.75, which needs one"
    for result in (refused, pairs):
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: {SUITE}: no near misses: {NO_NUMBER}; {hint}"])
    assert off.ret == pytest.ExitCode.USAGE_ERROR
    error = (
        "ERROR: --llm-judge-check-near: with --llm-judge-check=off the judge is asked about no near "
        "misses; leave one of them out"
    )
    off.stderr.fnmatch_lines([error])


def test_an_ini_file_waits_for_a_check(project: Project) -> None:
    """A limit there is one for the runs that check; a limit that is no share is an error."""
    project.suite(records(), ARGUMENTS)
    project.write("pytest.ini", "[pytest]\nllm_judge_check_near = 1\n")
    with FakeOllama(reads_the_last_word) as server:
        project.run("--llm-judge-check=off", server=server.url).assert_outcomes(passed=11)
        result = project.run(STRICT, "-k", "judge-check", server=server.url)
        result.assert_outcomes(failed=1, deselected=11)
    project.write("pytest.ini", "[pytest]\nllm_judge_check_near = 1.5\n")
    result = project.run(STRICT)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ['ERROR: pytest.ini: llm_judge_check_near: "1.5" is no share; give a number above 0 *']
    )


OWN = """
import re

import pytest
from pytest_llmjudge import Preference

class Careless:
    def compare(self, record, a, b):
        right, shown = (re.sub("[0-9]", "", text) for text in (record.output, a))
        other = re.sub("[0-9]", "", b)
        if shown == other:
            return Preference("tie")
        return Preference("a" if shown == right else "b")

@pytest.fixture(scope="session")
def llm_judge():
    return Careless()
"""


def test_pairs(project: Project) -> None:
    """A judge of pairs is asked to prefer right answers to near misses, and held to the limit."""
    project.write("conftest.py", OWN)
    compared = [{**record, "old": "None."} for record in records()]
    project.pairs(compared, 'responses="model_response", against="old", min_win_rate=0.5')

    report = "--llm-judge-report=results.json"
    project.run(STRICT, report).assert_outcomes(passed=12)
    check = project.results()["suites"][0]["check"]
    refused = project.run(STRICT, LIMIT)

    assert (check["near"], check["near_asked"], check["asked"]) == (0.5, 8, 32)
    refused.assert_outcomes(failed=1, errors=11)
    reason = (
        "judge of your own (Careless): right answers win 0.50 of the pairs with near misses where "
        "at least 0.75 is needed; correct it, or take another, or lower --llm-judge-check-near"
    )
    assert reason in refused.outlines
