"""MMLU's own questions: equal to a plain computation by transformers' GPT-2, choice by choice.

With LLMJUDGE_FULL_SIZE set, on the whole of GPT-2 small: about an hour on two cores.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
import tiktoken
import torch

from pytest_llmjudge.decisions.accuracy import best
from pytest_llmjudge.generation.engine.loading import load
from pytest_llmjudge.generation.engine.loglikelihood import score_contexts
from pytest_llmjudge.generation.families.gpt2.config import GPTConfig
from pytest_llmjudge.kinds.mmlu_run import alike
from pytest_llmjudge.mmlu.files import open_mmlu
from pytest_llmjudge.mmlu.prompts import MODES, Task, make_task

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_llmjudge.generation.families.decoder import Decoder

IS_FULL_SIZE = "LLMJUDGE_FULL_SIZE" in os.environ
# GPT-2 small's vocabulary and context; fewer layers, since each prompt is computed plainly.
CONFIG = (
    GPTConfig(50257, context_length=1024, emb_dim=768, n_heads=12, n_layers=12, qkv_bias=True)
    if IS_FULL_SIZE
    else GPTConfig(50257, context_length=1024, emb_dim=64, n_heads=2, n_layers=2, qkv_bias=True)
)


STEPS = {"anatomy": 3, "high_school_us_history": 6}
"""Of so many questions one is asked; histories are long."""


def make_pair(folder: Path) -> tuple[Decoder, torch.nn.Module]:
    """Our model and transformers' with the same random weights."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(7)
    theirs = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            n_embd=CONFIG.emb_dim, n_layer=CONFIG.n_layers, n_head=CONFIG.n_heads
        )
    ).eval()
    # Wide layers add up: with as much noise, logits of hundreds have no 1e-4 in float32.
    noise = 0.1 if CONFIG.emb_dim < 768 else 0.02
    for weight in theirs.parameters():
        weight.data.add_(torch.randn_like(weight), alpha=noise)
    torch.save(theirs.state_dict(), folder / "model.pth")
    (folder / "config.json").write_text(json.dumps({"n_head": CONFIG.n_heads}), encoding="utf-8")
    return load(folder, torch.device("cpu"), torch.float32), theirs


@torch.inference_mode()
def plainly(model: torch.nn.Module, task: Task) -> list[float]:
    """Score the choices with a whole pass for each prompt, nothing remembered between prompts."""
    scores = []
    seen: dict[tuple[int, ...], torch.Tensor] = {}
    for context in task.contexts:
        for branch in context.branches:
            # Choices of one token each are read off the same pass.
            ids = (*context.ids, *branch[:-1])
            if ids not in seen:
                logits = model(torch.tensor([ids]), logits_to_keep=len(branch)).logits[0]
                seen[ids] = logits.log_softmax(-1)
            logs = seen[ids]
            scores.append(sum(float(logs[at, token]) for at, token in enumerate(branch)))
    return scores


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("subject", STEPS)
def test_every_choice(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subject: str, mode: str
) -> None:
    """Every log-probability within 1e-4 and every prediction, shots lost and prompts cut included."""
    if "TIKTOKEN_CACHE_DIR" not in os.environ:
        monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(real_data / "gpt2-bpe"))
    ours, theirs = make_pair(tmp_path)
    encode = tiktoken.get_encoding("gpt2").encode_ordinary
    data = open_mmlu(real_data / "mmlu")
    shots = data.shots(subject, 5)
    step = 1 if IS_FULL_SIZE else STEPS[subject]
    tasks = [
        make_task(subject, shots, question, mode, encode=encode, context=1024)
        for question in list(data.questions(subject))[::step]
    ]
    if subject == "high_school_us_history":
        assert any(task.shots < 5 or task.is_cut for task in tasks)

    scores: dict[int, list[float]] = {}
    for numbers in alike(tasks):
        given = score_contexts(ours, [one for at in numbers for one in tasks[at].contexts])
        for at in numbers:
            scores[at] = [value for _ in tasks[at].contexts for value in next(given)]

    for at, task in enumerate(tasks):
        values = scores[at]
        expected = plainly(theirs, task)
        assert values == pytest.approx(expected, abs=1e-4)
        assert best(values) == best(expected)
