"""Describing a checkpoint: nothing in it runs, and everything wrong with it gets one line."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.checkpoint_info import CheckpointInfo, describe
from tests.unit.generation.tiny import (
    TINY,
    lecture_model,
    make_model,
    save_model,
    write_ranks,
)

if TYPE_CHECKING:
    from pathlib import Path

SAVE = "save a plain state dict: torch.save(model.state_dict(), path)"
COPY = "save or copy the checkpoint again"
NAMES = "use the parameter names of the lecture's GPTModel, Hugging Face's GPT-2 or nanoGPT"
TRAINED = "save it again from the model that was trained"
HEADS = 'write {"n_heads": …} with an integer above 0'


def ranks_of(info: CheckpointInfo) -> Path | None:
    """The file of the tokenizer, ``None`` for GPT-2's own."""
    assert info.tokenizer is not None
    return info.tokenizer.file


def test_sizes_are_read_off_the_tensors(path: Path) -> None:
    """Names, shapes, sizes and the number of weights are known without loading the model."""
    model = save_model(path)

    info = describe(path)

    assert info.config == TINY
    assert info.plan is not None
    assert info.plan.shapes == {name: tuple(w.shape) for name, w in model.named_parameters()}
    assert info.parameters == sum(weight.numel() for weight in model.parameters())
    assert ranks_of(info) == path.with_suffix(".tiktoken")


def test_masks_are_no_weights(path: Path) -> None:
    """What the lecture's own code saves is described as what this package's model holds."""
    model = make_model(replace(TINY, qkv_bias=False))
    torch.save(lecture_model(model).state_dict(), path)

    info = describe(path)

    assert info.config == replace(TINY, qkv_bias=False)
    assert info.parameters == sum(weight.numel() for weight in model.parameters())


def test_a_compiled_models_prefix_is_dropped(path: Path) -> None:
    """``_orig_mod.`` before each name, from torch.compile, makes no difference."""
    model = make_model()
    torch.save({f"_orig_mod.{name}": w for name, w in model.state_dict().items()}, path)

    assert describe(path).config == TINY


def test_parameters_are_as_good_as_tensors(path: Path) -> None:
    """``dict(model.named_parameters())`` is a state dict too."""
    torch.save(dict(make_model().named_parameters()), path)

    assert describe(path).config == TINY


def test_tied_weights_count_once(path: Path) -> None:
    """An output layer that is the token embedding adds no parameters."""
    model = make_model()
    state = {**model.state_dict(), "out_head.weight": model.tok_emb.weight}
    torch.save(state, path)

    expected = sum(w.numel() for w in model.parameters()) - model.out_head.weight.numel()
    assert describe(path).parameters == expected


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_are_welcome(path: Path, dtype: torch.dtype) -> None:
    """Weights may be stored in any floating-point numbers."""
    torch.save(make_model().to(dtype).state_dict(), path)

    assert describe(path).config == TINY


def test_only_torch_reads_files_from_before_1_6(path: Path) -> None:
    """The old format tells no shapes, and has a fingerprint all the same."""
    torch.save(make_model().state_dict(), path, _use_new_zipfile_serialization=False)

    info = describe(path)

    assert (info.plan, info.parameters, info.config) == (None, None, None)
    assert len(info.fingerprint) == 64


def test_heads_come_from_a_config_beside_it(path: Path) -> None:
    """The checkpoint's own config goes before the folder's; other keys do not matter."""
    save_model(path)
    path.with_name("config.json").write_text('{"n_head": 2, "vocab": "x"}', encoding="utf-8")
    shared = describe(path).config
    path.with_name("model.config.json").write_text('{"n_heads": 4}', encoding="utf-8")
    own = describe(path).config

    assert (shared, own) == (replace(TINY, n_heads=2), replace(TINY, n_heads=4))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[]", f"not a JSON object; {HEADS}"),
        (
            '{"n_heads": 4, "n_heads": 2}',
            'it has the key "n_heads" twice; correct it, or move it away from the checkpoint',
        ),
        (
            '{"x": [{"\\u0061": 1, "a": 2}]}',
            'it has the key "a" twice; correct it, or move it away from the checkpoint',
        ),
        ('{"n_heads": true}', f"n_heads is true; {HEADS}"),
        ('{"n_heads": "12"}', f'n_heads is "12"; {HEADS}'),
        ('{"n_heads": 0}', f"n_heads is 0; {HEADS}"),
        pytest.param(
            f'{{"n_heads": "{"x" * 3_000_000}"}}', f'n_heads is "{"x" * 78}…; {HEADS}', id="long"
        ),
        (
            '{"n_heads": 5}',
            (
                "5 heads do not divide the embedding's width 64; "
                "give the number that it was trained with"
            ),
        ),
        (
            "{n_heads: 4}",
            (
                "not JSON (Expecting property name enclosed in double quotes: "
                "line 1 column 2 (char 1)); correct it, or move it away from the checkpoint"
            ),
        ),
    ],
)
def test_a_config_that_cannot_be_right(path: Path, content: str, expected: str) -> None:
    """The message points at the config, not at the checkpoint."""
    save_model(path)
    config = path.with_name("config.json")
    config.write_text(content, encoding="utf-8")

    with pytest.raises(CheckpointError) as caught:
        describe(path)
    assert str(caught.value) == f"{config}: {expected}"


def test_a_config_without_heads_is_not_ours(bare_path: Path) -> None:
    """Some other tool's config changes nothing, the fingerprint neither."""
    path = bare_path
    torch.save(make_model(replace(TINY, emb_dim=768, n_heads=12)).state_dict(), path)
    before = describe(path)
    path.with_name("config.json").write_text('{"model_type": "gpt2"}', encoding="utf-8")
    after = describe(path)

    assert (after.config, after.fingerprint) == (before.config, before.fingerprint)


