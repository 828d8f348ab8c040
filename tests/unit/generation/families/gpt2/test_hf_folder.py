"""GPT-2 folders: which ones our own engine runs, and that the others are transformers'."""

from __future__ import annotations

import json
import math
import shutil
from functools import cache
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file

from pytest_llmjudge.data import Context
from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.checkpoint_info import describe
from pytest_llmjudge.generation.engine.model import TorchModel
from pytest_llmjudge.generation.factory import make_model
from pytest_llmjudge.generation.families.gpt2 import hf_folder
from pytest_llmjudge.generation.hf.folder import foreign_type
from pytest_llmjudge.generation.hf.model import HuggingFaceModel
from pytest_llmjudge.settings import read_settings
from tests.support.versions import with_current_transformers
from tests.unit.generation.gpt2 import (
    END,
    SETTINGS,
    gpt2s_parts,
    gpt2s_tokenizer,
    greedy,
    make_network,
    save_folder,
)
from tests.unit.generation.hugging import CHATML, Theirs, make_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_llmjudge.generation.base import Model

Content = dict[str, dict[str, dict[str, int]]]
PROMPTS = ["the thing", "a", "Say 1 in words.", "It's  12 o'clock\n\n and é", "say please"]
TRANSFORMERS = "which takes transformers"
FOLDER = "name the folder instead of a file in it"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "candidate"


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with GPT-2's own tokenizer, to be copied."""
    folder = tmp_path_factory.mktemp("plain")
    save_folder(folder)
    return folder


def rewrite(file: Path, **changes: object) -> None:
    content = json.loads(file.read_text("utf-8")) if file.exists() else {}
    file.write_text(json.dumps({**content, **changes}), "utf-8")


def model_of(folder: Path) -> Model:
    return make_model(folder, read_settings({}, folder, folder, "pytest.ini"))


def texts_of(folder: Path) -> list[str]:
    return model_of(folder).generate(PROMPTS, max_new_tokens=6)


def their_texts(theirs: Theirs, tokenizer: Theirs, ends: tuple[int, ...] = (END,)) -> list[str]:
    rows = [tokenizer(prompt)["input_ids"] for prompt in PROMPTS]
    ids = [greedy(theirs, row, 6, ends) for row in rows]
    return [tokenizer.decode(one, skip_special_tokens=True) for one in ids]


@cache
def plain_texts() -> list[str]:
    return their_texts(make_network(), gpt2s_tokenizer())


def test_the_digest_is_that_of_gpt2s_tokenizer() -> None:
    """It is computed anew from tiktoken's ranks, however the merges are written."""
    vocabulary, merges = gpt2s_parts()

    expected = hf_folder.vocabulary_digest(vocabulary, [list(pair) for pair in merges])
    assert hf_folder._DIGEST == expected
    assert hf_folder.vocabulary_digest(vocabulary, [" ".join(p) for p in merges]) == expected
    assert hf_folder.vocabulary_digest(vocabulary, map(list, merges[::-1])) != expected


@with_current_transformers
@pytest.mark.parametrize("name", SETTINGS)
def test_settings_that_our_engine_does_not_compute(folder: Path, name: str) -> None:
    """Texts and scores are those of transformers, which differ from a plain GPT-2's."""
    theirs = save_folder(folder, **SETTINGS[name])
    model = model_of(folder)

    assert isinstance(model, HuggingFaceModel)
    assert model.generate(PROMPTS, max_new_tokens=6) == their_texts(theirs, gpt2s_tokenizer())
    ids = model.encode("the thing of")
    with torch.no_grad():
        logits = theirs(torch.tensor([ids])).logits[0, -1].double().log_softmax(0)
        usual = make_network()(torch.tensor([ids])).logits[0, -1].double().log_softmax(0)
    ((*scores,),) = model.score([Context(ids, ([5], [262], [END]))])
    assert scores == pytest.approx([float(logits[token]) for token in (5, 262, END)], abs=1e-4)
    if name != "cross-attention":
        assert not math.isclose(float(usual[262]), scores[1], abs_tol=2e-4)


