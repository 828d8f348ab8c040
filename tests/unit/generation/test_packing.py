"""Packing changes the speed of a model, not its numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pytest_llmjudge.generation.packing import pack, packable
from tests.unit.generation.tiny import TINY, make_model


@pytest.mark.parametrize("qkv_bias", [True, False])
def test_logits_stay_the_same(*, qkv_bias: bool) -> None:
    """For one token or many, up to rounding."""
    model = make_model(replace(TINY, qkv_bias=qkv_bias))
    if not packable(model):
        pytest.skip("this machine has no use for it")
    ids = torch.randint(TINY.vocab_size, (3, 40))
    with torch.inference_mode():
        before = model(ids), model(ids[:1, :1])
        pack(model)
        after = model(ids), model(ids[:1, :1])

    for old, new in zip(before, after, strict=True):
        assert (old - new).abs().max().item() < 1e-4


def test_only_float32_is_packed() -> None:
    """Other numbers are left to torch."""
    assert not packable(make_model().to(torch.bfloat16))