def test_the_tokenizer_that_belongs_to_a_checkpoint(path: Path, tmp_path: Path) -> None:
    """Its own goes first, then the only one of the folder, then GPT-2's."""
    torch.save(make_model().state_dict(), path)
    none = ranks_of(describe(path))
    write_ranks(tmp_path / "shared.tiktoken")
    only = ranks_of(describe(path))
    write_ranks(tmp_path / "second.tiktoken")
    several = ranks_of(describe(path))
    write_ranks(tmp_path / "model.tiktoken")
    own = ranks_of(describe(path))

    expected = (None, tmp_path / "shared.tiktoken", None, tmp_path / "model.tiktoken")
    assert (none, only, several, own) == expected


def test_gpt2s_vocabulary_goes_with_gpt2s_tokenizer(path: Path, tmp_path: Path) -> None:
    """Ranks of another model in the folder are not taken for a model of 50257 tokens."""
    config = replace(TINY, vocab_size=50257, n_layers=1)
    torch.save(make_model(config).state_dict(), path)
    write_ranks(tmp_path / "other.tiktoken")

    assert ranks_of(describe(path)) is None


def test_what_lies_beside_a_link_and_behind_it(path: Path, tmp_path: Path) -> None:
    """A link has the files beside its target, unless there are others beside itself."""
    target = tmp_path / "run" / "step.pth"
    target.parent.mkdir()
    save_model(target)
    target.with_name("step.config.json").write_text('{"n_heads": 4}', encoding="utf-8")
    path.with_name("config.json").unlink()
    path.symlink_to(target.relative_to(tmp_path))
    behind, direct = describe(path), describe(target)
    path.with_name("config.json").write_text('{"n_head": 2}', encoding="utf-8")
    write_ranks(path.with_suffix(".tiktoken"))
    beside = describe(path)

    assert behind.config == direct.config == replace(TINY, n_heads=4)
    assert ranks_of(behind) == target.with_suffix(".tiktoken")
    assert behind.fingerprint == direct.fingerprint
    assert beside.config == replace(TINY, n_heads=2)
    assert ranks_of(beside) == path.with_suffix(".tiktoken")


@pytest.mark.parametrize("stem", ["model", "model.safetensors.index"])
def test_what_lies_beside_several_files(path: Path, stem: str) -> None:
    """Named as the index, with its ending or without it."""
    save_file(make_model().state_dict(), path.with_name("part.safetensors"))
    index = path.with_name("model.safetensors.index.json")
    weight_map = dict.fromkeys(make_model().state_dict(), "part.safetensors")
    index.write_text(json.dumps({"weight_map": weight_map}), encoding="utf-8")
    path.with_name("config.json").write_text('{"n_heads": 2}', encoding="utf-8")
    path.with_name(f"{stem}.config.json").write_text('{"n_heads": 4}', encoding="utf-8")
    ranks = path.with_name(f"{stem}.tiktoken")
    for file in (ranks, path.with_name("other.tiktoken")):
        write_ranks(file)

    info = describe(index)

    assert info.config == replace(TINY, n_heads=4)
    assert ranks_of(info) == ranks


def test_what_to_write_beside_several_files(bare_path: Path) -> None:
    """The message names the file that will be read."""
    path = bare_path
    state = make_model(replace(TINY, emb_dim=48)).state_dict()
    save_file(state, path.with_name("part.safetensors"))
    index = path.with_name("model.safetensors.index.json")
    index.write_text(json.dumps({"weight_map": dict.fromkeys(state, "part.safetensors")}), "utf-8")

    with pytest.raises(CheckpointError) as caught:
        describe(index)
    assert str(caught.value) == (
        f"{index}: the embedding's width 48 does not tell the number of heads; "
        'write {"n_heads": …} into model.config.json beside it'
    )


def test_the_fingerprint_covers_all_that_changes_the_text(path: Path) -> None:
    """Weights, heads and tokenizer are in it; the file's name and its neighbours are not."""
    save_model(path)
    prints = [describe(path).fingerprint]
    path.with_name("model.config.json").write_text('{"n_heads": 2}', encoding="utf-8")
    prints.append(describe(path).fingerprint)
    write_ranks(path.with_suffix(".tiktoken"), merges=[b"ab"])
    prints.append(describe(path).fingerprint)
    torch.save(make_model(seed=1).state_dict(), path)
    prints.append(describe(path).fingerprint)

    path.with_name("notes.txt").write_text("", encoding="utf-8")
    moved = path.with_name("moved.pth")
    for name in ("model.pth", "model.config.json", "model.tiktoken"):
        path.with_name(name).rename(path.with_name(name.replace("model", "moved")))
    assert describe(moved).fingerprint == prints[-1]
    assert len(set(prints)) == 4


def test_torch_stays_out(path: Path) -> None:
    """Describing a checkpoint and making its handle imports neither torch nor tiktoken."""
    save_model(path)
    program = (
        "import json, sys\n"
        "from pytest_llmjudge.generation.checkpoint_info import describe\n"
        "from pytest_llmjudge.generation.engine.model import TorchModel\n"
        "model = TorchModel(sys.argv[1])\n"
        "heavy = sorted({'torch', 'tiktoken', 'numpy'} & set(sys.modules))\n"
        "print(json.dumps([model.fingerprint, model.info.parameters, heavy]))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )

    info = describe(path)
    assert json.loads(run.stdout) == [info.fingerprint, info.parameters, []]