def older(folder: Path) -> None:
    """Change a tokenizer's file to what versions of transformers before the fifth wrote."""
    file = folder / "tokenizer.json"
    content = json.loads(file.read_bytes())
    content["post_processor"] = {"type": "ByteLevel", "add_prefix_space": True}
    del content["pre_tokenizer"]["use_regex"]
    del content["model"]["ignore_merges"]
    content["model"]["merges"] = [" ".join(pair) for pair in content["model"]["merges"]]
    del content["model"]["vocab"]["<|endoftext|>"]
    file.write_text(json.dumps(content), "utf-8")
    tokens = dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), "<|endoftext|>")
    (folder / "special_tokens_map.json").write_text(json.dumps(tokens), "utf-8")
    added = {str(END): {"content": "<|endoftext|>", "special": True}}
    rewrite(folder / "tokenizer_config.json", added_tokens_decoder=added, add_bos_token=False)
    (folder / "added_tokens.json").write_text(json.dumps({"<|endoftext|>": END}), "utf-8")


def slow(folder: Path) -> None:
    """Put the tokenizer's two older files into a folder, in place of the newer one."""
    vocabulary, merges = gpt2s_parts()
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps(vocabulary), "utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")


def without_tokenizer(folder: Path) -> None:
    for file in folder.glob("*token*"):
        file.unlink()


OURS: dict[str, Callable[[Path], object]] = {
    "as it is": lambda _: None,
    "older": older,
    "vocab.json and merges.txt": slow,
    "no tokenizer": without_tokenizer,
    "the other name of the activation": lambda folder: rewrite(
        folder / "config.json", activation_function="gelu_pytorch_tanh"
    ),
    "what changes nothing": lambda folder: rewrite(
        folder / "config.json",
        reorder_and_upcast_attn=True,
        n_inner=128,
        attn_pdrop=0.5,
        torch_dtype="float32",
        eos_token_id=[END],
        task_specific_params={"text-generation": {"do_sample": True, "max_length": 50}},
    ),
}


@pytest.mark.parametrize("name", OURS)
def test_what_our_engine_runs(folder: Path, plain: Path, name: str) -> None:
    """Plain folders stay with it, and their texts are those of transformers all the same."""
    shutil.copytree(plain, folder)
    OURS[name](folder)

    assert foreign_type(folder) is None
    assert isinstance(model_of(folder), TorchModel)
    assert texts_of(folder) == plain_texts()
    assert describe(folder / "model.safetensors").fingerprint == describe(folder).fingerprint


