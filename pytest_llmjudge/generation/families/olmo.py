"""OLMo 2 and 3: what their ``config.json`` asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_llmjudge.generation.families.hf_config import (
    FULL,
    SLIDING,
    Fields,
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

__all__ = ["olmo2", "olmo3"]

_PATTERN = 4
_OLMO3_BASE = 500_000.0
"""Of a config that names none."""


def olmo2(config: Mapping[str, object]) -> TransformerConfig:
    """Read the config of an OLMo 2.

    Raises:
        UnsupportedError: It asks for what the native engine does not compute.
    """
    fields = Fields(config)
    layers = fields.integer("num_hidden_layers")
    return TransformerConfig(
        kind="olmo2",
        **_common(fields),
        ropes=(read_rope(fields),) * layers,
        windows=full_attention(fields, layers),
    )


def olmo3(config: Mapping[str, object]) -> TransformerConfig:
    """Read the config of an OLMo 3, three of whose four layers see a window.

    Raises:
        UnsupportedError: It asks for what the native engine does not compute.
    """
    fields = Fields(config)
    layers = fields.integer("num_hidden_layers")
    usual = [SLIDING if (layer + 1) % _PATTERN else FULL for layer in range(layers)]
    types = alternating(fields, usual)
    if fields.get("rope_theta", _OLMO3_BASE) != _OLMO3_BASE:
        # Versions of transformers differ in which layers it is for.
        fields.refuse("rope_theta")
    return TransformerConfig(
        kind="olmo3",
        **_common(fields),
        ropes=read_ropes(
            fields, types, base=_OLMO3_BASE, local_base=_OLMO3_BASE, local="rope_theta"
        ),
        windows=read_windows(fields, types),
    )


def _common(fields: Fields) -> dict[str, Any]:
    sizes, has_bias = read_sizes(fields), fields.flag("attention_bias")
    return {
        **sizes,
        "attention_scale": sizes["head_size"] ** -0.5,
        "activation": fields.activation("hidden_act", "silu"),
        "norm_eps": fields.number("rms_norm_eps", 1e-5),
        "norm_casts_first": False,
        "norms_before": False,
        "norms_after": True,
        "qk_norm": "all",
        "qkv_bias": has_bias,
        "out_bias": has_bias,
        "rope_in_float32": True,
    }
