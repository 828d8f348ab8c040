"""Whole files and folders of these families, as programs save them: configs, LoRA, tied heads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.checkpoint_info import describe
from pytest_llmjudge.generation.engine.loading import load
from pytest_llmjudge.generation.hf.folder import describe_folder
from pytest_llmjudge.generation.hf.model import HuggingFaceModel
from tests.unit.generation.families.made import assert_same, make_theirs, randomise
from tests.unit.generation.families.test_layouts import (
    BOOK,
    LITGPT,
    LITGPT_SETTINGS,
    META,
    paired,
    renamed,
)
from tests.unit.generation.hugging import make_tokenizer, save_folder, their_text
from tests.unit.generation.tiny import error_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CPU = torch.device("cpu")
VOCABULARY = len(make_tokenizer())
IDS = torch.arange(46).reshape(2, 23)


def write_json(path: Path, values: Mapping[str, object]) -> None:
    """Write a config."""
    path.write_text(json.dumps(values), encoding="utf-8")


@torch.inference_mode()
def test_lora_of_the_book(tmp_path: Path) -> None:
    """A Qwen 3 with the book's LoRA layers is merged when it is loaded."""
    theirs = pytest.importorskip("llms_from_scratch.qwen3").Qwen3Model
    appendix = pytest.importorskip("llms_from_scratch.appendix_e")
    config = {**BOOK, "vocab_size": VOCABULARY, "head_dim": 12, "qk_norm": True}
    model = theirs(config)
    appendix.replace_linear_with_lora(model, 4, 8)
    randomise(model)
    torch.save({"model": model.state_dict(), "config": config}, tmp_path / "qwen.pth")
    write_json(tmp_path / "qwen.config.json", {"lora_alpha": 8})
    make_tokenizer().save_pretrained(tmp_path)

    ours = load(tmp_path / "qwen.pth", CPU, torch.float32)

    assert_same(model(IDS), ours(IDS))


@torch.inference_mode()
def test_params_of_meta_belong_to_the_fingerprint(tmp_path: Path) -> None:
    """``params.json`` is read from beside the weights, and another one is another model."""
    theirs = make_theirs("llama", {"vocab_size": VOCABULARY, "rms_norm_eps": 1e-5})
    state = renamed(theirs.state_dict(), META)
    for name, value in list(state.items()):
        if name.endswith(("wq.weight", "wk.weight")):
            state[name] = paired(value, 6 if "wq" in name else 2)
    path = tmp_path / "consolidated.00.pth"
    torch.save(state, path)
    make_tokenizer().save_pretrained(tmp_path)
    params = {"dim": 48, "n_layers": 3, "n_heads": 6, "n_kv_heads": 2, "max_seq_len": 64}
    write_json(tmp_path / "params.json", params)

    assert_same(theirs(IDS).logits, load(path, CPU, torch.float32)(IDS))
    before = describe(path).fingerprint
    write_json(tmp_path / "params.json", {**params, "rope_theta": 500.0})
    assert describe(path).fingerprint != before


@torch.inference_mode()
def test_settings_of_litgpt_are_read_from_beside_the_weights(tmp_path: Path) -> None:
    """``model_config.yaml`` tells what tensors do not, and one that is damaged is named."""
    theirs = make_theirs("llama", {"num_key_value_heads": 6, "vocab_size": VOCABULARY})
    state = renamed(theirs.state_dict(), LITGPT)
    for block in range(3):
        start = f"transformer.h.{block}.attn."
        joint = [state.pop(f"{start}{one}_proj.weight") for one in "qkv"]
        state[f"{start}qkv.weight"] = torch.cat(joint)
    path, settings = tmp_path / "lit_model.pth", tmp_path / "model_config.yaml"
    torch.save(state, path)
    make_tokenizer().save_pretrained(tmp_path)
    changes = {"n_query_groups: 2": "n_query_groups: 6", "attn_bias: true": "attn_bias: false"}
    changes["padded_vocab_size: 64"] = f"padded_vocab_size: {VOCABULARY}"
    text = LITGPT_SETTINGS.replace("vocab_size: 61", f"vocab_size: {VOCABULARY}")
    for old, new in changes.items():
        text = text.replace(old, new)
    settings.write_text(text, encoding="utf-8")

    assert_same(theirs(IDS).logits, load(path, CPU, torch.float32)(IDS))
    settings.write_text("[]", encoding="utf-8")
    with pytest.raises(CheckpointError) as raised:
        describe(path)
    assert str(raised.value) == f"{settings}: not as LitGPT writes it; save it again with LitGPT"


