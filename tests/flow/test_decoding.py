"""Options that decide how responses are written."""

from __future__ import annotations

import json

import pytest

from tests.support.project import MODEL, Project, records
from tests.unit.generation.tiny import save_model


@pytest.fixture(name="suite")
def make_suite(project: Project) -> Project:
    """A suite and a checkpoint; run it with ``written``."""
    save_model(project.path / "model.pth")
    project.write("short.txt", "{instruction}")
    project.suite(records(4), 'prompt="short.txt", min_score=0')
    return project


def written(project: Project, *arguments: str) -> list[str]:
    """Run the suite, and return its responses."""
    always = ("--llm-judge-checkpoint=model.pth", "--llm-judge-responses=out")
    result = project.run(*always, "--llm-judge-max-new-tokens=12", *arguments)
    result.assert_outcomes(passed=5)
    document = json.loads((project.path / "out/data-with-response.json").read_text("utf-8"))
    return [record["model_response"] for record in document]


@pytest.mark.parametrize("how", [(), ("-n", "2"), ("-p", "no:xdist")], ids=" ".join)
def test_drawn_responses(suite: Project, how: tuple[str, ...]) -> None:
    """The same seed draws the same responses, whatever runs together; another draws others."""
    drawn = ("--llm-judge-temperature=1", "--llm-judge-cache=refresh", *how)
    first = written(suite, *drawn)

    assert written(suite, *drawn, "--llm-judge-batch-size=1") == first
    assert written(suite, *drawn, "--llm-judge-seed=5") != first
    assert written(suite, *drawn, "--llm-judge-top-k=1") == written(suite, *how)


def test_what_is_drawn_is_kept_apart(suite: Project) -> None:
    """The cache does not give a greedy response where one is to be drawn, nor the other way."""
    greedy = written(suite)
    drawn = written(suite, "--llm-judge-temperature=1")

    assert drawn != greedy
    assert written(suite) == greedy
    assert written(suite, "--llm-judge-temperature=1") == drawn


def test_stop_texts(suite: Project) -> None:
    """Several, one of them with a line break; responses end before them."""
    whole = written(suite)
    first = next(char for char in whole[0][1:] if char.isascii() and char.isprintable())

    cut = written(suite, f"--llm-judge-stop={first}", "--llm-judge-stop=no\nsuch")

    assert cut == [text.partition(first)[0].strip() for text in whole]


def test_a_model_of_ones_own_is_not_told(project: Project) -> None:
    """The header says so, and what it made is not made again."""
    project.write("conftest.py", MODEL.format(answer='"The number"'))
    project.suite(records(3), "min_score=0")

    project.run_subprocess().assert_outcomes(passed=4)
    result = project.run_subprocess("--llm-judge-temperature=1", "--llm-judge-stop=END")

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        ["llm-judge: temperature, seed and stop texts do not reach a conftest's own llm_model"]
    )
    assert (project.path / "generated.log").read_text().split() == ["3"]


def test_a_checkpoint_has_no_chat_template(suite: Project, dist: tuple[str, ...]) -> None:
    """The run ends in one line before any work."""
    suite.suite(records(2), 'prompt="chat", min_score=0')

    result = suite.run("--llm-judge-checkpoint=model.pth", *dist)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (error,) = (line for line in result.errlines if line.startswith("ERROR"))
    path = suite.path / "model.pth"
    hint = "choose another prompt than 'chat'"
    assert error == f"ERROR: {path}: it has no chat template; {hint}"
