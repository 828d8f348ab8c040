"""The names and configs of Sebastian Raschka's books: ``trf_blocks.0.att.W_query.weight``.

Llama 2 and 3, Qwen 3, Gemma 3 and OLMo 3 of "Build a Large Language Model (From Scratch)" and
"Build a Reasoning Model (From Scratch)". What is a constant in their code is one here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.generation.families.hf_config import (
    FULL,
    SLIDING,
    Fields,
    alternating,
    read_windows,
)
from pytest_llmjudge.generation.families.layouts.base import (
    Layout,
    TensorError,
    matrix,
    paired,
    split_name,
)
from pytest_llmjudge.generation.families.native import native_config
from pytest_llmjudge.generation.families.plan import Source
from pytest_llmjudge.generation.families.transformer_config import (
    MissingError,
    Rope,
    TransformerConfig,
    UnsupportedError,
)
from pytest_llmjudge.generation.files.names import shorten_json

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pytest_llmjudge.generation.files.names import Shape

__all__ = ["Book"]

_BLOCKS = "trf_blocks"
_BLOCK = re.compile(r"((?:trf_)?blocks)\.([0-9]{1,4})\.(.+)")
_BUFFERS = re.compile(r"(?:.+\.)?(?:mask|cos|sin)(?:_local|_global)?")
_NORMS = {
    "norm1": "input_layernorm",
    "norm2": "pre_feedforward_layernorm",
    "out_norm1": "post_attention_layernorm",
    "out_norm2": "post_feedforward_layernorm",
}
"""Of Gemma 3 and OLMo 3; in the other models norms have the names that they have here."""

_KEYS = ("n_heads", "rope_base", "context_length")
_LLAMA_KEYS = (*_KEYS, "rope_freq")
_OLMO_KEYS = (*_KEYS, "layer_types", "sliding_window")
_GEMMA_KEYS = (*_OLMO_KEYS, "rope_local_base", "query_pre_attn_scalar")
"""What tensors do not tell."""

_EPS, _LLAMA_EPS = 1e-6, 1e-5
_LLAMA2_BASE = 10_000.0


class Book(Layout):
    """State dicts of ``Llama2Model``, ``Llama3Model``, ``Qwen3Model``, ``Gemma3Model``."""

    keys = frozenset(("n_heads", "head_dim", "rope_base", "context_length"))

    def has(self, names: Collection[str]) -> bool:
        """Tell it by gated feed-forward layers; the books' GPT has others."""
        inner = {match[3] for name in names if (match := _BLOCK.fullmatch(name))}
        return not inner.isdisjoint(("ff.fc3.weight", "ff.fc3.linear.weight", "ff.fc3.0.weight"))

    def config(
        self, values: Mapping[str, object], shapes: Mapping[str, Shape]
    ) -> TransformerConfig:
        """Read a config with the books' keys, or transformers'; sizes are those of the tensors.

        Raises:
            MissingError: Neither says what is needed.
            TensorError: Tensors that are needed for it are not there, or have odd shapes.
            UnsupportedError: It asks for what the native engine does not compute.
        """
        if "model_type" in values:
            return native_config(values)
        block = _first_block(shapes)
        if "ff.gate.weight" in block:
            reason = "it is a mixture of experts"
            raise UnsupportedError(reason)
        vocabulary, width = matrix(shapes, "tok_emb.weight")
        keys, _ = matrix(block, "att.W_key.weight")
        hidden, _ = matrix(block, "ff.fc1.weight")
        values = {**_known(block, values.get("n_heads")), **values}
        if missing := [key for key in _keys(block) if key not in values]:
            raise MissingError(*missing)
        fields = Fields(values)
        layers = len({match[2] for name in shapes if (match := _BLOCK.fullmatch(name))})
        sizes = {"vocab_size": vocabulary, "emb_dim": width, "hidden_dim": hidden}
        _compare(fields, {**sizes, "n_layers": layers})
        size = _head_size(fields, block)
        kv_heads = max(1, keys // size)
        _compare(fields, {"n_kv_groups": kv_heads})
        common: dict[str, Any] = {
            **sizes,
            "context_length": fields.integer("context_length"),
            "head_size": size,
            "n_heads": fields.integer("n_heads"),
            "n_kv_heads": kv_heads,
            "attention_scale": size**-0.5,
            "norm_casts_first": False,
            "qkv_bias": "att.W_query.bias" in block,
            "out_bias": "att.out_proj.bias" in block,
            "mlp_bias": "ff.fc1.bias" in block,
            "is_tied": True,
        }
        if "pre_feedforward_layernorm.scale" in block:
            return _gemma3(fields, layers, common)
        if "post_feedforward_layernorm.weight" in block:
            return _olmo3(fields, layers, common)
        is_qwen = "norm1.scale" in block
        return TransformerConfig(
            kind="qwen3" if is_qwen else "llama",
            **common,
            ropes=(_llama_rope(fields),) * layers,
            windows=(None,) * layers,
            norm_eps=fields.number("rms_norm_eps", _EPS if is_qwen else _LLAMA_EPS),
            qk_norm="head" if "att.q_norm.scale" in block else None,
        )

    def advice(self, stem: str, keys: Sequence[str]) -> str:
        """Ask for the missing keys."""
        wanted = ", ".join(f'"{key}": …' for key in keys)
        return f"write {{{wanted}}} into {stem}.config.json beside it"

    def source(
        self, own: str, shape: Shape, config: TransformerConfig, stored: Mapping[str, Shape]
    ) -> Source:
        """Say where one weight is stored."""
        block, layer, kind = split_name(own)
        start = ""
        if block is not None:
            blocks = next(
                (match[1] for name in stored if (match := _BLOCK.fullmatch(name))), _BLOCKS
            )
            start = f"{blocks}.{block}."
            if config.norms_after:
                layer = _NORMS.get(layer, layer)
        # A layer with LoRA keeps its own weight and bias one level further down, and norms of
        # torch call their scale a weight.
        spellings = [f"{start}{layer}.{kind}", f"{start}{layer}.linear.{kind}"]
        if kind == "scale":
            spellings.append(f"{start}{layer}.weight")
        name = next((one for one in spellings if one in stored), spellings[0])
        if layer in {"att.W_query", "att.W_key"}:
            cosines = stored.get(f"{start}att.cos", ())
            if 2 * sum(cosines[-1:]) == config.head_size:
                return paired(name, shape, config.head_size)
        return Source(name, shape)

    def fits(self, config: TransformerConfig, shapes: Mapping[str, Shape]) -> bool:
        """Whether stored tensors are exactly those of a model, with cosines for its context.

        The books' Llamas with a shorter context had another RoPE base than the published ones.
        """
        cosines = _first_block(shapes).get("att.cos", ())
        return super().fits(config, shapes) and cosines[:1] in ((), (config.context_length,))

    def is_ignored(self, name: str) -> bool:
        """Tell masks, cosines and sines, which some of the classes save."""
        return _BUFFERS.fullmatch(name) is not None


def _first_block(shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Return the shapes of the first block by their names within it."""
    return {
        match[3].replace(".linear.", "."): shape
        for name, shape in shapes.items()
        if (match := _BLOCK.fullmatch(name)) and int(match[2]) == 0
    }


def _keys(block: Mapping[str, Shape]) -> tuple[str, ...]:
    """Return the settings that a config has to have, ``null`` included."""
    if "pre_feedforward_layernorm.scale" in block:
        return _GEMMA_KEYS
    if "post_feedforward_layernorm.weight" in block:
        return _OLMO_KEYS
    # Only norms of torch, which the books' Llamas have, call their scale a weight.
    return _LLAMA_KEYS if "norm1.weight" in block else _KEYS


def _compare(fields: Fields, sizes: Mapping[str, int]) -> None:
    """Refuse a config that is of another model, whose other settings would be wrong too.

    Raises:
        TensorError: It names another size than the tensors have.
    """
    for key, size in sizes.items():
        if key in fields and fields.get(key) != size:
            reason = f"its config says that {key} is {shorten_json(fields.get(key))}, not {size}"
            raise TensorError(reason)


def _known(block: Mapping[str, Shape], heads: object) -> dict[str, object]:
    """Return the settings that the tensors of a block tell.

    Args:
        block: Their shapes.
        heads: What a config says of ``n_heads``.
    """
    known: dict[str, object] = {}
    (queries, _), cosines = matrix(block, "att.W_query.weight"), block.get("att.cos", ())
    if len(cosines) == 2:
        known["context_length"] = cosines[0]
        # Llama 2 alone has one cosine for each pair of dimensions; its base is a constant.
        if isinstance(heads, int) and 2 * cosines[1] * heads == queries:
            known |= {"rope_base": _LLAMA2_BASE, "rope_freq": None}
    if scale := sum(block.get("att.q_norm.scale", ())):
        known["head_dim"] = scale
        known["n_heads"] = queries // scale
    return known


def _head_size(fields: Fields, block: Mapping[str, Shape]) -> int:
    (queries, _), heads = matrix(block, "att.W_query.weight"), fields.integer("n_heads")
    size = fields.integer("head_dim", max(1, queries // heads))
    if size * heads != queries:
        reason = f"{heads} heads of {size} do not make the {queries} rows of att.W_query.weight"
        raise TensorError(reason)
    if size % 2:
        reason = f"heads have the odd size {size}"
        raise UnsupportedError(reason)
    return size


def _llama_rope(fields: Fields) -> Rope:
    base, scaling = fields.number("rope_base"), fields.get("rope_freq")
    if scaling is None:
        return Rope(base)
    if not isinstance(scaling, dict):
        fields.refuse("rope_freq")
    values = Fields(scaling, "rope_freq")
    return Rope(
        base,
        "llama3",
        values.number("factor"),
        values.number("original_context_length"),
        values.number("low_freq_factor"),
        values.number("high_freq_factor"),
    )


def _gemma3(fields: Fields, layers: int, common: Mapping[str, Any]) -> TransformerConfig:
    types = alternating(fields, [FULL] * layers)
    bases = {FULL: fields.number("rope_base"), SLIDING: fields.number("rope_local_base")}
    scale = fields.number("query_pre_attn_scalar", common["head_size"]) ** -0.5
    return TransformerConfig(
        kind="gemma3_text",
        **{**common, "attention_scale": scale},
        ropes=tuple(Rope(bases[kind]) for kind in types),
        windows=read_windows(fields, types),
        activation="gelu_tanh",
        norm_eps=_EPS,
        norm_offset=True,
        norms_after=True,
        qk_norm="head",
        emb_scale=common["emb_dim"] ** 0.5,
    )


def _olmo3(fields: Fields, layers: int, common: Mapping[str, Any]) -> TransformerConfig:
    # The notebook's "yarn" is another computation than YaRN.
    if fields.get("rope_type", "default") != "default":
        fields.refuse("rope_type")
    if fields.number("rms_norm_eps", _EPS) != _EPS:
        fields.refuse("rms_norm_eps")
    types = alternating(fields, [FULL] * layers)
    return TransformerConfig(
        kind="olmo3",
        **common,
        ropes=(Rope(fields.number("rope_base")),) * layers,
        windows=read_windows(fields, types),
        norm_eps=_EPS,
        norms_before=False,
        norms_after=True,
        qk_norm="all",
    )
