"""LitGPT's names: ``transformer.h.0.attn.qkv.weight``, with queries, keys and values in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.families.layouts.base import (
    NUMBERS,
    Layout,
    split_name,
    without_padding,
)
from pytest_llmjudge.generation.families.layouts.hugging_face import HuggingFace
from pytest_llmjudge.generation.families.layouts.litgpt_config import (
    litgpt_config,
    parse_settings,
)
from pytest_llmjudge.generation.families.native import native_config
from pytest_llmjudge.generation.families.plan import Source
from pytest_llmjudge.generation.families.transformer_config import MissingError
from pytest_llmjudge.generation.files.state_dict import unreadable
from pytest_llmjudge.reading import SETTINGS_LIMIT, read_file

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

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
_SETTINGS = "model_config.yaml"
_JOINT, _GROUPED = "attn.qkv", "attn.attn"
"""Of LitGPT since 0.5.4, and before: there each group has its queries, its key and its value."""


class LitGPT(Layout):
    """``lit_model.pth``, with its ``model_config.yaml`` or a ``config.json``, which goes before."""

    keys = HuggingFace.keys

    def has(self, names: Collection[str]) -> bool:
        """Tell it by its joint projection in a model without GPT-2's."""
        return any(f"transformer.h.0.{joint}.weight" in names for joint in (_JOINT, _GROUPED))

    def config(
        self, values: Mapping[str, object], shapes: Mapping[str, Shape]
    ) -> TransformerConfig:
        """Read a ``model_config.yaml``, or Hugging Face's ``config.json``.

        Raises:
            MissingError: There is none.
            UnsupportedError: It asks for what the native engine does not compute.
        """
        del shapes
        if "n_embd" in values:
            return litgpt_config(values)
        if "model_type" not in values:
            raise MissingError(*NUMBERS)
        return native_config(values)

    def own_settings(self, path: Path) -> tuple[Path, dict[str, object]] | None:
        """Read a ``model_config.yaml``.

        Raises:
            CheckpointError: It cannot be read.
        """
        file = path.with_name(_SETTINGS)
        try:
            return file, parse_settings(read_file(file, SETTINGS_LIMIT).decode())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise unreadable(file, error) from None
        except ValueError:
            problem = "not as LitGPT writes it"
            raise CheckpointError(str(file), problem, "save it again with LitGPT") from None

    def advice(self, stem: str, keys: Sequence[str]) -> str:
        """Ask for the ``model_config.yaml``."""
        del stem, keys
        return f"put its {_SETTINGS} beside it"

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
