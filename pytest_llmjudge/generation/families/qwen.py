"""Qwen 2, 2.5 and 3: what their ``config.json`` asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.generation.families.hf_config import (
    FULL,
    SLIDING,
    Fields,
    alternating,
    read_rope,
    read_sizes,
    read_windows,
)
from pytest_llmjudge.generation.families.transformer_config import (
    TransformerConfig,
    UnsupportedError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["qwen2", "qwen3"]

_KV_HEADS = 32
_HEAD_SIZE = 128
_FIRST_WINDOW = 28
"""Of a config that names none."""


def qwen2(config: Mapping[str, object]) -> TransformerConfig:
    """Read the config of a Qwen 2 or 2.5, whose queries, keys and values have biases.

    Raises:
        UnsupportedError: It asks for what the native engine does not compute.
    """
    fields = Fields(config)
    sizes = read_sizes(fields, kv_heads=_KV_HEADS)
    windows = _windows(fields)
    return TransformerConfig(
        kind="qwen2",
        **sizes,
        ropes=(read_rope(fields),) * len(windows),
        windows=windows,
        attention_scale=sizes["head_size"] ** -0.5,
        activation=fields.activation("hidden_act", "silu"),
        norm_eps=fields.number("rms_norm_eps", 1e-6),
        qkv_bias=True,
    )


def qwen3(config: Mapping[str, object]) -> TransformerConfig:
    """Read the config of a Qwen 3, whose queries and keys are normalised by head.

    Raises:
        UnsupportedError: It asks for what the native engine does not compute.
    """
    fields = Fields(config)
    sizes = read_sizes(fields, kv_heads=_KV_HEADS, head_size=_HEAD_SIZE)
    windows, has_bias = _windows(fields), fields.flag("attention_bias")
    return TransformerConfig(
        kind="qwen3",
        **sizes,
        ropes=(read_rope(fields),) * len(windows),
        windows=windows,
        attention_scale=sizes["head_size"] ** -0.5,
        activation=fields.activation("hidden_act", "silu"),
        norm_eps=fields.number("rms_norm_eps", 1e-6),
        qk_norm="head",
        qkv_bias=has_bias,
        out_bias=has_bias,
    )


def _windows(fields: Fields) -> tuple[int | None, ...]:
    layers = fields.integer("num_hidden_layers")
    slides = fields.flag("use_sliding_window") and fields.get("sliding_window", 1) is not None
    first = fields.get("max_window_layers", _FIRST_WINDOW)
    if type(first) is not int:
        fields.refuse("max_window_layers")
    usual = [SLIDING if slides and layer >= first else FULL for layer in range(layers)]
    types = alternating(fields, usual)
    if SLIDING in types and not slides:
        reason = "layer_types has sliding_attention without use_sliding_window"
        raise UnsupportedError(reason)
    return read_windows(fields, types)
