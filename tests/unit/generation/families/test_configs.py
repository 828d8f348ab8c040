"""What a ``config.json`` asks for, as transformers 4 and 5 write it, and what is left to them."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.generation.families.native import FAMILIES, native_config
from pytest_llmjudge.generation.families.transformer_config import Rope, UnsupportedError
from tests.support.versions import need_current_configs, with_current_transformers
from tests.unit.generation.families.made import SIZES

if TYPE_CHECKING:
    from pathlib import Path

HARMLESS = {
    "architectures",
    "attention_dropout",
    "bos_token_id",
    "chunk_size_feed_forward",
    "dtype",
    "embd_pdrop",
    "eos_token_id",
    "id2label",
    "initializer_range",
    "is_encoder_decoder",
    "label2id",
    "original_max_position_embeddings",
    "output_hidden_states",
    "pad_token_id",
    "pretraining_tp",
    "problem_type",
    "resid_pdrop",
    "return_dict",
    "transformers_version",
    "use_cache",
}
"""What training, other outputs and tokenizers need; the last context of Phi-3 is longrope's."""


class Watched(dict[str, Any]):
    """Remembers which of its values were asked for."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.seen: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 - as of dict
        self.seen.add(key)
        return super().get(key, default)


@with_current_transformers
@pytest.mark.parametrize("kind", sorted(map(str, FAMILIES)))
def test_every_setting_is_accounted_for(kind: str) -> None:
    """Each field of transformers' config class is read here, or decides nothing."""
    transformers = pytest.importorskip("transformers", minversion="5")
    config = transformers.CONFIG_MAPPING[kind](**SIZES)
    values = Watched(config.to_dict())
    native_config(values)
    unread = {field.name for field in dataclasses.fields(config)} - values.seen - HARMLESS
    # Windows are looked at where a layer has one, which by default is none of Qwen's.
    assert unread <= {"sliding_window"}


@pytest.mark.parametrize("kind", sorted(map(str, FAMILIES)))
def test_defaults_are_those_of_transformers(kind: str, tmp_path: Path) -> None:
    """A config that leaves out what it can means what transformers takes it to mean."""
    need_current_configs(kind)
    transformers = pytest.importorskip("transformers", minversion="5")
    short = {"model_type": kind, **SIZES}
    transformers.CONFIG_MAPPING[kind](**SIZES).save_pretrained(tmp_path)
    written = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert native_config(short) == native_config(written)