def edit(name: str, change: Callable[[Content], object]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        content = json.loads((folder / name).read_bytes())
        change(content)
        (folder / name).write_text(json.dumps(content), "utf-8")

    return spoil


def swap(content: Content) -> None:
    vocabulary = content["model"]["vocab"]
    vocabulary["the"], vocabulary["ing"] = vocabulary["ing"], vocabulary["the"]


def merge_otherwise(folder: Path) -> None:
    slow(folder)
    lines = (folder / "merges.txt").read_text("utf-8").splitlines()
    (folder / "merges.txt").write_text("\n".join([lines[0], *lines[:0:-1]]), "utf-8")


def lose_merges(folder: Path) -> None:
    slow(folder)
    (folder / "merges.txt").unlink()


def write(name: str, content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(content, "utf-8")


def tell(name: str, **changes: object) -> Callable[[Path], object]:
    return lambda folder: rewrite(folder / name, **changes)


OTHER = "tells another tokenizer than GPT-2's"
THEIRS: dict[str, tuple[Callable[[Path], object], str]] = {
    "other numbers": (edit("tokenizer.json", swap), f"tokenizer.json {OTHER}"),
    "other merges": (merge_otherwise, f"vocab.json {OTHER}"),
    "lost merges": (
        lose_merges,
        f"vocab.json {OTHER}",
    ),
    "lower case": (
        tell("tokenizer.json", normalizer={"type": "Lowercase"}),
        f"tokenizer.json {OTHER}",
    ),
    "other words": (
        tell("tokenizer.json", pre_tokenizer={"type": "Whitespace"}),
        f"tokenizer.json {OTHER}",
    ),
    "a space before": (
        tell("tokenizer_config.json", add_prefix_space=True),
        "tokenizer_config.json",
    ),
    "a token before": (tell("tokenizer_config.json", add_bos_token=True), "tokenizer_config.json"),
    "a token for padding": (
        tell("special_tokens_map.json", pad_token={"content": "[PAD]", "lstrip": False}),
        f"special_tokens_map.json {OTHER}",
    ),
    "more tokens": (
        tell("tokenizer_config.json", additional_special_tokens=["<|im_end|>"]),
        f"tokenizer_config.json {OTHER}",
    ),
    "added tokens": (tell("added_tokens.json", **{"[PAD]": 50257}), f"added_tokens.json {OTHER}"),
    "a tokenizer beside": (write("vocab.txt", "a\nb\n"), f"vocab.txt {OTHER}"),
    "damaged": (write("tokenizer.json", "{"), f"tokenizer.json {OTHER}"),
    "nested": (write("tokenizer.json", "[" * 100_000), f"tokenizer.json {OTHER}"),
    "not an object": (write("tokenizer.json", "[]"), f"tokenizer.json {OTHER}"),
    "no UTF-8": (
        lambda folder: (folder / "tokenizer_config.json").write_bytes(b"\xff\xfe\xfa"),
        f"tokenizer_config.json {OTHER}",
    ),
    "a larger vocabulary": (
        tell("config.json", vocab_size=50258),
        "config.json sets vocab_size to 50258",
    ),
    "another end": (
        tell("config.json", eos_token_id=198),
        "config.json sets another eos_token_id than GPT-2's",
    ),
    "a second end": (
        tell("generation_config.json", eos_token_id=[END, 198]),
        "generation_config.json sets another eos_token_id than GPT-2's",
    ),
    "other heads": (
        tell("config.json", num_attention_heads=4),
        "config.json sets num_attention_heads to 4",
    ),
    "own code": (
        tell("config.json", auto_map={"AutoModelForCausalLM": "own.Model"}),
        'config.json sets auto_map to {"AutoModelForCausalLM": "own.Model"}',
    ),
    "an epsilon": (
        tell("config.json", layer_norm_epsilon=1e-6),
        "config.json sets layer_norm_epsilon to 1e-06",
    ),
    "an activation": (
        tell("config.json", activation_function="relu"),
        'config.json sets activation_function to "relu"',
    ),
    "a template": (write("chat_template.jinja", CHATML), "chat_template.jinja is a chat template"),
    "a template in the config": (
        tell("tokenizer_config.json", chat_template=CHATML),
        "tokenizer_config.json holds a chat template",
    ),
}


@pytest.mark.parametrize("name", THEIRS)
def test_what_only_transformers_runs(folder: Path, plain: Path, name: str) -> None:
    """A folder goes to it; weights of such a folder, named as a file, are refused in one line."""
    shutil.copytree(plain, folder)
    change, expected = THEIRS[name]
    change(folder)
    if " " not in expected:
        expected = f"{expected} {OTHER}"

    assert foreign_type(folder) == "gpt2"
    assert isinstance(model_of(folder), HuggingFaceModel)
    file = folder / "model.safetensors"
    with pytest.raises(CheckpointError) as caught:
        describe(file)
    assert str(caught.value) == f"{file}: {expected}, {TRANSFORMERS}; {FOLDER}"


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "generation_config.json"])
def test_settings_with_a_key_twice(folder: Path, plain: Path, name: str) -> None:
    """They are refused, whoever would run the folder."""
    shutil.copytree(plain, folder)
    (folder / name).write_text('{"model_type": "gpt2", "n_head": 4, "n_head": 2}', "utf-8")

    with pytest.raises(CheckpointError) as caught:
        _ = model_of(folder).info

    assert str(caught.value).startswith(f'{folder / name}: it has the key "n_head" twice; ')


def test_a_config_of_its_own_speaks_for_a_file(folder: Path, plain: Path) -> None:
    """What lies beside it is then another model's."""
    shutil.copytree(plain, folder)
    rewrite(folder / "config.json", activation_function="relu")
    (folder / "model.config.json").write_text('{"n_heads": 2}', "utf-8")

    assert describe(folder / "model.safetensors").config


