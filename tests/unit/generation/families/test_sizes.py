"""Sizes that no model has are distinguished from those of the largest ones."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_llmjudge.generation.families.sizes import absurd_size

DEEPSEEK_V3: dict[str, Any] = {
    "first_k_dense_replace": 3,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "max_position_embeddings": 163840,
    "n_routed_experts": 256,
    "num_attention_heads": 128,
    "num_hidden_layers": 61,
    "rope_theta": 10000,
    "tie_word_embeddings": False,
    "vocab_size": 129280,
}


@pytest.mark.parametrize(
    "config",
    [
        DEEPSEEK_V3,
        {"text_config": {"max_position_embeddings": 10485760, "rope_theta": 500000000}},
        {"num_hidden_layers": 126, "hidden_size": 16384, "intermediate_size": 53248},
        {
            "num_hidden_layers": None,
            "hidden_size": "many",
            "layers": [10**9],
            "sliding_window": 1e9,
        },
        [],
    ],
    ids=["deepseek-v3", "llama-4", "llama-3.1-405b", "other types", "a list"],
)
def test_what_models_have(config: object) -> None:
    """The largest models that are known pass, and so does what is no size."""
    assert absurd_size(config) is None


@pytest.mark.parametrize(
    "name",
    [
        *("num_hidden_layers", "n_layers", "encoder_layers", "num_attention_heads", "n_head"),
        *("n_head_kv", "num_local_experts", "num_labels", "vocab_size", "n_vocab", "n_positions"),
        *("hidden_size", "n_embd", "d_model", "ffn_dim", "head_dim", "max_position_embeddings"),
    ],
)
def test_what_no_model_has(name: str) -> None:
    """By whatever name an architecture calls it, and wherever it stands."""
    assert absurd_size({"parts": [{**DEEPSEEK_V3, name: 10**9}]}) == (
        name,
        10**9,
        absurd_size({name: float("nan")})[2],  # type: ignore[index]
    )
