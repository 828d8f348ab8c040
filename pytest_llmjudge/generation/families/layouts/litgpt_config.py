"""Reads LitGPT's ``model_config.yaml``: the lines that it writes, and what they ask for."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from pytest_llmjudge.generation.families.hf_config import Fields
from pytest_llmjudge.generation.families.transformer_config import (
    Activation,
    Rope,
    TransformerConfig,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["litgpt_config", "parse_settings"]

_LINE = re.compile(r"(?P<indent> *)(?:(?P<name>\w+):|-)(?: (?P<value>.*))?")
_WORDS: dict[str, object] = {"null": None, "true": True, "false": False, "{}": {}, "[]": []}
_USUAL: dict[str, tuple[object, ...]] = {
    "norm_class_name": ("RMSNorm",),
    "rotary_percentage": (1,),
    "parallel_residual": (False,),
    "shared_attention_norm": (False,),
    "n_expert": (0, None),
    "latent_attention": (None,),
    "lm_head_bias": (False, None),
    "rope_interleave": (False, None),
}
"""Settings with the values that are computed here; ``None`` where older versions lack them."""


def parse_settings(text: str) -> dict[str, object]:
    """Parse settings, lists of numbers, and settings of one level below.

    Raises:
        ValueError: It has other lines.
    """
    settings: dict[str, object] = {}
    parent = ""
    for line in filter(str.strip, text.splitlines()):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(line)
        name, value = match["name"], match["value"]
        below = settings.get(parent)
        if name is None:
            if not isinstance(below, list):
                settings[parent] = below = []
            below.append(_scalar(value or ""))
        elif match["indent"]:
            if not isinstance(below, dict):
                settings[parent] = below = {}
            below[name] = _scalar(value or "")
        else:
            parent = name
            settings[name] = _scalar(value or "null")
    return settings


def _scalar(text: str) -> object:
    if text in _WORDS:
        return _WORDS[text]
    with suppress(ValueError):
        return int(text)
    with suppress(ValueError):
        return float(text)
    return text.strip("'\"")


def litgpt_config(values: Mapping[str, object]) -> TransformerConfig:
    """Read what a ``model_config.yaml`` asks for.

    Raises:
        UnsupportedError: It asks for what the native engine does not compute.
    """
    fields = Fields(values)
    for name, usual in _USUAL.items():
        if fields.get(name) not in usual:
            fields.refuse(name)
    width, heads = fields.integer("n_embd"), fields.integer("n_head")
    size, layers = fields.integer("head_size", width // heads), fields.integer("n_layer")
    has_bias, before, after = (fields.flag(name) for name in ("bias", "norm_1", "post_mlp_norm"))
    for name, same in (("norm_2", before), ("post_attention_norm", after)):
        if fields.flag(name) != same:
            fields.refuse(name)
    norm: Literal["all", "head"] = "all" if fields.get("norm_qk_type") == "olmo2" else "head"
    return TransformerConfig(
        kind="litgpt",
        # vocab_size leaves control tokens out: of Llama 3's 128,256 it counts 128,000.
        vocab_size=fields.integer("padded_vocab_size"),
        context_length=fields.integer("block_size"),
        emb_dim=width,
        hidden_dim=fields.integer("intermediate_size"),
        n_heads=heads,
        n_kv_heads=fields.integer("n_query_groups", heads),
        head_size=size,
        ropes=_ropes(fields, layers),
        windows=_windows(fields, layers),
        attention_scale=fields.number("attention_scores_scalar", size) ** -0.5,
        attention_softcap=fields.optional("attention_logit_softcapping"),
        final_softcap=fields.optional("final_logit_softcapping"),
        activation=_activation(fields),
        norm_eps=fields.number("norm_eps"),
        norm_offset="Gemma" in str(fields.get("name")),
        norm_casts_first=False,
        norms_before=before,
        norms_after=after,
        qk_norm=norm if fields.flag("norm_qk") else None,
        qkv_bias=has_bias or fields.flag("attn_bias"),
        out_bias=has_bias,
        mlp_bias=has_bias,
        emb_scale=width**0.5 if fields.flag("scale_embeddings") else None,
    )


def _activation(fields: Fields) -> Activation:
    kind = fields.get("mlp_class_name")
    if kind == "LLaMAMLP":
        return "silu"
    if kind != "GemmaMLP":
        fields.refuse("mlp_class_name")
    return "gelu_tanh" if fields.get("gelu_approximate") == "tanh" else "gelu"


def _ropes(fields: Fields, layers: int) -> tuple[Rope, ...]:
    base, factor = fields.number("rope_base"), fields.number("rope_condense_ratio", 1)
    changes = fields.get("rope_adjustments")
    rope = Rope(base) if factor == 1 else Rope(base, "linear", factor)
    if changes is not None:
        values = Fields(changes if isinstance(changes, dict) else {}, "rope_adjustments")
        # With other keys it is YaRN, for which LitGPT has a formula of its own.
        if "beta_fast" in values or "beta_slow" in values or factor != 1:
            fields.refuse("rope_adjustments")
        rope = Rope(base, "linear", values.number("factor"))
        if "original_max_seq_len" in values:
            rope = Rope(
                base,
                "llama3",
                values.number("factor"),
                values.number("original_max_seq_len"),
                values.number("low_freq_factor"),
                values.number("high_freq_factor"),
            )
    local = fields.optional("rope_local_base_freq")
    if local is None:
        return (rope,) * layers
    if factor != 1:
        fields.refuse("rope_condense_ratio")
    return tuple(Rope(local) if one else rope for one in _switches(fields, "rope_indices", layers))


def _windows(fields: Fields, layers: int) -> tuple[int | None, ...]:
    if "sliding_window_size" not in fields:
        return (None,) * layers
    window = fields.integer("sliding_window_size")
    # Older versions have no list of layers, but let every layer or every second one slide.
    stride = fields.integer("sliding_window_layer_stride", 1)
    slides = _switches(fields, "sliding_window_indices", layers)
    return tuple(
        window if slides[layer] and layer % stride == 0 else None for layer in range(layers)
    )


def _switches(fields: Fields, name: str, layers: int) -> list[bool]:
    """Return for each layer whether it has something; without a list each has it."""
    values = fields.get(name)
    if values is None:
        return [True] * layers
    if not isinstance(values, list) or len(values) < layers:
        fields.refuse(name)
    return [value == 1 for value in values[:layers]]
