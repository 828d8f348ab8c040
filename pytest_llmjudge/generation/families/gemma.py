"""Gemma 1, 2 and 3 for texts: what their ``config.json`` asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_llmjudge.generation.families.hf_config import (
    FULL,
    SLIDING,
    Fields,
    Sizes,
    alternating,
    full_attention,
    read_rope,
    read_ropes,
    read_sizes,
    read_windows,
)
from pytest_llmjudge.generation.families.transformer_config import TransformerConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["gemma", "gemma2", "gemma3"]

_HEAD_SIZE = 256
_GEMMA_KV_HEADS = 16
_KV_HEADS = 4
_SCORES_SCALE = 256
_PATTERN = 6
_BASE, _LOCAL_BASE = 1_000_000.0, 10_000.0
_GELU = "gelu_pytorch_tanh"
"""Of a config that names none."""


def gemma(config: Mapping[str, object]) -> TransformerConfig:
    """Read the config of a Gemma 1.

    Raises:
        UnsupportedError: It asks for what the native engine does not compute.
    """
    fields = Fields(config)
    sizes, common = _common(fields, kv_heads=_GEMMA_KV_HEADS)
    layers = fields.integer("num_hidden_layers")
    # Its first configs say "gelu" and mean the approximation, as transformers knows.
    is_old = fields.get("hidden_act") == "gelu"
    return TransformerConfig(
        kind="gemma",
        **sizes,
        **common,
        ropes=(read_rope(fields),) * layers,
        windows=full_attention(fields, layers),
        attention_scale=sizes["head_size"] ** -0.5,
        activation="gelu_tanh" if is_old else fields.activation("hidden_act", _GELU),
    )


def gemma2(config: Mapping[str, object]) -> TransformerConfig:
    """Read the config of a Gemma 2: soft caps, and a window in every other layer.

    Raises:
        UnsupportedError: It asks for what the native engine does not compute.
    """
    fields = Fields(config)
    sizes, common = _common(fields, kv_heads=_KV_HEADS)
    layers = fields.integer("num_hidden_layers")
    usual = [SLIDING if layer % 2 == 0 else FULL for layer in range(layers)]
    return TransformerConfig(
        kind="gemma2",
        **sizes,
        **common,
        ropes=(read_rope(fields),) * layers,
        windows=read_windows(fields, alternating(fields, usual)),
        attention_scale=fields.number("query_pre_attn_scalar", _SCORES_SCALE) ** -0.5,
        attention_softcap=fields.optional("attn_logit_softcapping", 50.0),
        final_softcap=fields.optional("final_logit_softcapping", 30.0),
        activation=fields.activation("hidden_activation", _GELU),
        norms_after=True,
    )


def gemma3(config: Mapping[str, object]) -> TransformerConfig:
    """Read the config of a Gemma 3 for texts: norms of heads, two bases of RoPE, 5:1 windows.

    Raises:
        UnsupportedError: It asks for what the native engine does not compute.
    """
    fields = Fields(config)
    # transformers reads it and does not apply it.
    fields.only("attn_logit_softcapping", None)
    sizes, common = _common(fields, kv_heads=_KV_HEADS)
    pattern = fields.integer("sliding_window_pattern", _PATTERN)
    usual = [
        SLIDING if (layer + 1) % pattern else FULL
        for layer in range(fields.integer("num_hidden_layers"))
    ]
    types = alternating(fields, usual)
    return TransformerConfig(
        kind="gemma3_text",
        **sizes,
        **common,
        ropes=read_ropes(
            fields, types, base=_BASE, local_base=_LOCAL_BASE, local="rope_local_base_freq"
        ),
        windows=read_windows(fields, types),
        attention_scale=fields.number("query_pre_attn_scalar", _SCORES_SCALE) ** -0.5,
        final_softcap=fields.optional("final_logit_softcapping"),
        activation=fields.activation("hidden_activation", _GELU),
        norms_after=True,
        qk_norm="head",
    )


def _common(fields: Fields, *, kv_heads: int) -> tuple[Sizes, dict[str, Any]]:
    if fields.get("use_bidirectional_attention"):
        fields.refuse("use_bidirectional_attention")
    sizes = read_sizes(fields, kv_heads=kv_heads, head_size=_HEAD_SIZE, is_tied=True)
    has_bias = fields.flag("attention_bias")
    return sizes, {
        "norm_eps": fields.number("rms_norm_eps", 1e-6),
        "norm_offset": True,
        "norm_casts_first": False,
        "qkv_bias": has_bias,
        "out_bias": has_bias,
        "emb_scale": sizes["emb_dim"] ** 0.5,
    }
