"""LitGPT's names: ``transformer.h.0.attn.qkv.weight``, with queries, keys and values in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.generation.families.layouts.base import (
    NUMBERS,
    Layout,
    split_name,
    without_padding,
)
from pytest_llmjudge.generation.families.layouts.hugging_face import HuggingFace, config_advice
from pytest_llmjudge.generation.families.native import native_config
from pytest_llmjudge.generation.families.plan import Source
from pytest_llmjudge.generation.families.transformer_config import MissingError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pytest_llmjudge.generation.families.transformer_config import TransformerConfig
    from pytest_llmjudge.generation.files.names import Shape

__all__ = ["LitGPT"]

_OUTER = {
    "tok_emb": "transformer.wte.weight",
    "final_norm": "transformer.ln_f.weight",
    "out_head": "lm_head.weight",
}
_LAYERS = {
    "att.out_proj": "attn.proj",
    "att.q_norm": "attn.norm_q",
    "att.k_norm": "attn.norm_k",
    "ff.fc1": "mlp.fc_1",
    "ff.fc2": "mlp.fc_2",
    "ff.fc3": "mlp.proj",
    "norm1": "norm_1",
    "norm2": "norm_2",
    "out_norm1": "post_attention_norm",
    "out_norm2": "post_mlp_norm",
}
_JOINT, _GROUPED = "attn.qkv", "attn.attn"
"""Of LitGPT since 0.5.4, and before: there each group has its queries, its key and its value."""


class LitGPT(Layout):
    """``lit_model.pth``, with the ``config.json`` that LitGPT keeps beside it."""

    keys = HuggingFace.keys

    def has(self, names: Collection[str]) -> bool:
        """Tell it by its joint projection in a model without GPT-2's."""
        return any(f"transformer.h.0.{joint}.weight" in names for joint in (_JOINT, _GROUPED))

    def config(
        self, values: Mapping[str, object], shapes: Mapping[str, Shape]
    ) -> TransformerConfig:
        """Read Hugging Face's ``config.json`` of the model.

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
        return config_advice(stem)

    def source(
        self, own: str, shape: Shape, config: TransformerConfig, stored: Mapping[str, Shape]
    ) -> Source:
        """Say where one weight is stored."""
        block, layer, kind = split_name(own)
        if block is None:
            return without_padding(_OUTER[layer], shape, stored)
        start, ending = f"transformer.h.{block}", "bias" if kind == "bias" else "weight"
        if layer in _LAYERS:
            return Source(f"{start}.{_LAYERS[layer]}.{ending}", shape)
        is_grouped = f"{start}.{_GROUPED}.weight" in stored
        group = config.n_heads // config.n_kv_heads if is_grouped else config.n_heads
        rows, total = _rows(layer, group, config)
        name = f"{start}.{_GROUPED if is_grouped else _JOINT}.{ending}"
        return Source.taking(name, (total, *shape[1:]), rows)


def _rows(layer: str, group: int, config: TransformerConfig) -> tuple[tuple[range, ...], int]:
    """Return which rows of the joint projection are a layer's, and how many it has.

    Args:
        layer: Queries, keys or values.
        group: Heads of queries that stand together, before their heads of keys and of values.
        config: Of the model.
    """
    size, groups = config.head_size, config.n_heads // group
    queries, keys = group * size, config.n_kv_heads // groups * size
    starts = {"att.W_query": 0, "att.W_key": queries, "att.W_value": queries + keys}
    width = queries if layer == "att.W_query" else keys
    whole = queries + 2 * keys
    firsts = range(starts[layer], groups * whole, whole)
    return tuple(range(first, first + width) for first in firsts), groups * whole