def test_an_adapter_of_such_a_model(folder: Path, plain: Path, tmp_path: Path) -> None:
    """It cannot be merged here; a chat template, which it does not ask for, does not matter."""
    shutil.copytree(plain, folder)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    layer = "base_model.model.transformer.h.0.attn.c_attn"
    matrices = {
        f"{layer}.lora_A.weight": torch.ones(4, 32),
        f"{layer}.lora_B.weight": torch.ones(96, 4),
    }
    save_file(matrices, adapter / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "lora_alpha": 8, "base_model_name_or_path": str(folder)}
    (adapter / "adapter_config.json").write_text(json.dumps(config), "utf-8")
    (folder / "chat_template.jinja").write_text(CHATML, "utf-8")
    assert describe(adapter).config
    rewrite(folder / "config.json", scale_attn_weights=False)

    with pytest.raises(CheckpointError) as caught:
        describe(adapter)
    assert str(caught.value) == (
        f"{folder / 'model.safetensors'}: config.json sets scale_attn_weights to false, "
        f"{TRANSFORMERS}; merge adapter into it with PEFT, and name the folder of both"
    )


def test_a_tokenizer_of_its_own(folder: Path) -> None:
    """Its tokens are the model's, and its end token ends a text."""
    tokenizer = make_tokenizer(begins=False)
    theirs = make_network(vocab_size=len(tokenizer), bos_token_id=0, eos_token_id=1)
    theirs.save_pretrained(folder)
    tokenizer.save_pretrained(folder)

    assert texts_of(folder) == their_texts(theirs, tokenizer, (1,))


def test_an_added_token(folder: Path, plain: Path) -> None:
    """A model of 50,258 tokens is no error where its own tokenizer has as many."""
    shutil.copytree(plain, folder)
    theirs = make_network(vocab_size=50258)
    theirs.save_pretrained(folder)
    tokenizer = gpt2s_tokenizer().__class__.from_pretrained(str(plain))
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.save_pretrained(folder)

    assert texts_of(folder) == their_texts(theirs, tokenizer)


@with_current_transformers
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lose_merges, "cannot load its tokenizer ("),
        (tell("config.json", activation_function=7), "cannot read its config.json ("),
    ],
)
def test_what_transformers_cannot_read(
    folder: Path, plain: Path, change: Callable[[Path], object], expected: str
) -> None:
    """It is reported in one line, with transformers' own exception."""
    shutil.copytree(plain, folder)
    change(folder)

    with pytest.raises(CheckpointError) as caught:
        texts_of(folder)
    message = str(caught.value)
    assert message.startswith(f"{folder}: transformers ")
    assert expected in message
    assert "\n" not in message


def test_ranks_alone_are_no_tokenizer_of_transformers(folder: Path) -> None:
    """It would make an empty one of them, and say nothing."""
    make_network(activation_function="relu").save_pretrained(folder)
    (folder / "model.tiktoken").write_text("", "utf-8")

    with pytest.raises(CheckpointError) as caught:
        model_of(folder).generate(["a"], max_new_tokens=1)
    assert str(caught.value) == (
        f"{folder}: a Hugging Face folder of a gpt2 without a tokenizer; save its tokenizer into "
        "it with save_pretrained"
    )


def test_the_number_of_weights_and_the_fingerprint(folder: Path) -> None:
    """Masks that older versions stored are no weights; each file that decides a text counts."""
    theirs = save_folder(folder, activation_function="relu")
    (folder / "model.safetensors").unlink()
    mask = {f"transformer.h.{layer}.attn.bias": torch.ones(1, 1, 64, 64) for layer in range(2)}
    torch.save({**theirs.state_dict(), **mask}, folder / "pytorch_model.bin")
    model = model_of(folder)
    assert model.info.parameters == theirs.num_parameters()
    assert texts_of(folder) == their_texts(theirs, gpt2s_tokenizer())
    seen = {model.fingerprint}
    for name in ("config.json", "generation_config.json", "tokenizer.json", "pytorch_model.bin"):
        file = folder / name
        before = file.read_bytes()
        file.write_bytes(before + b"\n")
        seen.add(model_of(folder).fingerprint)
        file.write_bytes(before)
    assert len(seen) == 5
