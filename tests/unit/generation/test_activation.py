"""The exact GELU, for models that were trained with it, as nanoGPT's are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.checkpoint_info import describe
from pytest_llmjudge.generation.engine.loading import load
from pytest_llmjudge.generation.engine.model import TorchModel
from pytest_llmjudge.generation.engine.onednn_linear import pack, packable
from pytest_llmjudge.generation.engine.scheduler import decode
from tests.unit.generation.tiny import END, VOCABULARY, save_model, write_ranks

if TYPE_CHECKING:
    from pathlib import Path

CPU = torch.device("cpu")
WIDTH, HEADS, CONTEXT = 64, 4, 48
PROMPTS = [[7 * number + step for step in range(1, 4 + number % 5)] for number in range(16)]
BATCH = torch.arange(16 * 40).reshape(16, 40) * 7 % 250


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c_attn = nn.Linear(WIDTH, 3 * WIDTH)
        self.c_proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        thirds = self.c_attn(x).split(WIDTH, dim=2)
        query, key, value = (
            third.view(batch, tokens, HEADS, WIDTH // HEADS).transpose(1, 2) for third in thirds
        )
        seen = query @ key.transpose(2, 3) / (WIDTH // HEADS) ** 0.5
        seen = seen.masked_fill(torch.ones(tokens, tokens).triu(1).bool(), float("-inf"))
        mixed = (seen.softmax(dim=-1) @ value).transpose(1, 2).reshape(batch, tokens, WIDTH)
        return self.c_proj(mixed)  # type: ignore[no-any-return]


class Block(nn.Module):
    def __init__(self, gelu: nn.GELU) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attn = Attention()
        self.mlp = nn.ModuleDict(
            {
                "c_fc": nn.Linear(WIDTH, 4 * WIDTH),
                "gelu": gelu,
                "c_proj": nn.Linear(4 * WIDTH, WIDTH),
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        within = self.mlp["gelu"](self.mlp["c_fc"](self.ln_2(x)))
        return x + self.mlp["c_proj"](within)  # type: ignore[no-any-return]


class Nano(nn.Module):
    """NanoGPT's computation and names, in plain torch."""

    def __init__(self, gelu: nn.GELU) -> None:
        super().__init__()
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(VOCABULARY, WIDTH),
                "wpe": nn.Embedding(CONTEXT, WIDTH),
                "h": nn.ModuleList([Block(gelu), Block(gelu)]),
                "ln_f": nn.LayerNorm(WIDTH),
            }
        )
        self.lm_head = nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        layers: Any = self.transformer
        x = layers["wte"](ids) + layers["wpe"](torch.arange(ids.shape[1]))
        for block in layers["h"]:
            x = block(x)
        return self.lm_head(layers["ln_f"](x))  # type: ignore[no-any-return]


def make_nano(gelu: nn.GELU) -> Nano:
    torch.manual_seed(11)
    model = Nano(gelu).eval().requires_grad_(requires_grad=False)
    for weight in model.parameters():
        weight.add_(torch.randn_like(weight), alpha=0.15)
    return model


@pytest.fixture
def path(bare_path: Path) -> Path:
    """Without a config: nanoGPT's files tell their number of heads."""
    return bare_path


@pytest.fixture
def exact() -> Nano:
    """As nanoGPT trains it."""
    return make_nano(nn.GELU())


def save_nano(path: Path, nano: Nano, activation: str | None, *, new: bool = True) -> Path:
    """Save nanoGPT's checkpoint, and beside it what its config says; return the config."""
    content = {"model": nano.state_dict(), "model_args": {"n_head": HEADS, "n_layer": 2}}
    torch.save(content, path, _use_new_zipfile_serialization=new)
    config = path.with_name("model.config.json")
    if activation is not None:
        config.write_text(json.dumps({"activation": activation}), encoding="utf-8")
    return config


def greedy(model: Nano, prompt: list[int], count: int) -> list[int]:
    ids = list(prompt)
    for _ in range(count):
        newest = int(model(torch.tensor([ids]))[0, -1].argmax())
        if newest == END:
            break
        ids.append(newest)
    return ids[len(prompt) :]


@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize("new", [True, False], ids=["zip", "before torch 1.6"])
def test_it_is_computed_as_asked(path: Path, exact: Nano, *, new: bool, is_packed: bool) -> None:
    """Logits and texts, one at a time and sixteen together, whatever multiplies the matrices."""
    save_nano(path, exact, "gelu", new=new)

    model = load(path, CPU, torch.float32)
    if is_packed:
        if not packable(model):
            pytest.skip("this machine has no use for it")
        pack(model)

    with torch.inference_mode():
        for ids in (BATCH[:1], BATCH):
            assert (model(ids) - exact(ids)).abs().max().item() < 1e-4
        expected = [greedy(exact, prompt, 12) for prompt in PROMPTS]
    for slots in (1, 16):
        limits = [12] * len(PROMPTS)
        texts = sorted(decode(model, PROMPTS, limits, ends={END}, slots=slots))
        assert [text.ids for text in texts] == expected


