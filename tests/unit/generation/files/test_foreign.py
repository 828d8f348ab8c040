"""Forms of other programs: each is named for what it is, with the one thing to do, before work."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.checkpoint_info import describe
from pytest_llmjudge.generation.engine.loading import load
from pytest_llmjudge.generation.hf.folder import describe_folder
from pytest_llmjudge.generation.hf.quantised import check_quantised
from tests.unit.generation.tiny import TINY, error_of, make_model, save_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TO_TORCH = "python -m torch.distributed.checkpoint.format_utils dcp_to_torch"
DEEPSPEED = "a checkpoint of DeepSpeed, in parts that only DeepSpeed joins"
ABOVE = "run the zero_to_fp32.py of the folder above it, and name what it writes"
FUSE = "run mlx_lm.fuse on it and its model, and name the folder that it writes"
NANOCHAT = (
    "a checkpoint of nanochat; convert it with convert_nanochat_checkpoints.py of transformers' "
    "sources, and name the folder that it writes"
)
COPY_INDEX = "copy the index too, or save the model again"
UNQUANTISED = "name the model as it was before it was quantised, or a Hugging Face folder of it"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
PULL = "it is a Git LFS pointer, not the file itself; run git lfs pull"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            [".metadata", "__0_0.distcp"],
            (
                f"a distributed checkpoint of torch; run {TO_TORCH} {{folder}} model.pth, and name "
                "model.pth"
            ),
        ),
        (
            ["pytorch_model_fsdp_0/x", "training_args.bin"],
            (
                "a training checkpoint with a distributed checkpoint of torch in it; run "
                f"{TO_TORCH} on its folder pytorch_model_fsdp_0, and name the file that it writes"
            ),
        ),
        (
            ["global_step5/x", "latest", "training_args.bin", "zero_to_fp32.py"],
            (
                f"{DEEPSPEED}; run the zero_to_fp32.py that lies there (python zero_to_fp32.py . "
                "merged), and name the folder merged"
            ),
        ),
        (["mp_rank_00_model_states.pt"], f"{DEEPSPEED}; {ABOVE}"),
        (["adapters.safetensors"], f"an adapter of MLX; {FUSE}"),
        (["adapter_config.json", "0000100_adapters.safetensors"], f"an adapter of MLX; {FUSE}"),
        (["meta_000500.json", "model_000500.pt", "optim_000500.pt"], NANOCHAT),
        (
            ["model.ckpt.index", "hparams.json", "vocab.bpe"],
            (
                "a TensorFlow checkpoint, as OpenAI published GPT-2; load it with the book's "
                "load_weights_into_gpt, and save the model's state dict"
            ),
        ),
        (
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
            "parts of a model without their index (model.safetensors.index.json); " + COPY_INDEX,
        ),
        (
            ["pytorch_model-00002-of-00002.bin"],
            "parts of a model without their index (pytorch_model.bin.index.json); " + COPY_INDEX,
        ),
        (
            ["model.gguf", "README.md"],
            "a GGUF file, which only servers run; let Ollama serve it, as ollama:NAME",
        ),
    ],
)
def test_folders(tmp_path: Path, names: list[str], expected: str) -> None:
    """By the names in it, whatever the files hold."""
    folder = tmp_path / "run"
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}", encoding="utf-8")

    assert error_of(folder) == expected.format(folder=folder)


def test_a_whole_model_that_training_left_in_its_folder(tmp_path: Path) -> None:
    """It is read, whatever lies beside it; so is the only file of weights beside a GGUF file."""
    for name in ("model.safetensors", "zero_to_fp32.py"):
        (tmp_path / "a").mkdir(exist_ok=True)
        (tmp_path / "a" / name).touch()
    assert error_file(tmp_path / "a") == tmp_path / "a" / "model.safetensors"

    (tmp_path / "b").mkdir()
    save_model(tmp_path / "b" / "model.pth")
    (tmp_path / "b" / "model.gguf").touch()
    assert describe(tmp_path / "b").config == TINY


def error_file(folder: Path) -> Path:
    with pytest.raises(CheckpointError) as caught:
        describe(folder)
    return folder / str(caught.value).partition(":")[0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "__1_0.distcp",
            (
                f"a part of a distributed checkpoint of torch; run {TO_TORCH} on its folder, and name "
                "the result"
            ),
        ),
        ("mp_rank_00_model_states.pt", f"a part of {DEEPSPEED}; {ABOVE}"),
        ("adapters.safetensors", f"an adapter of MLX; {FUSE}"),
        (
            "model-00001-of-00002.safetensors",
            "a part of a model; name the folder that it lies in",
        ),
    ],
)
def test_files(tmp_path: Path, name: str, expected: str) -> None:
    """A part of something that was named alone."""
    (tmp_path / name).touch()

    assert error_of(tmp_path / name) == expected


def test_the_only_part(tmp_path: Path) -> None:
    """The first of one is the whole."""
    path = tmp_path / "model-00001-of-00001.bin"
    save_model(path)

    assert describe(path).config == describe(tmp_path).config == TINY


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "trf_blocks.0._flat_param",
            (
                "flattened parts of a model, as FSDP trains it; save it with "
                "StateDictType.FULL_STATE_DICT"
            ),
        ),
        ("layers.0.self_attn.q_proj.lora_a", f"an adapter of MLX; {FUSE}"),
        (
            "base_model.model.transformer.h.0.attn.c_attn.base_layer.weight",
            (
                "a PEFT model with its adapter beside its weights; save "
                "model.merge_and_unload().state_dict() instead"
            ),
        ),
        (
            "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
            "the matrices of a PEFT adapter; name the folder that its adapter_config.json lies in",
        ),
        ("transformer.h.0.attn.c_q.weight", NANOCHAT),
        (
            "model.layers.0.mlp.up_proj.qweight",
            f"weights quantised with GPTQ or AWQ; {UNQUANTISED}",
        ),
        (
            "model.layers.0.mlp.up_proj.weight.absmax",
            f"weights quantised with bitsandbytes; {UNQUANTISED}",
        ),
        (
            "model.layers.0.mlp.up_proj.scales",
            (
                "weights quantised with MLX; run mlx_lm.convert with --dequantize on it, and name the "
                "folder that it writes"
            ),
        ),
    ],
)
def test_state_dicts(path: Path, name: str, expected: str) -> None:
    """By the name of a tensor."""
    torch.save({"wte.weight": torch.ones(2, 2), name: torch.ones(2)}, path)

    assert error_of(path) == expected


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: f"model.{name}",
        lambda name: f"lightning.gpt.{name}",
        lambda name: f"_forward_module.model._orig_mod.{name}",
        lambda name: name.replace(".att.", "._fsdp_wrapped_module.att._orig_mod."),
        lambda name: f"module._fsdp_wrapped_module.{name}".replace(
            ".ff.", "._checkpoint_wrapped_module.ff."
        ),
    ],
    ids=["Lightning", "deeper", "compiled within", "FSDP", "several"],
)
@pytest.mark.parametrize("new", [True, False], ids=["zip", "before torch 1.6"])
def test_what_training_frameworks_put_into_names(
    path: Path, rename: Callable[[str], str], *, new: bool
) -> None:
    """It is dropped wherever it stands."""
    expected = make_model().state_dict()
    state = {rename(name): tensor for name, tensor in expected.items()}
    content = {"state_dict": state, "pytorch-lightning_version": "2.5", "epoch": 1}
    torch.save(content, path, _use_new_zipfile_serialization=new)

    loaded = load(path, torch.device("cpu"), torch.float32).state_dict()

    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in expected.items())


def test_two_models_in_one_state_dict(path: Path) -> None:
    """Neither of them is taken."""
    state = make_model().state_dict()
    both = {
        f"{which}.{name}": one for which in ("student", "teacher") for name, one in state.items()
    }
    torch.save(both, path)

    assert error_of(path).startswith("no weights of a GPT-2, it holds student.tok_emb.weight, ")


def test_an_adapter_beside_a_whole_model(tmp_path: Path) -> None:
    """Nobody knows whether it is merged into it already."""
    (tmp_path / "adapter_config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "adapter_model.safetensors").touch()
    (tmp_path / "model.safetensors").touch()

    assert error_of(tmp_path) == (
        "it holds an adapter and the weights of a whole model (model.safetensors); if the adapter "
        "is merged into them, move adapter_config.json away; else move them into a folder of their "
        "own"
    )


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_pointers_of_an_adapter(tmp_path: Path, name: str) -> None:
    """Of either of its files."""
    save_model(tmp_path / "base.pth")
    config = {"peft_type": "LORA", "lora_alpha": 4, "base_model_name_or_path": "base.pth"}
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_model.safetensors").touch()
    (tmp_path / "adapter" / "adapter_config.json").write_text(
        json.dumps({**config, "base_model_name_or_path": "../base.pth"}), encoding="utf-8"
    )
    (tmp_path / "adapter" / name).write_bytes(POINTER)

    with pytest.raises(CheckpointError) as caught:
        describe(tmp_path / "adapter")
    assert str(caught.value) == f"{tmp_path / 'adapter' / name}: {PULL}"


def test_parts_that_are_missing(tmp_path: Path) -> None:
    """The index says how many, and which."""
    names = [f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3)]
    (tmp_path / names[0]).touch()
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": dict(zip("abc", names, strict=True))}), "utf-8")

    with pytest.raises(CheckpointError) as caught:
        describe(tmp_path)
    assert str(caught.value) == (
        f"{index}: 2 of the 3 files that it names are not beside it: {names[1]}, {names[2]}; copy "
        "or download all of them"
    )


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"quantization_config": {"quant_method": "aqlm"}},
            (
                "its weights are quantised with AQLM, which needs aqlm; pip install aqlm, or name the "
                "model as it was before"
            ),
        ),
        (
            {"quantization_config": {"quant_method": "gptq"}},
            (
                "its weights are quantised with GPTQ, which needs gptqmodel and optimum; pip install "
                "gptqmodel optimum, or name the model as it was before"
            ),
        ),
        (
            {"quantization": {"bits": 4}, "quantization_config": {"bits": 4, "group_size": 64}},
            (
                "its weights are quantised with MLX, which transformers does not read; run "
                "mlx_lm.convert with --dequantize on it, and name the folder that it writes"
            ),
        ),
    ],
    ids=["one package", "several", "MLX"],
)
def test_quantised_folders(
    tmp_path: Path, config: dict[str, object], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What transformers would ask for when it loads them is asked for before work."""
    there = ("accelerate",)
    monkeypatch.setattr(
        "pytest_llmjudge.generation.hf.quantised.find_spec", lambda name: name in there or None
    )

    with pytest.raises(CheckpointError) as caught:
        check_quantised(tmp_path, config)

    assert str(caught.value) == f"{tmp_path}: {expected}"


def test_foreign_weights_of_a_hugging_face_folder(tmp_path: Path) -> None:
    """A trainer's folder with config and tokenizer says the same."""
    for name in ("tokenizer.json", "zero_to_fp32.py"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    (tmp_path / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")

    with pytest.raises(CheckpointError) as caught:
        describe_folder(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: {DEEPSPEED}; run the zero_to_fp32.py that ")


def test_placeholders_of_deepspeed(tmp_path: Path) -> None:
    """Its third stage leaves tensors without numbers where weights were."""
    torch.save({"model.embed_tokens.weight": torch.zeros(0)}, tmp_path / "pytorch_model.bin")
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    (tmp_path / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")

    with pytest.raises(CheckpointError) as caught:
        describe_folder(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: model.embed_tokens.weight has no numbers, as DeepSpeed's ZeRO-3 leaves its "
        "weights; run the zero_to_fp32.py of the training checkpoint, and put what it writes here"
    )
