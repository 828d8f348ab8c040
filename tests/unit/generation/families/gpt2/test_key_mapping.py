"""Every layout and format of a GPT-2: logits and texts are those of transformers' GPT-2."""

from __future__ import annotations

import json
import os
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.checkpoint_info import describe
from pytest_llmjudge.generation.engine.loading import load
from pytest_llmjudge.generation.engine.scheduler import decode
from pytest_llmjudge.generation.families.gpt2.config import GPTConfig
from pytest_llmjudge.generation.families.gpt2.model import GPTModel
from tests.unit.generation.tiny import END, VOCABULARY, error_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_llmjudge.generation.families.decoder import Decoder

CPU = torch.device("cpu")
CONFIG = GPTConfig(VOCABULARY, 48, emb_dim=64, n_heads=4, n_layers=2, qkv_bias=True)
PROMPTS = [[7 * number + step for step in range(1, 4 + number % 5)] for number in range(16)]
COPY = "save or copy the checkpoint again"
NAMES = "use the parameter names of the lecture's GPTModel, Hugging Face's GPT-2 or nanoGPT"

State = dict[str, Tensor]
Theirs = Any  # transformers has no types here


@pytest.fixture(scope="module")
def theirs() -> Theirs:
    """A GPT-2 of transformers' with weights that are large enough to tell tokens apart."""
    return make_theirs()


@pytest.fixture
def path(bare_path: Path) -> Path:
    """Without a config: nanoGPT's files tell their number of heads."""
    return bare_path


@pytest.fixture
def heads(path: Path) -> None:
    """The config that tells the number of heads, which no shape does."""
    path.with_name("config.json").write_text('{"n_head": 4}', encoding="utf-8")


def make_theirs(vocabulary: int = VOCABULARY) -> Theirs:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(3)
    config = transformers.GPT2Config(
        vocab_size=vocabulary, n_positions=48, n_embd=64, n_layer=2, n_head=4
    )
    model = transformers.GPT2LMHeadModel(config).eval().requires_grad_(requires_grad=False)
    for weight in model.parameters():
        weight.add_(torch.randn_like(weight), alpha=0.1)
    return model


def saved(theirs: Theirs) -> State:
    """Take each tensor as it is in a file, tied ones twice."""
    return {name: tensor.clone() for name, tensor in theirs.state_dict().items()}


def as_nanogpt(state: State) -> State:
    """Lay out the weights as nanoGPT: the same names, but torch's linear layers."""
    turned = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
    return {
        name: tensor.t().contiguous() if name.endswith(turned) else tensor
        for name, tensor in state.items()
    }


def as_lecture(state: State) -> State:
    """Name and lay out the weights as the lecture."""
    lecture: State = {
        "tok_emb.weight": state["transformer.wte.weight"],
        "pos_emb.weight": state["transformer.wpe.weight"],
        "final_norm.scale": state["transformer.ln_f.weight"],
        "final_norm.shift": state["transformer.ln_f.bias"],
        "out_head.weight": state["lm_head.weight"],
    }
    for layer in range(CONFIG.n_layers):
        own, other = f"trf_blocks.{layer}.", f"transformer.h.{layer}."
        for kind in ("weight", "bias"):
            thirds = state[f"{other}attn.c_attn.{kind}"].t().chunk(3)
            for name, third in zip(("W_query", "W_key", "W_value"), thirds, strict=True):
                lecture[f"{own}att.{name}.{kind}"] = third
            for name, name_there in (
                ("att.out_proj", "attn.c_proj"),
                ("ff.layers.0", "mlp.c_fc"),
                ("ff.layers.2", "mlp.c_proj"),
            ):
                lecture[f"{own}{name}.{kind}"] = state[f"{other}{name_there}.{kind}"].t()
        for name, name_there in (("norm1", "ln_1"), ("norm2", "ln_2")):
            lecture[f"{own}{name}.scale"] = state[f"{other}{name_there}.weight"]
            lecture[f"{own}{name}.shift"] = state[f"{other}{name_there}.bias"]
    return lecture


def without(state: State, *names: str) -> State:
    return {name: tensor for name, tensor in state.items() if name not in names}


