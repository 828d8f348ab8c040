"""Packing changes the speed of a model, not its numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pytest_llmjudge.generation.engine import onednn_linear
from pytest_llmjudge.generation.engine.onednn_linear import PackedLinear, pack, packable
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


def test_small_numbers_stay_the_same() -> None:
    """In bfloat16 too, where the CPU multiplies it, packing changes no more than rounding does."""
    whole = make_model()
    model = make_model().to(torch.bfloat16)
    if not packable(model):
        pytest.skip("this machine is slower with such numbers")
    ids = torch.randint(TINY.vocab_size, (3, 40))
    with torch.inference_mode():
        exact, before = whole(ids), model(ids).float()
        pack(model)
        after = model(ids).float()

    assert any(isinstance(layer, PackedLinear) for layer in model.modules())
    rounding = (before - exact).abs().max().item()
    assert (after - exact).abs().max().item() < 1.5 * rounding


def test_what_the_cpu_cannot_multiply_is_left_to_torch() -> None:
    """Without the instructions oneDNN is slower than torch, and 64 bits it does not know."""
    assert not packable(make_model().double())
    flags = Path("/proc/cpuinfo")
    if not flags.exists():
        pytest.skip("needs the CPU's flags as Linux tells them")
    if "avx512" not in flags.read_text("utf-8"):
        assert not packable(make_model().to(torch.bfloat16))


@pytest.mark.parametrize(("dtype", "is_copied"), [("float32", True), ("bfloat16", False)])
def test_a_large_embedding_that_is_the_head_is_not_copied(
    monkeypatch: pytest.MonkeyPatch, dtype: str, *, is_copied: bool
) -> None:
    """In 16 bits it is kept once, and computes the same logits."""
    monkeypatch.setattr(onednn_linear, "LARGE_COPY", 0)
    model = make_model(replace(TINY, vocab_size=2000)).to(getattr(torch, dtype))
    if not packable(model):
        pytest.skip("this machine is slower with such numbers")
    model.out_head.weight = model.tok_emb.weight
    ids = torch.randint(2000, (3, 40))
    with torch.inference_mode():
        before = model(ids)
        pack(model)
        after = model(ids)

    assert isinstance(model.out_head, PackedLinear) == is_copied
    assert (before - after).abs().max().item() < 0.1
