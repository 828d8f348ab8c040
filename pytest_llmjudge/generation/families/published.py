"""The configs of published models, for files that hold nothing but their tensors.

Models whose tensors have the same names and shapes are listed together, so that where they differ
in what they compute no one of them is taken for the other. Source: each model's ``config.json``.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_llmjudge.generation.families.native import native_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmjudge.generation.families.layouts.base import Layout
    from pytest_llmjudge.generation.families.transformer_config import TransformerConfig
    from pytest_llmjudge.generation.files.names import Shape

__all__ = ["NONE", "PUBLISHED", "Match", "published"]

_SCALING = {
    "rope_type": "llama3",
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
_LLAMA: dict[str, Any] = {"model_type": "llama", "rms_norm_eps": 1e-5, "rope_theta": 10_000.0}
_LLAMA2 = {**_LLAMA, "vocab_size": 32_000, "max_position_embeddings": 4096}
_LLAMA3 = {**_LLAMA, "vocab_size": 128_256, "rope_theta": 500_000.0, "num_key_value_heads": 8}
_LLAMA31 = {"max_position_embeddings": 131_072, "rope_scaling": {**_SCALING, "factor": 8.0}}
_LLAMA32 = {
    **_LLAMA3,
    "max_position_embeddings": 131_072,
    "rope_scaling": {**_SCALING, "factor": 32.0},
    "tie_word_embeddings": True,
}
_SMOLLM = {
    **_LLAMA,
    "vocab_size": 49_152,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
}
_SMOLLM2 = {"max_position_embeddings": 8192, "rope_theta": 100_000.0}
_QWEN25: dict[str, Any] = {
    "model_type": "qwen2",
    "vocab_size": 151_936,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1_000_000.0,
    "max_position_embeddings": 32_768,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
}
_QWEN25_MATH = {"rope_theta": 10_000.0, "max_position_embeddings": 4096}
_QWEN3: dict[str, Any] = {
    "model_type": "qwen3",
    "vocab_size": 151_936,
    "head_dim": 128,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1_000_000.0,
    "max_position_embeddings": 40_960,
    "num_key_value_heads": 8,
    "tie_word_embeddings": True,
}
_QWEN3_2507 = {"rope_theta": 5_000_000.0, "max_position_embeddings": 262_144}
_GEMMA3: dict[str, Any] = {
    "model_type": "gemma3_text",
    "vocab_size": 262_144,
    "head_dim": 256,
    "num_key_value_heads": 1,
    "query_pre_attn_scalar": 256,
    "sliding_window": 512,
    "max_position_embeddings": 32_768,
}


def _sized(
    common: Mapping[str, Any], layers: int, width: int, hidden: int, heads: int, **other: object
) -> dict[str, Any]:
    sizes = {"num_hidden_layers": layers, "hidden_size": width, "intermediate_size": hidden}
    return {**common, **sizes, "num_attention_heads": heads, **other}


_LLAMA2_7B = _sized(_LLAMA2, 32, 4096, 11_008, 32)
_LLAMA3_8B = _sized(_LLAMA3, 32, 4096, 14_336, 32, max_position_embeddings=8192)
_SMOLLM_135M = _sized(_SMOLLM, 30, 576, 1536, 9, num_key_value_heads=3)
_SMOLLM_360M = _sized(_SMOLLM, 32, 960, 2560, 15, num_key_value_heads=5)
_SMOLLM_1700M = _sized(_SMOLLM, 24, 2048, 8192, 32)
_QWEN25_1500M = _sized(_QWEN25, 28, 1536, 8960, 12)
_QWEN3_4B = _sized(_QWEN3, 36, 2560, 9728, 32)

PUBLISHED: dict[str, dict[str, Any]] = {
    "Llama 1 7B": {**_LLAMA2_7B, "rms_norm_eps": 1e-6, "max_position_embeddings": 2048},
    "Llama 2 7B": _LLAMA2_7B,
    "Llama 3 8B": _LLAMA3_8B,
    "Llama 3.1 8B": {**_LLAMA3_8B, **_LLAMA31},
    "Llama 3.2 1B": _sized(_LLAMA32, 16, 2048, 8192, 32),
    "Llama 3.2 3B": _sized(_LLAMA32, 28, 3072, 8192, 24),
    "TinyLlama 1.1B": _sized(
        _LLAMA2, 22, 2048, 5632, 32, num_key_value_heads=4, max_position_embeddings=2048
    ),
    "SmolLM 135M": _SMOLLM_135M,
    "SmolLM2 135M": {**_SMOLLM_135M, **_SMOLLM2},
    "SmolLM 360M": _SMOLLM_360M,
    "SmolLM2 360M": {**_SMOLLM_360M, **_SMOLLM2},
    "SmolLM 1.7B": _SMOLLM_1700M,
    "SmolLM2 1.7B": {**_SMOLLM_1700M, **_SMOLLM2, "rope_theta": 130_000.0},
    "Qwen2.5 0.5B": _sized(_QWEN25, 24, 896, 4864, 14),
    "Qwen2.5 1.5B": _QWEN25_1500M,
    "Qwen2.5 Math 1.5B": {**_QWEN25_1500M, **_QWEN25_MATH},
    "Qwen2.5 3B": _sized(_QWEN25, 36, 2048, 11_008, 16),
    "Qwen3 0.6B": _sized(_QWEN3, 28, 1024, 3072, 16),
    "Qwen3 1.7B": _sized(_QWEN3, 28, 2048, 6144, 16),
    "Qwen3 4B": _QWEN3_4B,
    "Qwen3 4B 2507": {**_QWEN3_4B, **_QWEN3_2507},
    "Gemma 3 270M": _sized(_GEMMA3, 18, 640, 2048, 4),
    "Gemma 3 1B": _sized(_GEMMA3, 26, 1152, 6912, 4),
}
"""A ``config.json`` of each, without what decides nothing here."""


class Match(NamedTuple):
    """The published models that a file's tensors may be of.

    Attributes:
        config: What they compute; ``None`` where there is none, or they differ.
        names: Of those that fit.
        differing: The settings in which they differ.
    """

    config: TransformerConfig | None
    names: list[str]
    differing: list[str]


NONE = Match(None, [], [])


def published(layout: Layout, shapes: Mapping[str, Shape]) -> Match:
    """Find the published models whose tensors have exactly these names and shapes.

    Args:
        layout: Of the file.
        shapes: Of its tensors.
    """
    configs = {name: native_config(values) for name, values in PUBLISHED.items()}
    names = [name for name, config in configs.items() if layout.fits(config, shapes)]
    differing = {
        key
        for one, other in combinations((PUBLISHED[name] for name in names), 2)
        for key in one.keys() | other.keys()
        if one.get(key) != other.get(key)
    }
    # How much a model can see changes nothing of what it makes of what it sees.
    differing -= {"max_position_embeddings"}
    config = configs[names[0]] if names and not differing else None
    return Match(config, names, sorted(differing))