MASK = torch.ones(1, 1, 48, 48).tril()
ARGS = {"n_layer": 2, "n_head": 4, "n_embd": 64, "bias": True, "dropout": 0.0}
LAYOUTS: dict[str, Callable[[State], object]] = {
    "lecture": as_lecture,
    "lecture, tied": lambda state: without(as_lecture(state), "out_head.weight"),
    "lecture, compiled": lambda s: {f"_orig_mod.{n}": t for n, t in as_lecture(s).items()},
    "lecture, in a training checkpoint": lambda state: {
        "model_state_dict": as_lecture(state),
        "optimizer_state_dict": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": []},
        "epoch": 3,
    },
    "Hugging Face": lambda state: state,
    "Hugging Face, tied": lambda state: without(state, "lm_head.weight"),
    "Hugging Face, base model": lambda state: {
        name.removeprefix("transformer."): tensor
        for name, tensor in without(state, "lm_head.weight").items()
    },
    "Hugging Face, old, with masks": lambda state: {
        **state,
        "transformer.h.0.attn.bias": MASK,
        "transformer.h.1.attn.bias": MASK,
        "transformer.h.0.attn.masked_bias": torch.tensor(-1e4),
    },
    "Hugging Face, parallel": lambda s: {"state_dict": {f"module.{n}": t for n, t in s.items()}},
    "nanoGPT": lambda state: {
        "model": as_nanogpt(state),
        "model_args": ARGS,
        "iter_num": 100,
        "best_val_loss": torch.tensor(2.5),
        "config": {"dataset": "x"},
    },
    "nanoGPT, compiled": lambda state: {
        "model": {f"_orig_mod.{name}": tensor for name, tensor in as_nanogpt(state).items()},
        "model_args": ARGS,
    },
}


def check_equal(model: Decoder, theirs: Theirs) -> None:
    """Compare logits, and greedy texts one at a time and sixteen together."""
    ids = torch.arange(40)[None]
    with torch.no_grad():
        assert (model(ids) - theirs(ids).logits).abs().max().item() < 1e-4
    expected = greedy_texts(theirs)
    for slots in (1, 16):
        limits = [12] * len(PROMPTS)
        texts = sorted(decode(model, PROMPTS, limits, ends={END}, slots=slots))
        assert [text.ids for text in texts] == expected


@cache
def greedy_texts(theirs: Theirs) -> list[list[int]]:
    return [greedy(theirs, prompt, 12) for prompt in PROMPTS]


@torch.no_grad()
def greedy(model: Theirs, prompt: list[int], count: int) -> list[int]:
    """What transformers' model, without a cache, finds likeliest."""
    ids = list(prompt)
    for _ in range(count):
        newest = int(model(torch.tensor([ids])).logits[0, -1].argmax())
        if newest == END:
            break
        ids.append(newest)
    return ids[len(prompt) :]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("new", [True, False], ids=["zip", "before torch 1.6"])
def test_layouts(path: Path, theirs: Theirs, layout: str, *, new: bool) -> None:
    """Whoever saved it, it is the same model; nanoGPT's files tell their number of heads."""
    torch.save(LAYOUTS[layout](saved(theirs)), path, _use_new_zipfile_serialization=new)
    if not layout.startswith("nanoGPT"):
        path.with_name("config.json").write_text('{"n_head": 4}', encoding="utf-8")

    check_equal(load(path, CPU, torch.float32), theirs)


@pytest.mark.usefixtures("heads")
@pytest.mark.parametrize("layout", ["lecture", "Hugging Face", "Hugging Face, tied"])
def test_safetensors(path: Path, theirs: Theirs, layout: str) -> None:
    """One file, given by itself or by its folder."""
    state: Any = LAYOUTS[layout](saved(theirs))
    file = path.with_name("model.safetensors")
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, file)

    for named in (file, path.parent):
        check_equal(load(named, CPU, torch.float32), theirs)


@pytest.mark.usefixtures("heads")
def test_a_folder_of_hugging_face(path: Path, theirs: Theirs) -> None:
    """As its programs wrote it before there was another format."""
    torch.save(saved(theirs), path.with_name("pytorch_model.bin"))
    (path.parent / "training_args.bin").touch()

    check_equal(load(path.parent, CPU, torch.float32), theirs)


