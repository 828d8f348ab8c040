"""Llama and Mistral: what their ``config.json`` asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.generation.families.hf_config import (
    Fields,
    full_attention,
    read_rope,
    read_sizes,
)
from pytest_llmjudge.generation.families.transformer_config import TransformerConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["llama", "mistral"]

_MISTRAL_WINDOW = 4096
_MISTRAL_KV_HEADS = 8
"""Of a config that names none."""


def llama(config: Mapping[str, object]) -> TransformerConfig:
    """Read the config of a Llama: 2, 3, SmolLM2, TinyLlama, Yi and others of its architecture.

    Raises:
        UnsupportedError: It asks for what the native engine does not compute.
    """
    fields = Fields(config)
    sizes, layers = read_sizes(fields), fields.integer("num_hidden_layers")
    has_bias = fields.flag("attention_bias")
    return TransformerConfig(
        kind="llama",
        **sizes,
        ropes=(read_rope(fields),) * layers,
        windows=full_attention(fields, layers),
        attention_scale=sizes["head_size"] ** -0.5,
        activation=fields.activation("hidden_act", "silu"),
        norm_eps=fields.number("rms_norm_eps", 1e-6),
        qkv_bias=has_bias,
        out_bias=has_bias,
        mlp_bias=fields.flag("mlp_bias"),
    )


def mistral(config: Mapping[str, object]) -> TransformerConfig:
    """Read the config of a Mistral, whose layers see a window or all.

    Raises:
        UnsupportedError: It asks for what the native engine does not compute.
    """
    fields = Fields(config)
    fields.only("layer_types", None)
    sizes = read_sizes(fields, kv_heads=_MISTRAL_KV_HEADS)
    layers = fields.integer("num_hidden_layers")
    window = None
    if fields.get("sliding_window", _MISTRAL_WINDOW) is not None:
        window = fields.integer("sliding_window", _MISTRAL_WINDOW)
    return TransformerConfig(
        kind="mistral",
        **sizes,
        ropes=(read_rope(fields),) * layers,
        windows=(window,) * layers,
        attention_scale=sizes["head_size"] ** -0.5,
        activation=fields.activation("hidden_act", "silu"),
        norm_eps=fields.number("rms_norm_eps", 1e-6),
    )
