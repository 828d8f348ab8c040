"""The hook that gets the results of a run."""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.plugin.hookspecs import pytest_llm_judge_results
from tests.support.project import Project, records
from tests.support.schema import check_results

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fake_ollama import FakeOllama

NOTING = """
import json

def pytest_llm_judge_results(config, results, files):
    paths = {name: path.name for name, path in files.items()}
    with open("calls.jsonl", "a") as log:
        log.write(json.dumps([config.rootpath.name, results, paths]) + "\\n")
"""
GATED = 'responses="model_response", min_score=50, min_average=90'


def calls(project: Project) -> list[Any]:
    """Return what the hook was called with, call by call."""
    path: Path = project.path / "calls.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_it_is_called_once_with_what_the_file_has(
    project: Project, ollama: FakeOllama, dist: tuple[str, ...]
) -> None:
    """In one process, whoever ran the items, and after the files were written."""
    project.write("conftest.py", NOTING)
    project.suite(records(4, wrong=[1]), GATED)

    project.run(
        "--llm-judge-report=new.json", "--llm-judge-html=new.html", *dist, server=ollama.url
    )

    ((root, results, files),) = calls(project)
    assert root == project.path.name
    assert results == json.loads((project.path / "new.json").read_text("utf-8"))
    assert results["status"] == 1
    assert files == {"results": "new.json", "html": "new.html"}


def test_it_needs_no_file(project: Project) -> None:
    """Without an option that names one it gets what would have been written."""
    project.write("conftest.py", NOTING)
    project.suite(records(2))

    project.run()

    ((_, results, files),) = calls(project)
    check_results(results)
    assert results["status"] == 0
    assert files == {}


def test_it_names_all_files(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the words of its docstring, and by no others."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "step.md"))
    project.write("conftest.py", NOTING)
    project.suite(records(2))
    forms = ("report", "html", "markdown", "responses")

    project.run(*(f"--llm-judge-{form}=out-{form}" for form in forms))

    ((_, _, files),) = calls(project)
    documented = str(inspect.getdoc(pytest_llm_judge_results)).partition("    files: ")[2]
    assert set(files) == set(re.findall("``([a-z ]+)``", documented))


@pytest.mark.parametrize(
    "arguments",
    [("--collect-only",), ("--setup-only",), ("--llm-judge-samples=0",), ("-k", "nothing")],
    ids=" ".join,
)
def test_it_is_not_called_where_nothing_is_judged(
    project: Project, arguments: tuple[str, ...]
) -> None:
    """Nor where the command line is wrong."""
    project.write("conftest.py", NOTING)
    project.suite(records(2))

    result = project.run(*arguments)

    assert calls(project) == []
    result.stdout.no_fnmatch_line("*so no file was written*")


FAILING = """
import pytest

def pytest_llm_judge_results(results):
    {}
"""


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("results['nothing']", "KeyError: 'nothing'"),
        ("pytest.fail('no')", "Failed: no"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
def test_one_that_fails_is_one_line(project: Project, line: str, cause: str) -> None:
    """It ends with status 1, as the results file says, and what was written stays."""
    project.write("conftest.py", FAILING.format(line))
    project.suite(records(2))

    result = project.run("--llm-judge-report=new.json")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            (
                f"ERROR: conftest.py:5: pytest_llm_judge_results: this hook failed ({cause}); correct it; "
                "what was written stays, and all verdicts are kept in the cache"
            )
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    assert project.results("new.json")["status"] == 1


IN_THE_WAY = """
import os

def pytest_runtest_teardown():
    os.makedirs("new.json", exist_ok=True)

def pytest_llm_judge_results(results):
    open("called", "w").close()
"""


def test_results_that_cannot_be_written(project: Project) -> None:
    """It is one line, and everything else is written; who needs them is not called."""
    project.write("conftest.py", IN_THE_WAY)
    project.suite(records(2))
    others = ("new.html", "new.md", "new.xml")
    options = ("--llm-judge-html", "--llm-judge-markdown", "--junitxml")

    result = project.run(
        "--llm-judge-report=new.json",
        *(f"{option}={name}" for option, name in zip(options, others, strict=True)),
    )

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (line,) = (line for line in result.outlines if line.startswith("ERROR: "))
    assert line.startswith(f"ERROR: {project.path}/new.json: it cannot be written ")
    assert all((project.path / name).exists() for name in others)
    assert not (project.path / "called").exists()
