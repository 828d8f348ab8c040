"""Raw checkpoints of other families than GPT-2 under test, and what is said where one lacks facts."""

from __future__ import annotations

import pytest
import torch

from pytest_llmjudge.generation.families.native import native_config
from pytest_llmjudge.generation.families.transformer_config import weight_shapes
from tests.support.project import Project, records

pytest.importorskip("tokenizers")

CONFIG = {"n_heads": 4, "head_dim": 8, "rope_base": 1e6, "context_length": 64, "qk_norm": True}
ERROR = "ERROR: "


@pytest.fixture(name="suite")
def make_suite(project: Project) -> Project:
    """Four records and a tiny Qwen 3 in the layout of the books, its config with its weights."""
    from tests.unit.generation.hugging import SIZES, make_tokenizer

    tokenizer = make_tokenizer()
    tokenizer.save_pretrained(project.path)
    sizes = {**SIZES, "vocab_size": len(tokenizer), "head_dim": 8}
    shapes = weight_shapes(native_config({"model_type": "qwen3", **sizes}))
    torch.manual_seed(0)
    state = {name: torch.randn(shape) * 0.3 for name, shape in shapes.items()}
    torch.save({"model": state, "config": CONFIG}, project.path / "model.pth")
    project.write("prompt.txt", "Say {instruction}:")
    project.suite(records(4), 'min_score=0, checkpoint="model.pth", prompt="prompt.txt"')
    return project


def test_a_qwen_of_the_books_answers(suite: Project) -> None:
    """It needs nothing but its tokenizer beside it, and no batch size changes a response."""
    documents = []
    for size in ("auto", "1"):
        result = suite.run(
            f"--llm-judge-batch-size={size}",
            "--llm-judge-max-new-tokens=6",
            "--llm-judge-cache=off",
            "--llm-judge-report=results.json",
        )
        result.assert_outcomes(passed=5)
        documents.append(suite.results())

    assert documents[0] == documents[1]
    responses = {one["model_response"] for one in documents[0]["suites"][0]["records"]}
    assert len(responses) > 1


def test_facts_that_no_tensor_tells(suite: Project) -> None:
    """A file without a config is a usage error of one line before any work."""
    path = suite.path / "model.pth"
    torch.save(torch.load(path, weights_only=True)["model"], path)

    result = suite.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (error,) = (line for line in result.errlines if line.startswith(ERROR))
    assert error == (
        f"{ERROR}{path}: neither its tensors nor a config tell its rope_base and context_length; "
        'write {"rope_base": …, "context_length": …} into model.config.json beside it'
    )