def test_parts_of_meta_are_refused(tmp_path: Path) -> None:
    """Files of which each has some rows or columns of every tensor are not run as one model."""
    state = renamed(make_theirs("llama", {}).state_dict(), META)
    path = tmp_path / "consolidated.00.pth"
    torch.save(state, path)
    torch.save(state, tmp_path / "consolidated.01.pth")
    params = {"dim": 48, "n_layers": 3, "n_heads": 6, "n_kv_heads": 2, "max_seq_len": 64}
    write_json(tmp_path / "params.json", params)

    assert error_of(path) == (
        "one of several files, each with a part of every tensor; convert them with transformers' "
        "convert_llama_weights_to_hf.py"
    )


def save_adapter(folder: Path, base: Path, model: Any, layers: list[str]) -> None:  # noqa: ANN401
    """Save a PEFT adapter for some layers, and add it to the model itself."""
    torch.manual_seed(7)
    matrices = {}
    for name, module in model.named_modules():
        if name.rpartition(".")[2] in layers:
            down, up = torch.randn(2, module.in_features), torch.randn(module.out_features, 2)
            matrices[f"base_model.model.{name}.lora_A.weight"] = down
            matrices[f"base_model.model.{name}.lora_B.weight"] = up
            module.weight.data += 0.5 * up @ down
    folder.mkdir()
    save_file(matrices, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 1, "target_modules": layers}
    write_json(folder / "adapter_config.json", {**config, "base_model_name_or_path": str(base)})


@pytest.mark.parametrize(
    ("kind", "layers"),
    [
        ("qwen2", ["q_proj", "v_proj", "gate_proj", "down_proj"]),
        ("phi3", ["qkv_proj", "o_proj", "gate_up_proj"]),
    ],
)
@torch.inference_mode()
def test_adapters_of_any_layers(tmp_path: Path, kind: str, layers: list[str]) -> None:
    """An adapter gives the texts of transformers' model with the products added to its weights."""
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    theirs = save_folder(base, kind, pad_token_id=0)
    save_adapter(adapter, base, theirs, layers)
    ours = HuggingFaceModel(adapter, base=base)
    prompts = ["the thing", "Say 1 in words"]

    answers = ours.generate(prompts, max_new_tokens=12)

    ids = make_tokenizer()(prompts).input_ids
    assert answers == [their_text(theirs, row, 12) for row in ids]


@torch.inference_mode()
def test_an_adapter_of_a_file(tmp_path: Path) -> None:
    """A raw file can be the base, under whatever names its program has."""
    theirs = pytest.importorskip("llms_from_scratch.qwen3").Qwen3Model
    config = {**BOOK, "vocab_size": VOCABULARY, "head_dim": 12, "qk_norm": True}
    model = randomise(theirs(config))
    base, adapter = tmp_path / "qwen.pth", tmp_path / "adapter"
    torch.save({"model": model.state_dict(), "config": config}, base)
    make_tokenizer().save_pretrained(tmp_path)
    save_adapter(adapter, base, model, ["W_query", "fc2", "out_head"])

    ours = load(adapter, CPU, torch.float32)

    assert_same(model(IDS), ours(IDS))
    assert describe(adapter).fingerprint != describe(base).fingerprint


def test_a_tied_head_is_one_weight(tmp_path: Path) -> None:
    """A file of torch holds it under two names, of which one is read."""
    theirs = save_folder(tmp_path, tie_word_embeddings=True)
    (tmp_path / "model.safetensors").unlink()
    torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    native = describe_folder(tmp_path).native
    assert native is not None
    sources = native.plan.sources
    assert sources["out_head.weight"] == sources["tok_emb.weight"]
