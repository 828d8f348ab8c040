"""``--llm-judge-html``: what the page holds after runs of all kinds, and where it cannot be written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.fake_ollama import Answer, ChatRequest, FakeOllama, Reply, similarity
from tests.support.project import MARKED, Project, records
from tests.support.report_page import column, index_of, text_of, texts_of

HTML = "--llm-judge-html=report.html"
NAME = "test_suite.py::test_instructions"
EXAMPLE = Path(__file__).parents[2] / "example_suite" / "mmlu"
# A model that takes the same choice of every question.
KNOWS = """
import pytest

class Knows:
    fingerprint = "knows-{right}"
    context_length = 4096

    def encode(self, text):
        return list(text.encode())

    def score(self, contexts):
        for context in contexts:
            yield [-float(number != {right}) for number, branch in enumerate(context.branches)]

@pytest.fixture(scope="session")
def llm_model():
    return Knows()
"""


def refusing(request: ChatRequest) -> Reply:
    """Give no score to record 2."""
    return Answer("I cannot say.") if "number 2" in request.prompt else similarity(request)


def test_a_failed_run(project: Project, dist: tuple[str, ...]) -> None:
    """Records of all outcomes are there, the decision is on top, the summary names the file."""
    project.suite(records(4, wrong=[1]), 'responses="model_response", min_score=50')

    with FakeOllama(refusing) as server:
        result = project.run(*dist, HTML, server=server.url)

    page = project.path / "report.html"
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"html: {page}"])
    assert column(page, "score") == {"r0": 100, "r1": 0, "r2": None, "r3": 100}
    assert column(page, "flags") == {"r0": 0, "r1": 1, "r2": 2, "r3": 0}
    texts = texts_of(page)
    assert texts["r1"] == {
        "instruction": "Say 1 in words.",
        "output": "The number 1 in words.",
        "response": "xyz",
        "replies": ["0"],
    }
    assert "neither of which is a score" in texts["r2"]["error"]
    text = text_of(page)
    assert "incomplete the suite is incomplete" in text
    assert re.search("1 of 4 records scores? below 50", text)
    assert re.search("1 of 4 records (is|are) unscored", text)
    assert sorted(one.name for one in project.path.glob("*report.html*")) == ["report.html"]


@pytest.mark.parametrize(
    ("body", "arguments", "status"),
    [
        ("pass", ("-x",), pytest.ExitCode.TESTS_FAILED),
        ("if record.id == 'r2': raise KeyboardInterrupt", (), pytest.ExitCode.INTERRUPTED),
    ],
    ids=["exitfirst", "interrupted"],
)
def test_a_run_that_ended_early(
    project: Project, ollama: FakeOllama, body: str, arguments: tuple[str, ...], status: int
) -> None:
    """What was not run is in the page, and marked as such."""
    wrong = [1] if arguments else []
    project.write("data.json", records(5, wrong=wrong))
    marked = MARKED.format(arguments='"data.json", responses="model_response", min_score=50')
    marked = marked.replace("(verdict)", "(record, verdict)").replace("    pass", f"    {body}")
    project.write("test_suite.py", marked)

    result = project.run_subprocess(*arguments, HTML, server=ollama.url)

    page = project.path / "report.html"
    assert result.ret == status
    outcomes = index_of(page)["outcomes"]
    assert [outcomes[one] for one in index_of(page)["outcome"]][3:] == ["not run"] * 2
    assert "of 5 records were not run" in text_of(page)


def test_beside_a_baseline(project: Project, ollama: FakeOllama) -> None:
    """Each record stands beside what the release made of it, and what got worse is on top."""
    project.suite(records(6, wrong=[0]))
    project.run("--llm-judge-report=old.json", server=ollama.url)
    project.suite(records(6, wrong=[2, 3]))

    project.run(HTML, "--llm-judge-baseline=old.json", server=ollama.url)

    page = project.path / "report.html"
    assert column(page, "before") == {"r0": 0, **{f"r{number}": 100 for number in range(1, 6)}}
    assert column(page, "score") == {
        **{f"r{number}": 100 for number in range(6)},
        "r2": 0,
        "r3": 0,
    }
    assert column(page, "flags")["r2"] == 1 + 4 + 32
    texts = texts_of(page)
    assert (texts["r2"]["other"], texts["r2"]["response"]) == ("The number 2 in words.", "xyz")
    assert texts["r4"]["marks"] == "same"
    text = text_of(page)
    assert "-100 100 0 Say 2 in words. fails now" in text
    assert "Now against the baseline" in text
    assert "6 records paired" in text


def test_a_baseline_of_another_judge(project: Project, ollama: FakeOllama) -> None:
    """Its scores do not compare and so are not shown; its responses are."""
    project.suite(records(2))
    project.run("--llm-judge-report=old.json")

    project.run(HTML, "--llm-judge-baseline=old.json", server=ollama.url)

    page = project.path / "report.html"
    assert column(page, "before") == {"r0": None, "r1": None}
    assert texts_of(page)["r1"]["other"] == "The number 1 in words."
    assert "results of different judges do not compare" in text_of(page)
    assert "Now against the baseline" not in text_of(page)


def test_pairs_and_an_exam(project: Project, ollama: FakeOllama) -> None:
    """Both have their sections, pairs their rows, and subjects the baseline's accuracy."""
    fields = [{**one, "old": "No idea."} for one in records(3, wrong=[0])]
    project.pairs(fields, 'responses="model_response", against="old", min_win_rate=0.5')
    exam = f"""
import pytest

@pytest.mark.llm_mmlu({str(EXAMPLE)!r}, shots=1, min_accuracy=0)
def test_mmlu(mmlu_result):
    pass
"""
    project.write("test_exam.py", exam)
    project.write("conftest.py", KNOWS.format(right=0))
    project.run("test_exam.py", "--llm-judge-report=old.json", server=ollama.url)
    project.write("conftest.py", KNOWS.format(right=1))

    project.run(HTML, "--llm-judge-baseline=old.json", server=ollama.url)

    page = project.path / "report.html"
    assert index_of(page)["suites"] == ["test_pairs.py::test_pairs"]
    assert column(page, "score")["r1"] == 100
    assert texts_of(page)["r1"]["other"] == "No idea."
    assert texts_of(page)["r1"]["orders"] == ["A", "B"]
    text = text_of(page)
    for part in ("against old pairs 3", "kitchen_science 8", "number_facts 8", "asked as letters"):
        assert part in text
    assert "baseline" in text.partition("Subjects")[2]


