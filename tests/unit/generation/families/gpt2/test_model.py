"""The architecture: the lecture's names, the lecture's numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from torch.nn import functional

from pytest_llmjudge.generation.families.gpt2.model import GPTModel
from tests.unit.generation.tiny import TINY, lecture_model, make_model

if TYPE_CHECKING:
    from pytest_llmjudge.generation.families.gpt2.config import GPTConfig

CONFIGS = [TINY, replace(TINY, qkv_bias=False), replace(TINY, n_heads=4, n_layers=3)]


@pytest.mark.parametrize("config", CONFIGS, ids=["bias", "no bias", "heads"])
def test_parameters_have_the_lectures_names_and_shapes(config: GPTConfig) -> None:
    """A state dict of either model fits the other, but for the lecture's causal masks."""
    model = make_model(config)

    ours = {name: tensor.shape for name, tensor in model.state_dict().items()}
    theirs = {name: tensor.shape for name, tensor in lecture_model(model).state_dict().items()}
    masks = [name for name in theirs if name.endswith(".att.mask")]
    assert {name: theirs[name] for name in theirs if name not in masks} == ours
    assert len(masks) == config.n_layers


@pytest.mark.parametrize("config", CONFIGS, ids=["bias", "no bias", "heads"])
@pytest.mark.parametrize("length", [1, 17, TINY.context_length])
def test_logits_are_the_lectures(config: GPTConfig, length: int) -> None:
    """For the same weights and tokens, both models compute the same logits."""
    model = make_model(config)
    ids = torch.randint(config.vocab_size, (3, length))

    with torch.no_grad():
        expected = lecture_model(model)(ids)

    assert (model(ids) - expected).abs().max().item() < 1e-4


def test_no_token_sees_a_later_one() -> None:
    """A change of the last token changes the last logits only."""
    model = make_model()
    ids = torch.randint(TINY.vocab_size, (1, 20))
    changed = ids.clone()
    changed[0, -1] = (ids[0, -1] + 1) % TINY.vocab_size

    same = (model(ids) == model(changed)).all(dim=2)[0]

    assert same.tolist() == [True] * 19 + [False]


def test_a_new_model_has_gpt2s_initial_weights() -> None:
    """Weights are normal with deviation 0.02, biases zero, gains one."""
    model = GPTModel(TINY)

    deviations = {name: w.std().item() for name, w in model.named_parameters() if w.ndim == 2}
    assert deviations == pytest.approx(dict.fromkeys(deviations, 0.02), rel=0.1)
    vectors = {name: w for name, w in model.named_parameters() if w.ndim == 1}
    assert all((weight == float(name.endswith("scale"))).all() for name, weight in vectors.items())


def test_it_learns() -> None:
    """Every weight that takes part gets a gradient, and a few steps lower the loss."""
    torch.manual_seed(0)
    model = GPTModel(TINY)
    ids = torch.randint(TINY.vocab_size, (4, TINY.context_length))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(5):
        logits = model(ids[:, :-1])
        loss = functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())

    assert all(weight.grad is not None for weight in model.parameters())
    assert losses == sorted(losses, reverse=True)