LLAMA3 = {
    "rope_type": "llama3",
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
YARN = {
    "rope_type": "yarn",
    "factor": 8.0,
    "beta_fast": 32,
    "beta_slow": 1,
    "attention_factor": 1.2079441541679836,
    "original_max_position_embeddings": 8192,
}


@pytest.mark.parametrize(
    ("kind", "changes", "ropes"),
    [
        ("llama", {}, [Rope(1e4)] * 3),
        ("llama", {"rope_theta": 5e5, "rope_scaling": None}, [Rope(5e5)] * 3),
        (
            "llama",
            {"rope_theta": 5e5, "rope_scaling": LLAMA3},
            [Rope(5e5, "llama3", 32.0, 8192, 1.0, 4.0)] * 3,
        ),
        (
            "llama",
            {"rope_theta": 3, "rope_parameters": {**LLAMA3, "rope_theta": 5e5}},
            [Rope(5e5, "llama3", 32.0, 8192, 1.0, 4.0)] * 3,
        ),
        (
            "gemma3_text",
            {"rope_theta": 1e6, "rope_local_base_freq": 2e4, "sliding_window_pattern": 2},
            [Rope(2e4), Rope(1e6), Rope(2e4)],
        ),
        (
            "olmo3",
            {
                "rope_theta": 5e5,
                "rope_scaling": YARN,
                "layer_types": ["full_attention", "sliding_attention", "sliding_attention"],
            },
            [
                Rope(5e5, "yarn", 8.0, 8192, attention_factor=1.2079441541679836),
                Rope(5e5),
                Rope(5e5),
            ],
        ),
    ],
)
def test_rope(kind: str, changes: dict[str, Any], ropes: list[Rope]) -> None:
    """Bases and scalings are read where transformers 4 and 5 have them."""
    assert native_config({"model_type": kind, **SIZES, **changes}).ropes == tuple(ropes)


def test_what_a_gguf_file_leaves_behind() -> None:
    """A folder that transformers saved of one holds plain numbers, and still names the format."""
    config = {"model_type": "llama", **SIZES}
    left = {"quant_method": "gguf", "dequantize": False, "gguf_file": "model.Q4_1.gguf"}

    assert native_config({**config, "quantization_config": left}) == native_config(config)


@pytest.mark.parametrize(
    ("kind", "changes", "reason"),
    [
        ("gpt_neox", {}, 'model_type is "gpt_neox"'),
        ("llama", {"quantization_config": {"bits": 4}}, 'quantization_config is {"bits": 4}'),
        ("llama", {"hidden_act": "relu2"}, 'hidden_act is "relu2"'),
        ("llama", {"hidden_size": None}, "hidden_size is null"),
        ("llama", {"num_key_value_heads": 4}, "6 heads share 4 heads of keys and values"),
        ("llama", {"head_dim": 7}, "heads have the odd size 7"),
        ("llama", {"attention_bias": 1}, "attention_bias is 1"),
        ("llama", {"rms_norm_eps": 0}, "rms_norm_eps is 0"),
        ("llama", {"partial_rotary_factor": 0.5}, "partial_rotary_factor is 0.5"),
        (
            "llama",
            {"rope_scaling": {"type": "su", "factor": 2.0}},
            'rope_scaling.type is "su"',
        ),
        (
            "llama",
            {"rope_parameters": {"rope_type": "llama3"}},
            "rope_parameters.factor is null",
        ),
        ("llama", {"rope_scaling": {"type": ["yarn"]}}, 'rope_scaling.type is ["yarn"]'),
        ("llama", {"rope_theta": 1, "rope_scaling": YARN}, "rope_theta is 1"),
        ("mistral", {"sliding_window": 0}, "sliding_window is 0"),
        *(
            (
                kind,
                {"layer_types": ["sliding_attention"] * 3},
                'layer_types is ["sliding_attention"',
            )
            for kind in ("llama", "gemma", "olmo2", "phi3")
        ),
        ("mistral", {"layer_types": ["full_attention"] * 3}, 'layer_types is ["full_attention"'),
        ("qwen2", {"layer_types": ["linear"] * 3}, 'layer_types is ["linear", "linear", "linear"]'),
        (
            "qwen3",
            {"layer_types": ["sliding_attention"] * 3},
            "layer_types has sliding_attention without use_sliding_window",
        ),
        ("gemma2", {"sliding_window": None}, "sliding_window is null"),
        ("gemma", {"use_bidirectional_attention": True}, "use_bidirectional_attention is true"),
        ("gemma3_text", {"attn_logit_softcapping": 50.0}, "attn_logit_softcapping is 50.0"),
        ("gemma3_text", {"rope_parameters": {"rope_theta": 3.0}}, "rope_parameters is"),
        (
            "phi3",
            {"rope_scaling": {"type": "longrope", "long_factor": [1.0], "short_factor": [1.0]}},
            'rope_scaling.type is "longrope"',
        ),
        ("phi3", {"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling is"),
        ("olmo3", {"rope_theta": 1e4}, "rope_theta is 10000.0"),
    ],
)
def test_what_is_left_to_transformers(kind: str, changes: dict[str, Any], reason: str) -> None:
    """A value that is not computed exactly is named as the reason."""
    with pytest.raises(UnsupportedError) as raised:
        native_config({"model_type": kind, **SIZES, **changes})
    assert raised.value.reason.startswith(reason)
