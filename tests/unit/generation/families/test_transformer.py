"""Models of all families beside transformers: tiny, random, with each switch on and off."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pytest_llmjudge.generation.families.describe import plan_of_folder
from pytest_llmjudge.generation.families.native import native_config
from tests.support.versions import need_current_configs
from tests.unit.generation.families.made import (
    PATH,
    SIZES,
    assert_same,
    fill_from,
    make_theirs,
)

pytest.importorskip("transformers")

LENGTH = 23
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
YARN = {
    "rope_type": "yarn",
    "rope_theta": 1000.0,
    "factor": 4.0,
    "original_max_position_embeddings": 16,
}
WINDOW = {"sliding_window": 5}
BY_LAYER = {
    "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1000.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
}

CASES: list[tuple[str, dict[str, Any]]] = [
    ("llama", {}),
    ("llama", {"tie_word_embeddings": True, "head_dim": 16, "hidden_act": "gelu"}),
    ("llama", {"attention_bias": True, "mlp_bias": True, "rope_parameters": LLAMA3}),
    ("llama", {"rope_scaling": {"type": "linear", "factor": 2.0}, "rope_theta": 300.0}),
    ("llama", {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0}}),
    ("llama", {"rope_parameters": YARN, "num_key_value_heads": 6}),
    ("llama", {"rope_parameters": {**YARN, "mscale": 0.7, "mscale_all_dim": 1.3}}),
    ("llama", {"rope_parameters": {**YARN, "truncate": False, "beta_fast": 8, "beta_slow": 2}}),
    ("mistral", {"sliding_window": None}),
    ("mistral", {"head_dim": 10, **WINDOW}),
    ("qwen2", {"tie_word_embeddings": True}),
    ("qwen2", {"use_sliding_window": True, "max_window_layers": 1, **WINDOW}),
    ("qwen3", {"head_dim": 12}),
    ("qwen3", {"head_dim": 12, "attention_bias": True, "tie_word_embeddings": True}),
    (
        "qwen3",
        {
            "use_sliding_window": True,
            "layer_types": ["full_attention", "sliding_attention", "full_attention"],
            **WINDOW,
        },
    ),
    ("gemma", {"head_dim": 12, "hidden_act": "gelu"}),
    ("gemma", {"head_dim": 12, "attention_bias": True, "tie_word_embeddings": False}),
    ("gemma2", {"head_dim": 12, **WINDOW}),
    (
        "gemma2",
        {
            "head_dim": 12,
            "attn_logit_softcapping": None,
            "final_logit_softcapping": None,
            "query_pre_attn_scalar": 31,
            **WINDOW,
        },
    ),
    ("gemma2", {"head_dim": 12, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 1.5}),
    ("gemma3_text", {"head_dim": 12, "sliding_window_pattern": 2, **WINDOW}),
    (
        "gemma3_text",
        {"head_dim": 12, "rope_parameters": BY_LAYER, "attention_bias": True, **WINDOW},
    ),
    ("gemma3_text", {"head_dim": 12, "final_logit_softcapping": 2.0, **WINDOW}),
    ("phi3", {}),
    ("phi3", {**WINDOW, "tie_word_embeddings": True}),
    ("olmo2", {}),
    ("olmo2", {"attention_bias": True, "num_key_value_heads": 6}),
    ("olmo3", {"num_hidden_layers": 5, **WINDOW}),
    ("olmo3", {"rope_parameters": BY_LAYER, "num_hidden_layers": 4, **WINDOW}),
]


@pytest.mark.parametrize(("kind", "changes"), CASES)
@torch.inference_mode()
def test_logits_are_those_of_transformers(kind: str, changes: dict[str, Any]) -> None:
    """Whole sequences, longer than windows, give the logits that transformers gives."""
    need_current_configs(kind)
    theirs = make_theirs(kind, changes)
    # What a folder of transformers 4 would say, and what 5 writes.
    for config in ({"model_type": kind, **SIZES, **changes}, theirs.config.to_dict()):
        sizes, state = native_config(config), theirs.state_dict()
        shapes = {name: tuple(weight.shape) for name, weight in state.items()}
        ours = fill_from(state, sizes, plan_of_folder(PATH, sizes, shapes))
        ids = torch.randint(SIZES["vocab_size"], (2, LENGTH))
        assert_same(theirs(ids).logits, ours(ids))


@pytest.mark.parametrize(("kind", "changes"), [*dict(reversed(CASES)).items()])
@torch.inference_mode()
def test_bfloat16_is_as_accurate_as_in_transformers(kind: str, changes: dict[str, Any]) -> None:
    """Rounding leads no further from the logits of float32 than transformers' rounding does."""
    need_current_configs(kind)
    exact, theirs = make_theirs(kind, changes), make_theirs(kind, changes)
    exact.load_state_dict(theirs.bfloat16().state_dict())
    sizes, state = native_config(theirs.config.to_dict()), theirs.state_dict()
    shapes = {name: tuple(weight.shape) for name, weight in state.items()}
    ours = fill_from(state, sizes, plan_of_folder(PATH, sizes, shapes), torch.bfloat16)
    ids = torch.randint(SIZES["vocab_size"], (4, LENGTH))
    expected = exact(ids).logits
    error, their_error = ((x - expected).norm() for x in (ours(ids), theirs(ids).logits))
    assert error < 1.1 * their_error
