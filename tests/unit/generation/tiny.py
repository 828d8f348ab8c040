"""Tiny models with random weights, and the lecture's model to compare them with."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.checkpoint_info import describe
from pytest_llmjudge.generation.families.gpt2.config import GPTConfig
from pytest_llmjudge.generation.families.gpt2.model import GPTModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MERGES = [b"th", b"the", b" the", b"in", b"ing"]
VOCABULARY = 256 + len(MERGES) + 1
END = VOCABULARY - 1
DEVICES = ", ".join(
    ["auto", "cpu"]
    + ["cuda"] * torch.cuda.is_available()
    + ["mps"] * torch.backends.mps.is_available()
)
"""What can be chosen on this machine."""

TINY = GPTConfig(VOCABULARY, context_length=48, emb_dim=64, n_heads=1, n_layers=2, qkv_bias=True)


def make_model(config: GPTConfig = TINY, seed: int = 0) -> GPTModel:
    """A model whose weights are large enough that it does not repeat one token."""
    torch.manual_seed(seed)
    model = GPTModel(config).eval().requires_grad_(requires_grad=False)
    for weight in model.parameters():
        weight.add_(torch.randn_like(weight), alpha=0.1)
    return model


def save_model(
    path: Path,
    config: GPTConfig = TINY,
    other: Mapping[str, Tensor | None] | None = None,
    *,
    seed: int = 0,
) -> GPTModel:
    """Save a model, its tokenizer and its number of heads.

    ``other`` replaces tensors, ``None`` leaves them out.
    """
    model = make_model(config, seed)
    state: dict[str, Tensor | None] = {**model.state_dict(), **(other or {})}
    torch.save({name: tensor for name, tensor in state.items() if tensor is not None}, path)
    write_ranks(path.with_suffix(".tiktoken"))
    write_heads(path.parent, config.n_heads)
    return model


def write_heads(folder: Path, heads: int = TINY.n_heads) -> None:
    """Write the number of heads, which no tensor tells, for all checkpoints in a folder."""
    (folder / "config.json").write_text(json.dumps({"n_heads": heads}), encoding="utf-8")


def write_ranks(path: Path, merges: Sequence[bytes] = MERGES) -> None:
    """Write a tokenizer of all single bytes and some merges."""
    tokens = [bytes([byte]) for byte in range(256)] + list(merges)
    lines = [f"{base64.b64encode(token).decode()} {i}\n" for i, token in enumerate(tokens)]
    path.write_text("".join(lines), encoding="utf-8")


def greedy(model: GPTModel, prompt: Sequence[int], count: int, end: int | None = None) -> list[int]:
    """What follows a prompt, computed anew for each token."""
    ids = list(prompt)
    while len(ids) < len(prompt) + count:
        newest = int(model(torch.tensor([ids]))[0, -1].argmax())
        if newest == end:
            break
        ids.append(newest)
    return ids[len(prompt) :]


def lecture_model(model: GPTModel) -> Any:  # noqa: ANN401 - the lecture's code has no types
    """The lecture's model with the same weights, and with its causal masks."""
    lecture = pytest.importorskip("llms_from_scratch.ch04")
    sizes = {name: getattr(model.config, name) for name in GPTConfig.__dataclass_fields__}
    other = lecture.GPTModel({**sizes, "drop_rate": 0.0}).eval()
    other.load_state_dict(model.state_dict(), strict=False)
    return other


def lecture_text(model: Any, prompt: Sequence[int], count: int) -> list[int]:  # noqa: ANN401
    """What the lecture's loop, without a cache, lets follow a prompt."""
    lecture = pytest.importorskip("llms_from_scratch.ch04")
    context = model.pos_emb.num_embeddings
    ids = lecture.generate_text_simple(model, torch.tensor([list(prompt)]), count, context)
    text: list[int] = ids[0, len(prompt) :].tolist()
    return text


def error_of(path: Path) -> str:
    """What describing a checkpoint complains about, without its name."""
    with pytest.raises(CheckpointError) as caught:
        describe(path)
    where, _, message = str(caught.value).partition(": ")
    assert where == str(path)
    return message