def test_only_the_page_is_asked_for(project: Project, ollama: FakeOllama) -> None:
    """No other file is written, and an ini option names it as well."""
    project.write("pytest.ini", "[pytest]\nllm_judge_html = out/page.html\n")
    project.suite(records(1))

    result = project.run(server=ollama.url)

    result.assert_outcomes(passed=2)
    assert [one.name for one in (project.path / "out").iterdir()] == ["page.html"]


def test_a_page_that_is_a_folder(project: Project) -> None:
    """What cannot be written is found before the work."""
    project.suite(records(1))
    (project.path / "report.html").mkdir()

    result = project.run(HTML)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    path = project.path / "report.html"
    text = f"ERROR: --llm-judge-html: {path} is a folder; name another place"
    assert [text] == [line for line in result.errlines if line]


def test_a_page_that_cannot_be_written(project: Project) -> None:
    """A run whose report is lost does not end well, and says why."""
    project.write("data.json", records(1))
    body = """
import pathlib, pytest

@pytest.mark.llm_judge("data.json", responses="model_response", min_score=1)
def test_instructions(verdict):
    pathlib.Path("report.html").mkdir()
"""
    project.write("test_suite.py", body)

    result = project.run(HTML)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = (
        f"ERROR: {project.path / 'report.html'}: it cannot be written (Is a directory); "
        "make room or name another place"
    )
    result.stdout.fnmatch_lines([text])
