"""Phi-3: what its ``config.json`` asks for; long contexts (longrope) are left to transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.generation.families.hf_config import Fields, read_rope, read_sizes
from pytest_llmjudge.generation.families.transformer_config import TransformerConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["phi3"]


def phi3(config: Mapping[str, object]) -> TransformerConfig:
    """Read the config of a Phi-3.

    Raises:
        UnsupportedError: It asks for what the native engine does not compute.
    """
    fields = Fields(config)
    fields.only("layer_types", None)
    sizes, layers = read_sizes(fields), fields.integer("num_hidden_layers")
    rope, window = read_rope(fields), None
    if rope.scaling is not None:
        # transformers takes yarn for longrope here, and knows no other.
        fields.refuse("rope_scaling" if "rope_scaling" in fields else "rope_parameters")
    if "sliding_window" in fields:
        window = fields.integer("sliding_window")
    return TransformerConfig(
        kind="phi3",
        **sizes,
        ropes=(rope,) * layers,
        windows=(window,) * layers,
        attention_scale=sizes["head_size"] ** -0.5,
        activation=fields.activation("hidden_act", "silu"),
        norm_eps=fields.number("rms_norm_eps", 1e-5),
    )