@pytest.mark.parametrize("activation", [None, "gelu_tanh"])
def test_without_it_gelu_is_gpt2s(path: Path, exact: Nano, activation: str | None) -> None:
    """NanoGPT's layout may hold OpenAI's weights, whose GELU is the approximation by tanh."""
    save_nano(path, exact, activation)

    model = load(path, CPU, torch.float32)

    approximate = make_nano(nn.GELU(approximate="tanh"))
    with torch.inference_mode():
        assert (model(BATCH) - approximate(BATCH)).abs().max().item() < 1e-4
        assert (model(BATCH) - exact(BATCH)).abs().max().item() > 2e-4


def test_the_models_own_path(path: Path, exact: Nano) -> None:
    """From the prompt's text to the response's."""
    save_nano(path, exact, "gelu")
    write_ranks(path.with_suffix(".tiktoken"))
    prompts = [f"Record {number}: what is it?" for number in range(16)]

    model = TorchModel(path)

    ids = [model.encode(prompt) for prompt in prompts]
    assert model.generate(prompts, max_new_tokens=12) == [
        model._texts.tokenizer.decode(greedy(exact, prompt, 12)) for prompt in ids
    ]


def test_what_is_assumed_is_said(path: Path, exact: Nano) -> None:
    """The header has it, until a config says which GELU it is."""
    said = []
    for activation in (None, "gelu_tanh", "gelu"):
        save_nano(path, exact, activation)
        said.append(TorchModel(path).engine)
    path.with_name("model.config.json").unlink()
    save_model(path)
    said.append(TorchModel(path).engine)

    assert said == ["GELU assumed to be GPT-2's, which its config may say", "", "", ""]


def test_it_is_in_the_fingerprint(path: Path, exact: Nano) -> None:
    """As texts differ with it; the default adds nothing."""
    prints = []
    for activation in (None, "gelu_tanh", "gelu"):
        save_nano(path, exact, activation)
        prints.append(describe(path).fingerprint)

    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize("value", ['"relu"', "true", '["gelu"]'])
def test_another_activation(path: Path, exact: Nano, value: str) -> None:
    """It is refused, and the config is at fault."""
    config = save_nano(path, exact, None)
    config.write_text(f'{{"activation": {value}}}', encoding="utf-8")

    with pytest.raises(CheckpointError) as raised:
        describe(path)

    assert str(raised.value) == (
        f'{config}: activation is {value}; write {{"activation": "gelu_tanh"}}, or "gelu" for '
        "the exact one"
    )


@pytest.mark.parametrize("activation", ["gelu", "gelu_new"])
def test_what_transformers_calls_it(path: Path, activation: str) -> None:
    """A folder of its GPT-2 says so in ``activation_function``; an adapter's base does too."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(3)
    theirs = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=VOCABULARY,
            n_positions=CONTEXT,
            n_embd=WIDTH,
            n_layer=2,
            n_head=HEADS,
            activation_function=activation,
        )
    )
    for weight in theirs.eval().requires_grad_(requires_grad=False).parameters():
        weight.add_(torch.randn_like(weight), alpha=0.15)
    folder = path.with_name("base")
    theirs.save_pretrained(folder)
    layer = "base_model.model.transformer.h.0.attn.c_proj"
    matrices = {f"{layer}.lora_A.weight": torch.zeros(2, WIDTH)}
    matrices[f"{layer}.lora_B.weight"] = torch.zeros(WIDTH, 2)
    adapter = path.with_name("adapter")
    adapter.mkdir()
    save_file(matrices, adapter / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "lora_alpha": 4, "base_model_name_or_path": "../base"}
    (adapter / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")

    for named in (folder, adapter):
        model = load(named, CPU, torch.float32)
        with torch.inference_mode():
            assert (model(BATCH) - theirs(BATCH).logits).abs().max().item() < 1e-4


def test_what_transformers_computes_otherwise(path: Path) -> None:
    """A GPT-2 with another function is not run as if it had GELU."""
    save_model(path)
    config = path.with_name("config.json")
    config.write_text('{"activation_function": "relu"}', encoding="utf-8")

    with pytest.raises(CheckpointError) as raised:
        describe(path)

    assert str(raised.value) == (
        f'{config}: activation_function is "relu", and only gelu_new and gelu are run; serve the '
        "model, or write a fixture for it"
    )