@pytest.mark.usefixtures("heads")
def test_sharded_safetensors(path: Path, theirs: Theirs) -> None:
    """Several files and an index, given by itself or by its folder; each counts as content."""
    state = saved(theirs)
    names, half = list(state), len(state) // 2
    weight_map: dict[str, str] = {}
    for number, some in enumerate((names[:half], names[half:]), 1):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file({name: state[name] for name in some}, path.with_name(file))
        weight_map |= dict.fromkeys(some, file)
    index = path.with_name("model.safetensors.index.json")
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}), encoding="utf-8")

    for named in (index, path.parent):
        check_equal(load(named, CPU, torch.float32), theirs)
    before = describe(index).fingerprint
    last = path.with_name("model-00002-of-00002.safetensors")
    content = bytearray(last.read_bytes())
    content[-1] ^= 1
    last.write_bytes(content)
    assert describe(index).fingerprint != before
    last.unlink()
    assert error_of(last) == "no such file; check the path, or train and save the model first"


def as_pickles(folder: Path, state: State, **how: Any) -> Path:  # noqa: ANN401 - torch's
    """Write two files and an index, as transformers once did."""
    names, half = list(state), len(state) // 2
    weight_map: dict[str, str] = {}
    for number, some in enumerate((names[:half], names[half:]), 1):
        file = f"pytorch_model-0000{number}-of-00002.bin"
        torch.save({name: state[name] for name in some}, folder / file, **how)
        weight_map |= dict.fromkeys(some, file)
    index = folder / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}), encoding="utf-8")
    return index


@pytest.mark.usefixtures("heads")
def test_sharded_pickles(path: Path, theirs: Theirs) -> None:
    """Several files and an index, given by itself or by its folder; each counts as content."""
    index = as_pickles(path.parent, saved(theirs))

    for named in (index, path.parent):
        check_equal(load(named, CPU, torch.float32), theirs)
    before = describe(index).fingerprint
    state = torch.load(path.with_name("pytorch_model-00002-of-00002.bin"))
    state["transformer.ln_f.bias"] += 1
    torch.save(state, path.with_name("pytorch_model-00002-of-00002.bin"))
    assert describe(index).fingerprint != before


@pytest.mark.usefixtures("heads")
def test_sharded_pickles_that_are_refused(path: Path, theirs: Theirs) -> None:
    """What would run something, what is not there, and what only torch can read."""
    index = as_pickles(path.parent, saved(theirs))
    last = path.with_name("pytorch_model-00002-of-00002.bin")
    torch.save({"transformer.ln_f.bias": Runs()}, last)
    with pytest.raises(CheckpointError) as caught:
        load(index, CPU, torch.float32)
    assert str(caught.value) == (
        f"{last}: loading it would run {os.system.__module__}.system; "
        "save a plain state dict: torch.save(model.state_dict(), path)"
    )
    torch.save({}, last)
    assert error_of(index) == f"transformer.h.1.ln_1.weight is in none of its files; {COPY}"
    as_pickles(path.parent, saved(theirs), _use_new_zipfile_serialization=False)
    assert error_of(index) == (
        "one of its files has the format that torch wrote before version 1.6; "
        "save it again with a newer torch"
    )


class Runs:
    """Asks the unpickler to run a command."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("false",)


@pytest.mark.usefixtures("heads")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("form", ["pth", "safetensors"])
def test_half_precision(path: Path, dtype: torch.dtype, form: str) -> None:
    """Stored in 16 bits, computed in 32: the same as theirs with the same numbers."""
    theirs = make_theirs().to(dtype).float()
    state = {name: tensor.to(dtype) for name, tensor in saved(theirs).items()}
    file = path.with_suffix(f".{form}")
    if form == "pth":
        torch.save(state, file)
    else:
        save_file(state, file)

    check_equal(load(file, CPU, torch.float32), theirs)


def test_a_model_without_biases(path: Path) -> None:
    """NanoGPT can leave out all biases, those of the norms included."""
    theirs = make_theirs()
    for name, weight in theirs.named_parameters():
        if name.endswith(".bias"):
            weight.zero_()
    state = as_nanogpt(saved(theirs))
    state = {name: tensor for name, tensor in state.items() if not name.endswith(".bias")}
    torch.save({"model": state, "model_args": {**ARGS, "bias": False}}, path)

    check_equal(load(path, CPU, torch.float32), theirs)


def test_a_padded_vocabulary(path: Path) -> None:
    """NanoGPT pads GPT-2's vocabulary to 50,304; no text has the tokens beyond it."""
    theirs = make_theirs(50304)
    torch.save({"model": as_nanogpt(saved(theirs)), "model_args": ARGS}, path)

    model = load(path, CPU, torch.float32)

    ids = torch.arange(20)[None]
    assert model.vocab_size == 50257
    with torch.no_grad():
        assert (model(ids) - theirs(ids).logits[..., :50257]).abs().max().item() < 1e-4


