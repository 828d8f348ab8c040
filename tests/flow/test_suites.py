"""Suites by marker and by file: what is collected, skipped, overridden, shown."""

from __future__ import annotations

import json

import pytest

from tests.support.project import MARKED, MODEL, Project, records

RIGHT = "'The number ' + prompt.split('Say ')[1].split(' ')[0] + ' in words.'"
JUDGE = """
from pytest_llmjudge import Verdict

class Lengths:
    def score(self, record, response):
        with open("judged.log", "a") as log:
            log.write(record.id + "\\n")
        return Verdict(min(100, len(response)), "counted")

@pytest.fixture(scope="session")
def llm_judge():
    return Lengths()
"""


def test_without_the_option_a_suite_is_one_skipped_item(
    project: Project, dist: tuple[str, ...]
) -> None:
    """Nothing is read, so that a missing or broken records file does no harm."""
    project.write("test_suite.py", MARKED.format(arguments='"missing.json", min_score=1'))

    result = project.pytester.runpytest("-rs", *dist)

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED [[]1[]] test_suite.py:4: needs --llm-judge"])


def test_a_low_score_is_shown_without_a_traceback(project: Project) -> None:
    """The failure shows all that the judge saw."""
    record = {
        "id": "plural",
        "instruction": "Write the plural.\nOne word.",
        "input": "mouse",
        "output": "mice",
        "model_response": "the house",
    }
    project.suite([record])

    result = project.run()

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "score 5 is below min_score 50",
            "instruction:   Write the plural.",
            "               One word.",
            "input:         mouse",
            "reference:     mice",
            "response:      the house",
            "judge's reply: chrF 5.21",
        ],
        consecutive=True,
    )
    result.stdout.fnmatch_lines(["FAILED *[[]plural[]] - Failed: score 5 is below*"])
    result.stdout.no_fnmatch_line("*Error*")
    result.stdout.no_fnmatch_line("*.py:[0-9]*")


def test_the_failure_of_a_conversation(project: Project) -> None:
    """Its system text and its earlier turns stand before the question."""
    record = {
        "system": "Be brief.",
        "history": [["Hello?", "Yes.\nWhat?"]],
        "instruction": "Write the plural.",
        "output": "mice",
        "model_response": "the house",
    }
    project.suite([record])

    result = project.run()

    result.stdout.fnmatch_lines(
        [
            "score * is below min_score 50",
            "system text:   Be brief.",
            "user:          Hello[?]",
            "assistant:     Yes.",
            "               What[?]",
            "instruction:   Write the plural.",
            "reference:     mice",
        ],
        consecutive=True,
    )


def test_an_empty_response_scores_zero(project: Project) -> None:
    """The lecture's rule: nothing written, nothing earned, nobody asked."""
    project.suite([{**records(1)[0], "model_response": "### Response:  \n"}])

    result = project.run("--llm-judge-report=results.json")

    result.assert_outcomes(passed=1, failed=1)
    (record,) = project.results()["suites"][0]["records"]
    assert (record["model_response"], record["score"], record["reply"]) == ("", 0, "")


def test_a_low_average_fails_its_own_item(project: Project) -> None:
    """No record has to fail for the average to be too low."""
    project.suite(records(4, wrong=[0, 1]), 'responses="model_response", min_average=60')

    result = project.run()

    result.assert_outcomes(passed=4, failed=1)
    expected = (
        "average 50 over 4 records (95 % CI 0 to 100) is below min_average 60; "
        "the difference is within noise"
    )
    result.stdout.fnmatch_lines([expected])


def test_suites_come_in_the_order_of_the_file(project: Project, dist: tuple[str, ...]) -> None:
    """In the summary and in the results file, whatever their names."""
    project.suite(records(2))
    test = project.path / "test_suite.py"
    names = ("test_zebra", "test_ant", "test_mole")
    marked = test.read_text("utf-8")
    test.write_text("".join(marked.replace("test_instructions", name) for name in names), "utf-8")

    result = project.run("--llm-judge-report=results.json", *dist)

    result.assert_outcomes(passed=9)
    wanted = [f"test_suite.py::{name}" for name in names]
    assert [suite["name"] for suite in project.results()["suites"]] == wanted
    rows = [line.split()[0] for line in result.outlines if " passed: score >= 50" in line]
    assert rows == wanted


@pytest.mark.parametrize("least", ["0.55", "1", "0"])
def test_an_average_that_looks_like_a_share(project: Project, least: str) -> None:
    """It decides as it was given, and whoever meant 55 is told."""
    project.suite(records(3), f'responses="model_response", min_average={least}')

    result = project.run()

    result.assert_outcomes(passed=4)
    note = (
        "note: test_suite.py::test_instructions: min_average is 0.55 of 100 points, which "
        "hardly anything misses; write 55 if a share was meant"
    )
    notes = [line for line in result.outlines if line.startswith("note: ")]
    assert notes == ([note] if least == "0.55" else [])


def test_the_body_decides_too(project: Project, dist: tuple[str, ...]) -> None:
    """Assertions in the test function see record, response and verdict."""
    project.write("data.json", records(3))
    body = """
import pytest

@pytest.mark.llm_judge("data.json", responses="model_response", min_score=1)
def test_instructions(record, response, verdict):
    assert verdict.score == 100
    assert response == record.output
    assert record.id != "r1"
"""
    project.write("test_suite.py", body)

    result = project.run(*dist, "--llm-judge-report=results.json")

    result.assert_outcomes(passed=3, failed=1)
    outcomes = [record["outcome"] for record in project.results()["suites"][0]["records"]]
    assert outcomes == ["passed", "failed", "passed"]


