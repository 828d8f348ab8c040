"""Annotations of what failed, as GitHub Actions takes them from the log."""

from __future__ import annotations

import re

import pytest

from tests.support.fake_ollama import FakeOllama, always
from tests.support.project import Project, records

GITHUB = "--llm-judge-annotations=github"


def commands(result: pytest.RunResult) -> list[str]:
    """Return the lines that GitHub's runner would obey."""
    return [
        line
        for line in result.outlines
        if re.match(r"\s*::[\w-]+[^\n]*::", line) or re.search(r"##\[[\w-]+[^]]*\]", line)
    ]


def test_gates_come_first(project: Project, dist: tuple[str, ...]) -> None:
    """At the marked function's line, on lines of their own, after all else."""
    project.suite(records(3, wrong=[1]), 'responses="model_response", min_score=50, min_average=90')

    result = project.run(*dist, GITHUB)

    lines = commands(result)
    assert result.outlines[-2:] == lines
    place = "::error file=test_suite.py,line=4,title=test_instructions"
    assert lines[0].startswith(f"{place}[average]::average 66.67 over 3 records (95 %25 CI ")
    assert lines[1] == (
        f"{place}[r1]::score 0 is below min_score 50%0A"
        "instruction:   Say 1 in words.%0A"
        "reference:     The number 1 in words.%0A"
        "response:      xyz%0A"
        "judge's reply: chrF 0.00"
    )


def test_files_are_named_from_the_root_of_the_repository(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is where GitHub has checked it out, not where pytest runs."""
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.path.parent))
    project.suite(records(1, wrong=[0]))

    (annotation,) = commands(project.run(GITHUB))

    assert annotation.startswith(f"::error file={project.path.name}/test_suite.py,line=4,")


def test_a_records_file_is_named_itself(project: Project) -> None:
    """It has no test function to point to."""
    project.write("data.json", records(1, wrong=[0]))
    project.write("conftest.py", "import pytest\n\n@pytest.fixture(scope='session')\n" + MINE)

    (annotation,) = commands(project.run(GITHUB, "--llm-judge-min-score=50", "data.json"))

    assert annotation.startswith(
        "::error file=data.json,line=1,title=test_instructions[r0]::score 0 is"
    )


MINE = """def llm_model():
    class Mine:
        fingerprint = "mine"

        def generate(self, prompts, *, max_new_tokens):
            return ["xyz" for _ in prompts]
    return Mine()
"""


def test_a_body_that_fails_says_why(project: Project) -> None:
    """Its assertion, not its source text."""
    project.write("data.json", records(1))
    body = """
import pytest

@pytest.mark.llm_judge("data.json", responses="model_response", min_score=50)
def test_instructions(verdict, response):
    assert "apple" in response
"""
    project.write("test_suite.py", body)

    (annotation,) = commands(project.run(GITHUB))

    text = "AssertionError: assert 'apple' in 'The number 0 in words.'"
    assert annotation == f"::error file=test_suite.py,line=4,title=test_instructions[r0]::{text}"


def test_a_judge_that_is_not_fit_is_told_once(project: Project) -> None:
    """All other items of the suite only point to its check."""
    project.suite(records(12), 'responses="model_response", min_average=50')
    with FakeOllama(always("85")) as server:
        result = project.run(GITHUB, "--llm-judge-check=strict", server=server.url)

    (annotation,) = commands(result)
    assert "title=test_instructions[judge-check]::" in annotation


@pytest.mark.parametrize("kind", ["suite", "pairs"])
def test_a_check_that_was_not_selected(project: Project, dist: tuple[str, ...], kind: str) -> None:
    """Why the judge is not fit is said once, at the suite; there is no item that could say it."""
    rows = [{**record, "old": "No idea."} for record in records(12)]
    if kind == "suite":
        project.suite(rows, 'responses="model_response", min_average=50')
    else:
        project.pairs(rows, 'responses="model_response", against="old", min_win_rate=0.5')
    with FakeOllama(always("85")) as server:
        result = project.run(
            GITHUB, "--llm-judge-check=strict", "-k", "not judge-check", *dist, server=server.url
        )

    (annotation,) = commands(result)
    name, place = "test_instructions", "test_suite.py"
    if kind == "pairs":
        name, place = "test_pairs", "test_pairs.py"
    start = f"::error file={place},line=4,title={name}::{place}::{name}: the judge failed "
    assert annotation.startswith(f"{start}known answers: judge llama3: ")
    assert annotation.endswith("; nothing else of this suite is decided")


def test_ten_in_all(project: Project) -> None:
    """The last one says how many more there are; what is no suite's is pytest's own matter."""
    project.suite(records(15, wrong=range(15)))
    project.write("test_other.py", "def test_other():\n    assert False\n")

    lines = commands(project.run(GITHUB))

    assert len(lines) == 10
    assert lines[-1] == "::error title=llm-judge::and 6 more, see the log"


@pytest.mark.parametrize("tb", ["auto", "no", "line", "native"])
def test_a_response_cannot_be_a_command(project: Project, tb: str) -> None:
    """What a model writes is shown, whole and harmless, in failures, summary and annotations."""
    hostile = "::stop-commands::x\n   ::error::forged\nand ##[error]that ::add-mask::e"
    answers = [{**record, "model_response": hostile, "id": "::warning::r"} for record in records(1)]
    project.suite(answers, 'responses="model_response", min_score=50, min_average=50')

    result = project.run(GITHUB, f"--tb={tb}", "-v")

    lines = commands(result)
    assert len(lines) == 2
    assert all(line.startswith("::error file=test_suite.py,line=4,") for line in lines)
    if tb == "auto":
        result.stdout.fnmatch_lines(
            [
                "response:      \\x3a:stop-commands::x",
                "                  \\x3a:error::forged",
                "               and \\x23#[[]error]that ::add-mask::e",
            ]
        )


def test_a_judge_of_ones_own_cannot_command_either(project: Project) -> None:
    """Nor can its error, nor the id of a record that it could not score."""
    project.write("conftest.py", ODD)
    project.suite(
        [{**records(1)[0], "id": "##[add-mask]x"}], 'responses="model_response", min_average=5'
    )

    result = project.run("-rN")

    assert r"\x3a:stop-commands::x" in result.outlines
    reason = r"1 of 1 records is unscored, so there is no average: \x23#[add-mask]x"
    assert reason in result.outlines
    # pytest's own titles have the id as it is.
    assert [line for line in commands(result) if not line.startswith("_")] == []


ODD = """
import pytest
from pytest_llmjudge import Verdict

class Odd:
    def score(self, record, response):
        return Verdict(None, error="::stop-commands::x")

@pytest.fixture(scope="session")
def llm_judge():
    return Odd()
"""


@pytest.mark.parametrize("arguments", [(), ("--llm-judge-annotations=off",), ("-qq", GITHUB)])
def test_only_on_request(project: Project, arguments: tuple[str, ...]) -> None:
    """Whatever else is quiet."""
    project.suite(records(1, wrong=[0]))

    assert len(commands(project.run(*arguments))) == (GITHUB in arguments)


def test_a_word_that_is_none(project: Project) -> None:
    """An unknown place is a usage error."""
    project.suite(records(1))

    result = project.run("--llm-judge-annotations=gitlab")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = 'ERROR: --llm-judge-annotations: "gitlab" is unknown; choose off or github'
    assert [text] == [line for line in result.errlines if line]