@pytest.mark.usefixtures("heads")
def test_tied_weights_are_one(path: Path, theirs: Theirs) -> None:
    """A head that is stored as the embedding takes no memory of its own."""
    state = saved(theirs)
    state["lm_head.weight"] = state["transformer.wte.weight"]
    torch.save(state, path)

    model = load(path, CPU, torch.float32)

    assert isinstance(model, GPTModel)
    assert model.out_head.weight.data_ptr() == model.tok_emb.weight.data_ptr()
    assert describe(path).parameters == sum(weight.numel() for weight in theirs.parameters())


@pytest.mark.usefixtures("heads")
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"transformer.h.1.mlp.c_fc.bias": None}, f"a GPT-2 that lacks h.1.mlp.c_fc.bias; {NAMES}"),
        (
            {"transformer.h.0.attn.c_attn.weight": None},
            f"a GPT-2 that lacks h.0.attn.c_attn.weight; {NAMES}",
        ),
        ({"score.weight": torch.zeros(1)}, f"a GPT-2 that has the unknown score.weight; {NAMES}"),
        (
            {"transformer.h.0.ln_1.weight": torch.zeros(63)},
            (
                "h.0.ln_1.weight has the shape (63,) where (64,) is expected; save it again from "
                "the model that was trained"
            ),
        ),
        (
            {"transformer.h.0.mlp.c_proj.weight": torch.zeros(256, 64, dtype=torch.int8)},
            (
                "transformer.h.0.mlp.c_proj.weight is stored as int8, not as floating-point "
                "numbers; save it before it is quantised"
            ),
        ),
    ],
)
def test_what_does_not_belong(
    path: Path, theirs: Theirs, change: dict[str, Tensor | None], expected: str
) -> None:
    """What is at fault has the name that the file gives it."""
    state = {**saved(theirs), **change}
    torch.save({name: tensor for name, tensor in state.items() if tensor is not None}, path)

    assert error_of(path) == expected


def test_damaged_safetensors(path: Path) -> None:
    """One line, whatever is wrong; a tensor that claims a terabyte is refused."""
    file = path.with_name("model.safetensors")
    claim = {"dtype": "F32", "shape": [1 << 28, 1024], "data_offsets": [0, 1 << 40]}
    header = json.dumps({"wte.weight": claim}).encode()
    for content in (b"", b"\xff" * 100, len(header).to_bytes(8, "little") + header):
        file.write_bytes(content)
        assert error_of(file) == f"cut short or damaged; {COPY}"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[]", f"no index of .safetensors files; {COPY}"),
        ("{", f"no index of .safetensors files; {COPY}"),
        (
            '{"weight_map": {"a": "../other.safetensors"}}',
            "it names other.safetensors in another folder; put all files into one folder",
        ),
        (
            '{"weight_map": {"a": 3}}',
            f"no index of .safetensors files; {COPY}",
        ),
        (
            '{"weight_map": {"a": "a\\u0000b"}}',
            'it names "a\\u0000b", which no file can be called; save or copy the checkpoint again',
        ),
        (
            '{"weight_map": {"a": "\\ud800"}}',
            'it names "\\ud800", which no file can be called; save or copy the checkpoint again',
        ),
    ],
)
def test_damaged_indices(path: Path, content: str, expected: str) -> None:
    """An index reaches into no other folder."""
    index = path.with_name("model.safetensors.index.json")
    index.write_text(content, encoding="utf-8")

    assert error_of(index) == expected