def test_methods_and_marks_on_classes(project: Project) -> None:
    """A method can be a suite, and the mark may stand on its class."""
    project.write("data.json", records(2))
    body = """
import pytest

@pytest.mark.llm_judge("data.json", responses="model_response", min_score=1)
class TestQuality:
    def test_words(self, verdict):
        assert verdict.score == 100
"""
    project.write("test_suite.py", body)

    result = project.run("-v")

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*test_suite.py::TestQuality::test_words[[]average[]]*"])


@pytest.mark.parametrize("kind", ["marker", "file"])
def test_model_and_judge_can_be_overridden(
    project: Project, dist: tuple[str, ...], kind: str
) -> None:
    """A conftest's own model and judge serve both kinds of suite; no server is asked."""
    project.write("conftest.py", MODEL.format(answer=RIGHT) + JUDGE)
    project.suite(records(6), "min_score=20")
    target = "test_suite.py" if kind == "marker" else "data.json"
    dead = "http://127.0.0.1:9"

    result = project.run(target, "--llm-judge-min-score=20", *dist, server=dead)

    result.assert_outcomes(passed=7)
    result.stdout.fnmatch_lines(["llm-judge: judge of a conftest's own"])
    result.stdout.fnmatch_lines(["judge: Lengths (custom)", "model: Echo"])
    generated = (project.path / "generated.log").read_text().split()
    judged = (project.path / "judged.log").read_text().split()
    assert generated == ["6"]
    assert sorted(judged) == [f"r{number}" for number in range(6)]


def test_ini_option_collects_records_files(project: Project, dist: tuple[str, ...]) -> None:
    """Files that match ``llm_judge_files`` are suites without being named."""
    project.write("pytest.ini", "[pytest]\nllm_judge_files = quality*.json\n")
    project.write("conftest.py", MODEL.format(answer=RIGHT))
    project.write("quality-1.json", records(2))
    project.write("other.json", records(2))

    result = project.run("--llm-judge-min-score=90", *dist)

    result.assert_outcomes(passed=3)


def test_options_come_from_the_ini_file(project: Project) -> None:
    """Every option may stand in an ini file; the command line wins."""
    ini = "[pytest]\nllm_judge = true\nllm_judge_model = embedded\nllm_judge_min_average = 90\n"
    ini += "llm_judge_check = off\n"
    project.write("pytest.ini", ini)
    project.suite(records(2, wrong=[0]), 'responses="model_response"')

    low = project.pytester.runpytest()
    high = project.pytester.runpytest("--llm-judge-min-average=40")

    low.assert_outcomes(passed=2, failed=1)
    high.assert_outcomes(passed=3)


def test_jsonl_and_sample(project: Project) -> None:
    """JSON Lines are read, and a sample is drawn the same way every time."""
    lines = "".join(json.dumps(record) + "\n" for record in records(40))
    project.suite(lines, 'responses="model_response", min_score=1, sample=5', data="data.jsonl")

    first = project.run("--llm-judge-report=first.json")
    second = project.run("--llm-judge-report=second.json")

    first.assert_outcomes(passed=6)
    second.assert_outcomes(passed=6)
    assert project.results("first.json") == project.results("second.json")
    assert project.results("first.json")["suites"][0]["total"] == 5


def test_prompt_template(project: Project) -> None:
    """A template of the user's own makes the prompts; braces in records are data."""
    project.write("prompt.txt", "Q: {instruction} / {input}\nA:")
    project.write("conftest.py", MODEL.format(answer="prompt"))
    record = {"instruction": "Say {input} 1 x", "input": "{in}", "output": "y"}
    project.suite([record], 'min_score=0, prompt="prompt.txt"')

    project.run("--llm-judge-report=results.json").assert_outcomes(passed=2)

    (result,) = project.results()["suites"][0]["records"]
    assert result["model_response"] == "Q: Say {input} 1 x / {in}\nA:"


def test_responses_are_written_back(project: Project, dist: tuple[str, ...]) -> None:
    """``--llm-judge-responses`` keeps what a record held and adds response and score."""
    project.suite([{**records(1)[0], "source": {"page": 7}, "model_response": " x "}])

    project.run("--llm-judge-responses=out", *dist)

    (written,) = json.loads((project.path / "out" / "data-with-response.json").read_text())
    assert written["source"] == {"page": 7}
    assert (written["model_response"], written["score"]) == ("x", 0)
    assert list(written)[:3] == ["id", "instruction", "output"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("llm_model", "test_other.py::test_plain: llm_model: no checkpoint is named*"),
        ("verdict", "test_other.py::test_plain: fixture 'verdict' is used in a test that judges*"),
    ],
)
def test_fixtures_outside_a_suite(project: Project, name: str, text: str) -> None:
    """A test that is no suite gets a sentence, not an error in the plugin."""
    body = f"def test_plain({name}):\n    assert {name}.generate(['x'], max_new_tokens=1)\n"
    project.write("test_other.py", body)

    result = project.run()

    assert result.ret == 1
    result.stdout.fnmatch_lines([text.split(": ", 1)[1] if name == "llm_model" else text])


def test_a_gate_does_not_set_up_what_the_body_asks_for(project: Project) -> None:
    """A fixture of the user's own may rest on the verdict, which a gate does not have."""
    project.write("data.json", records(2))
    body = """
import pytest

@pytest.fixture
def letters(response):
    return len(response)

@pytest.mark.llm_judge("data.json", responses="model_response", min_average=1)
def test_instructions(letters):
    assert letters > 3
"""
    project.write("test_suite.py", body)

    project.run().assert_outcomes(passed=3)


def test_no_workers(project: Project) -> None:
    """``-n 0`` is xdist without any worker: one process does all."""
    project.suite(records(3), 'responses="model_response", min_average=1')

    project.run("-n", "0").assert_outcomes(passed=4)
