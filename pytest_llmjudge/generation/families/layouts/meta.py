"""Meta's names and ``params.json``: ``layers.0.attention.wq.weight``; llama2.c has them too."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.families.hf_config import Fields
from pytest_llmjudge.generation.families.layouts.base import (
    NUMBERS,
    Layout,
    matrix,
    paired,
    split_name,
    without_padding,
)
from pytest_llmjudge.generation.families.plan import Source
from pytest_llmjudge.generation.families.transformer_config import (
    MissingError,
    Rope,
    TransformerConfig,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from pytest_llmjudge.generation.families.plan import Plan
    from pytest_llmjudge.generation.files.names import Shape

__all__ = ["Meta"]

PARAMS = "params.json"
_EMBEDDING = "tok_embeddings.weight"
_OUTER = {"tok_emb": _EMBEDDING, "final_norm": "norm.weight", "out_head": "output.weight"}
_LAYERS = {
    "att.W_query": "attention.wq",
    "att.W_key": "attention.wk",
    "att.W_value": "attention.wv",
    "att.out_proj": "attention.wo",
    "ff.fc1": "feed_forward.w1",
    "ff.fc2": "feed_forward.w3",
    "ff.fc3": "feed_forward.w2",
    "norm1": "attention_norm",
    "norm2": "ffn_norm",
}
_PART = re.compile(r"(.*\.)\d\d\.pth")
_BUFFERS = re.compile(r"rope\.freqs|freqs_(cos|sin|cis)")
_EPS = 1e-5
_BASE = 10_000.0
"""Of Llama 1 and 2, whose params.json names none."""

_LLAMA1_EPS = 1e-6
_LLAMA1_CONTEXT, _LLAMA2_CONTEXT, _LLAMA3_CONTEXT = 2048, 4096, 8192
_LLAMA3_BASE, _LLAMA31_CONTEXT, _LLAMA31_ORIGINAL = 500_000.0, 131_072, 8192
_LLAMA2_VOCABULARY = 32_000
_FACTOR, _LENGTH = ("rope_scaling_factor",), ("max_seq_len",)
"""Keys that no params.json of Meta has; those of other programs do."""

_SCALES = {2048: 32.0, 3072: 32.0, 4096: 8.0, 8192: 8.0, 16384: 8.0}
"""Factor of RoPE by width: of Llama 3.2's texts models and of 3.1's and 3.3's."""


class Meta(Layout):
    """What Meta published, ``consolidated.00.pth``; its RoPE turns neighbouring dimensions."""

    settings = PARAMS
    keys = frozenset(("dim", "n_heads", "n_layers", "rope_theta"))

    def has(self, names: Collection[str]) -> bool:
        """Tell it by the name of the token embedding."""
        return _EMBEDDING in names

    def config(
        self, values: Mapping[str, object], shapes: Mapping[str, Shape]
    ) -> TransformerConfig:
        """Read a ``params.json``, or the ``model_args`` of llama2.c; some sizes are the tensors'.

        Raises:
            MissingError: It is not there, or does not say enough.
            TensorError: Tensors that are needed for it are not there, or have odd shapes.
            UnsupportedError: It asks for what the native engine does not compute.
        """
        if "n_heads" not in values or "dim" not in values:
            raise MissingError(*NUMBERS)
        fields = Fields(values)
        for name in ("moe", "quantization_args", "lora_args"):
            fields.only(name, None)
        width, heads, layers = (fields.integer(name) for name in ("dim", "n_heads", "n_layers"))
        size = fields.integer("head_dim", max(1, width // heads))
        window = fields.integer("sliding_window") if "sliding_window" in fields else None
        return TransformerConfig(
            kind="llama",
            vocab_size=_vocabulary(fields, shapes),
            context_length=_context(fields, shapes),
            emb_dim=width,
            hidden_dim=matrix(shapes, "layers.0.feed_forward.w1.weight")[0],
            n_heads=heads,
            n_kv_heads=fields.integer("n_kv_heads", heads),
            head_size=size,
            ropes=(_rope(fields),) * layers,
            windows=(window,) * layers,
            attention_scale=size**-0.5,
            norm_eps=fields.number("norm_eps", _EPS),
        )

    def plan(
        self, path: Path, config: TransformerConfig, shapes: Mapping[str, Shape], hint: str
    ) -> Plan:
        """Say how stored tensors become the weights of a model.

        Raises:
            CheckpointError: Tensors are missing, unknown, or have other shapes, or the file is one
                of several, each of which has a part of every tensor.
        """
        if (match := _PART.fullmatch(path.name)) and path.with_name(f"{match[1]}01.pth").exists():
            problem = "one of several files, each with a part of every tensor"
            convert = "convert them with transformers' convert_llama_weights_to_hf.py"
            raise CheckpointError(str(path), problem, convert)
        return super().plan(path, config, shapes, hint)

    def advice(self, stem: str, keys: Sequence[str]) -> str:
        """Ask for ``params.json``, or for keys that it lacks."""
        del stem
        if tuple(keys) == NUMBERS:
            return f"put its {PARAMS} beside it"
        wanted = ", ".join(f'"{key}": …' for key in keys)
        return f"write {wanted} into its {PARAMS}"

    def source(
        self, own: str, shape: Shape, config: TransformerConfig, stored: Mapping[str, Shape]
    ) -> Source:
        """Say where one weight is stored."""
        block, layer, _ = split_name(own)
        if block is None:
            return without_padding(_OUTER[layer], shape, stored)
        name = f"layers.{block}.{_LAYERS.get(layer, layer)}.weight"
        if layer in {"att.W_query", "att.W_key"}:
            return paired(name, shape, config.head_size)
        return Source(name, shape)

    def is_ignored(self, name: str) -> bool:
        """Tell stored frequencies of RoPE."""
        return _BUFFERS.fullmatch(name) is not None


def _vocabulary(fields: Fields, shapes: Mapping[str, Shape]) -> int:
    # Llama 2's says -1: that of its tokenizer.
    given = fields.get("vocab_size", -1)
    return matrix(shapes, _EMBEDDING)[0] if given == -1 else fields.integer("vocab_size")


def _rope(fields: Fields) -> Rope:
    base = fields.number("rope_theta", _BASE)
    if not fields.flag("use_scaled_rope"):
        return Rope(base)
    factor = _SCALES.get(fields.integer("dim"))
    if factor is None and "rope_scaling_factor" not in fields:
        raise MissingError(*_FACTOR)
    return Rope(
        base,
        "llama3",
        fields.number("rope_scaling_factor", factor),
        _LLAMA31_ORIGINAL,
        low_freq_factor=1.0,
        high_freq_factor=4.0,
    )


def _context(fields: Fields, shapes: Mapping[str, Shape]) -> int:
    """Return the context, which Meta's own files leave to who runs them.

    Raises:
        MissingError: It is none of the models whose context is known.
    """
    if "max_seq_len" in fields:
        return fields.integer("max_seq_len")
    if fields.flag("use_scaled_rope"):
        return _LLAMA31_CONTEXT
    base = fields.number("rope_theta", _BASE)
    if base == _LLAMA3_BASE:
        return _LLAMA3_CONTEXT
    is_llama = base == _BASE and matrix(shapes, _EMBEDDING)[0] == _LLAMA2_VOCABULARY
    if is_llama and "head_dim" not in fields:
        is_first = fields.number("norm_eps", _EPS) == _LLAMA1_EPS
        return _LLAMA1_CONTEXT if is_first else _LLAMA2_CONTEXT
    raise MissingError(*_LENGTH)
