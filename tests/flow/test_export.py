"""A checkpoint beside its export in Ollama: the page's two runs, and what parts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.cli import main
from tests.support.fake_ollama import DIGEST, Answer, ChatRequest, FakeOllama
from tests.support.pages import DOCS
from tests.support.project import MODEL, Project, records

if TYPE_CHECKING:
    import pytest

TEXT = "The number {} in words."
CHANGED = (3, 6, 9)
"""Records that the export answers otherwise, from the eighth character on."""


def exported(request: ChatRequest) -> Answer:
    number = int(request.prompt.split("Say ")[1].split()[0])
    return Answer(f"The numeral {number}." if number in CHANGED else TEXT.format(number))


def test_a_checkpoint_and_its_export(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The export is judged beside the checkpoint's file, and `compare` prints the page's lines."""
    right = "'The number ' + prompt.split('Say ')[1].split()[0] + ' in words.'"
    project.write("conftest.py", MODEL.format(answer=right))
    project.suite(records(12), "min_average=50", test="test_quality.py")
    project.run("--llm-judge-report=checkpoint.json").assert_outcomes(passed=13)
    project.write("conftest.py", "")

    with FakeOllama(exported, models={"my-finetune:latest": DIGEST}) as server:
        result = project.run(
            "--llm-judge-checkpoint=ollama:my-finetune",
            f"--llm-judge-checkpoint-url={server.url}",
            "--llm-judge-baseline=checkpoint.json",
            "--llm-judge-report=export.json",
        )
    result.assert_outcomes(passed=14)

    monkeypatch.chdir(project.path)
    capsys.readouterr()
    assert main(["compare", "checkpoint.json", "export.json"]) == 0
    head = capsys.readouterr().out.partition("\nwhat lost most")[0]
    page = (DOCS / "export.md").read_text("utf-8")
    assert head in page, head
