"""``--llm-judge-responses-field``: responses that records hold, judged without a test file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.project import MARKED, MODEL, Project, records

if TYPE_CHECKING:
    from tests.support.fake_ollama import FakeOllama

FIELD = "--llm-judge-responses-field=model_response"
REPORT = "--llm-judge-report=results.json"


def test_a_records_file_is_judged_alone(project: Project, dist: tuple[str, ...]) -> None:
    """Neither a test file nor a model is needed, and nothing is generated."""
    project.write("data.json", records(4, wrong=[0]))

    result = project.run("data.json", FIELD, "--llm-judge-min-average=50", REPORT, *dist)

    result.assert_outcomes(passed=5)
    (suite,) = project.results()["suites"]
    assert (suite["name"], suite["average"]) == ("data.json::test_instructions", 75)
    assert (suite["responses"], suite["checkpoint"]) == ("model_response", None)
    result.stdout.fnmatch_lines(["model: responses from the records, nothing generated"])


def test_an_ini_file_may_say_so(project: Project) -> None:
    """As any option, for a records file that a pattern matches too."""
    ini = "[pytest]\nllm_judge_responses_field = old\nllm_judge_files = *.json\n"
    project.write("pytest.ini", ini)
    project.write("data.json", [{**record, "old": "xyz"} for record in records(2)])

    result = project.run("--llm-judge-min-average=50", REPORT)

    result.assert_outcomes(passed=2, failed=1)
    assert project.results()["suites"][0]["responses"] == "old"


def test_a_model_of_the_ini_file_that_nothing_asks(project: Project) -> None:
    """The head of the run does not name it."""
    project.write("pytest.ini", "[pytest]\nllm_judge_checkpoint = candidate.pth\n")
    project.write("data.json", records(2))

    result = project.run("data.json", FIELD, "--llm-judge-min-average=50")

    result.assert_outcomes(passed=3)
    result.stdout.no_fnmatch_line("*candidate.pth*")


def test_a_file_with_responses_and_no_model(project: Project) -> None:
    """Whoever names no model is told that there is something to judge all the same."""
    project.write("data.json", records(2))

    result = project.run("data.json", "--llm-judge-min-average=50")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            (
                "ERROR: data.json::test_instructions: it has no model under test; give "
                "--llm-judge-checkpoint, or checkpoint= or responses= in the marker, or judge the "
                "model_response that every record has with --llm-judge-responses-field=model_response"
            )
        ]
    )


def test_a_file_with_a_response_missing(project: Project) -> None:
    """What only some records have cannot be judged in the place of a model."""
    project.write("data.json", [*records(2), {"instruction": "Say it.", "output": "It."}])

    result = project.run("data.json", "--llm-judge-min-average=50")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.no_fnmatch_line("*responses-field*")


def test_a_field_that_records_lack(project: Project) -> None:
    """It is checked as the marker's keyword is."""
    project.write("data.json", records(2))

    result = project.run(
        "data.json", "--llm-judge-responses-field=answer", "--llm-judge-min-average=50"
    )

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(['ERROR: data.json: *"answer"*'])


def test_a_suite_that_names_neither_field_nor_model(project: Project) -> None:
    """The option is a default for suites of test files too, in comparisons as well."""
    project.write("data.json", [{**record, "old": "xyz"} for record in records(2)])
    project.write("test_suite.py", MARKED.format(arguments='"data.json", min_score=50'))
    project.pairs(
        [{**record, "old": "xyz"} for record in records(2)], 'against="old", min_win_rate=0.5'
    )

    result = project.run(FIELD, REPORT)

    result.assert_outcomes(passed=6)
    assert {suite["responses"] for suite in project.results()["suites"]} == {"model_response"}


def test_a_suite_that_names_a_model(project: Project) -> None:
    """The marker's model is judged; a field on the command line that is idle ends the run."""
    project.suite(records(2), 'checkpoint="candidate.pth", min_score=50')
    project.write("conftest.py", MODEL.format(answer="'xyz'"))

    result = project.run(FIELD)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            (
                "ERROR: --llm-judge-responses-field: no suite of this run takes its responses from "
                '"model_response"; leave it out, or take checkpoint= or responses= out of the marker'
            )
        ]
    )


@pytest.mark.parametrize("is_one_file", [True, False])
def test_what_failed_again(project: Project, mode: tuple[str, ...], *, is_one_file: bool) -> None:
    """With the options of the whole run, though the suite that they are for did not fail."""
    suites = [
        MARKED.format(arguments='"data.json", min_score=50'),
        MARKED.format(arguments='"wrong.json", responses="model_response", min_score=50'),
    ]
    project.write("data.json", [{**one, "new": one["model_response"]} for one in records(2)])
    project.write("wrong.json", records(2, wrong=[0]))
    if is_one_file:
        suites[0] += suites.pop().replace("test_instructions", "test_more")
    for number, suite in enumerate(suites):
        project.write(f"test_suite_{number}.py", suite)
    field = "--llm-judge-responses-field=new"
    project.run(field, *mode).assert_outcomes(passed=5, failed=1)

    project.run(field, "--lf", *mode).assert_outcomes(failed=1)
    refused = project.run(field, "-k", "test_more or suite_1", *mode)

    assert refused.ret == pytest.ExitCode.USAGE_ERROR


def test_a_candidate_that_nothing_tests(project: Project, ollama: FakeOllama) -> None:
    """A checkpoint beside the field would be taken for the one that was judged."""
    project.write("data.json", records(2))
    model = ("--llm-judge-checkpoint=ollama:llama3", f"--llm-judge-checkpoint-url={ollama.url}")

    result = project.run("data.json", FIELD, "--llm-judge-min-average=50", *model)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            (
                "ERROR: --llm-judge-checkpoint: ollama:llama3 is tested by nothing: all responses "
                "are taken from the records; leave it out, or do without "
                "--llm-judge-responses-field"
            )
        ]
    )
