"""Commands of pytest that run no test: nothing is asked, checked or written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.flow.test_mmlu import exam
from tests.support.project import Project, records

if TYPE_CHECKING:
    from tests.support.fake_ollama import FakeOllama

LISTING = ("--collect-only", "--fixtures", "--fixtures-per-test", "--setup-plan", "--cache-show")
FILES = ("--llm-judge-report=results.json", "--llm-judge-html=page.html")
WRITTEN = ("results.json", "page.html", "summary.md", "data-with-response.json")
GIVEN = 'responses="model_response", min_score=50'


@pytest.mark.parametrize("command", LISTING)
def test_nothing_is_written(
    project: Project, monkeypatch: pytest.MonkeyPatch, ollama: FakeOllama, command: str
) -> None:
    """What an earlier run has written stays as it is."""
    project.suite(records(2), GIVEN)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "summary.md"))
    for name in WRITTEN:
        project.write(name, "earlier")

    result = project.run(command, *FILES, "--llm-judge-responses=.", server=ollama.url)

    assert result.ret == pytest.ExitCode.OK
    assert {(project.path / name).read_text("utf-8") for name in WRITTEN} == {"earlier"}
    assert "no file was written" not in str(result.stdout)
    assert not ollama.chats


@pytest.mark.parametrize("command", LISTING)
def test_nothing_is_checked(project: Project, command: str) -> None:
    """Neither judge nor model need be there, nor a place to write to."""
    project.suite(records(2), "min_score=50")
    exam(project, "shots=1, min_accuracy=0.2")
    project.write("file", "no folder")

    result = project.run(
        command, "--llm-judge-report=file/results.json", server="http://127.0.0.1:9"
    )

    assert result.ret == pytest.ExitCode.OK
    assert not any(line.startswith("llm-judge: ") for line in result.outlines)


def test_setups_alone(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fixtures are set up, and so the judge is asked, but no item decides anything."""
    project.suite(records(2), GIVEN)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "summary.md"))
    project.run(FILES[0])
    before = project.results()

    result = project.run("--setup-only", FILES[0])

    assert result.ret == pytest.ExitCode.OK
    assert project.results() == before
    assert "llm-judge: --setup-only decides nothing, so no file was written" in result.outlines
    text = (project.path / "summary.md").read_text("utf-8")
    assert text.count("## llm-judge: ") == 1
