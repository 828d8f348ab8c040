"""Hugging Face's names, such as ``model.layers.0.self_attn.q_proj.weight``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.generation.families.layouts.base import NUMBERS, Layout, split_name
from pytest_llmjudge.generation.families.native import native_config
from pytest_llmjudge.generation.families.plan import Source
from pytest_llmjudge.generation.families.transformer_config import MissingError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pytest_llmjudge.generation.families.transformer_config import TransformerConfig
    from pytest_llmjudge.generation.files.names import Shape

__all__ = ["HuggingFace"]

_EMBEDDING = "embed_tokens.weight"
_PREFIX = "model."
_LAYERS = {
    "att.W_query": "self_attn.q_proj",
    "att.W_key": "self_attn.k_proj",
    "att.W_value": "self_attn.v_proj",
    "att.out_proj": "self_attn.o_proj",
    "att.q_norm": "self_attn.q_norm",
    "att.k_norm": "self_attn.k_norm",
    "ff.fc1": "mlp.gate_proj",
    "ff.fc2": "mlp.up_proj",
    "ff.fc3": "mlp.down_proj",
    "norm1": "input_layernorm",
    "norm2": "post_attention_layernorm",
}
_BETWEEN = {
    "norm2": "pre_feedforward_layernorm",
    "out_norm1": "post_attention_layernorm",
    "out_norm2": "post_feedforward_layernorm",
}
"""Of models that normalise what attention and feed-forward return."""


class HuggingFace(Layout):
    """What ``save_pretrained`` writes; Phi-3's joint projections included."""

    keys = frozenset(("model_type", "hidden_size", "num_attention_heads", "rope_theta"))

    def has(self, names: Collection[str]) -> bool:
        """Tell it by the name of the token embedding."""
        return _EMBEDDING in names or f"{_PREFIX}{_EMBEDDING}" in names

    def config(
        self, values: Mapping[str, object], shapes: Mapping[str, Shape]
    ) -> TransformerConfig:
        """Read a ``config.json``.

        Raises:
            MissingError: There is none.
            UnsupportedError: It asks for what the native engine does not compute.
        """
        del shapes
        if "model_type" not in values:
            raise MissingError(*NUMBERS)
        return native_config(values)

    def advice(self, stem: str, keys: Sequence[str]) -> str:
        """Ask for the model's ``config.json``."""
        del keys
        return f"put the config.json of its model beside it, as {stem}.config.json or config.json"

    def source(
        self, own: str, shape: Shape, config: TransformerConfig, stored: Mapping[str, Shape]
    ) -> Source:
        """Say where one weight is stored."""
        block, layer, kind = split_name(own)
        if layer == "out_head":
            return Source("lm_head.weight", shape)
        # A model that was saved without its head has no prefix.
        prefix = "" if _EMBEDDING in stored else _PREFIX
        if block is None:
            outer = _EMBEDDING if layer == "tok_emb" else "norm.weight"
            return Source(f"{prefix}{outer}", shape)
        start, ending = f"{prefix}layers.{block}.", "bias" if kind == "bias" else "weight"
        if config.kind == "phi3" and (joint := _joint(layer, config)):
            name, first, rows = joint
            taken = (range(first, first + shape[0]),)
            return Source.taking(f"{start}{name}.{ending}", (rows, *shape[1:]), taken)
        theirs = {**_LAYERS, **_BETWEEN} if config.norms_after else _LAYERS
        return Source(f"{start}{theirs.get(layer, layer)}.{ending}", shape)

    def is_ignored(self, name: str) -> bool:
        """Tell the frequencies of RoPE, which old versions stored."""
        return name.endswith("rotary_emb.inv_freq")


def _joint(layer: str, config: TransformerConfig) -> tuple[str, int, int] | None:
    """Return a joint projection's name, where a layer's rows begin in it, and how many it has."""
    queries, keys = config.n_heads * config.head_size, config.n_kv_heads * config.head_size
    starts = {
        "att.W_query": ("self_attn.qkv_proj", 0, queries + 2 * keys),
        "att.W_key": ("self_attn.qkv_proj", queries, queries + 2 * keys),
        "att.W_value": ("self_attn.qkv_proj", queries + keys, queries + 2 * keys),
        "ff.fc1": ("mlp.gate_up_proj", 0, 2 * config.hidden_dim),
        "ff.fc2": ("mlp.gate_up_proj", config.hidden_dim, 2 * config.hidden_dim),
    }
    return starts.get(layer)
