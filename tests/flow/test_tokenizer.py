"""A tokenizer that cannot be had: said once, before any work, for every kind of suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.project import COMPARED, MARKED, Project, records
from tests.unit.generation.tiny import save_model

if TYPE_CHECKING:
    from pathlib import Path

EXAM = """
import pytest

@pytest.mark.llm_mmlu("mmlu", checkpoint="model.pth", shots=0, min_accuracy=0.25)
def test_exam(mmlu_result):
    pass
"""
SUITES = {
    "judge": MARKED.format(arguments='"data.json", checkpoint="model.pth", min_score=1'),
    "pairs": COMPARED.format(
        arguments='"data.json", responses="model_response", against="model.pth", min_win_rate=0.5'
    ),
    "mmlu": EXAM,
}


@pytest.mark.parametrize("kind", list(SUITES))
def test_gpt2s_files_without_a_network(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kind: str,
    mode: tuple[str, ...],
) -> None:
    """Five records, one line, status 4, and the judge was asked nothing."""
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "empty"))
    save_model(project.path / "model.pth")
    (project.path / "model.tiktoken").unlink()
    project.write("data.json", records(5))
    project.write("mmlu/test/anatomy_test.csv", "Q?,a,b,c,d,A\n")
    project.write("test_suite.py", SUITES[kind])

    result = project.run_subprocess(*mode)

    message = f"{project.path / 'model.pth'}: GPT-2's tokenizer is not on this machine"
    lines = [line for line in (*result.outlines, *result.errlines) if message in line]
    assert pytest.ExitCode.USAGE_ERROR == result.ret, result.stdout.str()
    assert len(lines) == 1
    assert "TIKTOKEN_CACHE_DIR=folder" in lines[0]


def test_a_tokenizer_that_is_damaged(project: Project) -> None:
    """A file beside the checkpoint is read before any work as well."""
    save_model(project.path / "model.pth")
    project.write("model.tiktoken", "YQ== 0\nnonsense\n")
    project.suite(records(5), 'checkpoint="model.pth", min_score=1')

    result = project.run()

    problem = "line 2 is not a token in base64, a space and its rank"
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    assert sum(problem in line for line in (*result.outlines, *result.errlines)) == 1
