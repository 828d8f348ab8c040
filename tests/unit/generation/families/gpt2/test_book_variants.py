"""The book's variants of GPT: what they compute, beside plain implementations of each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from pytest_llmjudge.data import Context
from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.checkpoint_info import describe
from pytest_llmjudge.generation.engine.loading import load
from pytest_llmjudge.generation.engine.loglikelihood import score_contexts
from pytest_llmjudge.generation.engine.scheduler import decode
from tests.unit.generation.tiny import error_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CPU = torch.device("cpu")
WIDTH, HEADS, SIZE, CONTEXT, LAYERS, VOCABULARY = 64, 4, 16, 48, 3, 90
GROUPS, LATENT, WINDOW = 2, 12, 5
EXPERTS, ACTIVE = 4, 2
PROMPTS = [[7 * number % 60 + step for step in range(1, 4 + number % 15)] for number in range(32)]


def attend(query: Tensor, key: Tensor, value: Tensor, window: int | None = None) -> Tensor:
    """Mix values (B, T, C) of four heads, each token seeing the last ``window`` ones."""
    batch, tokens, _ = query.shape
    query, key, value = (
        x.view(batch, tokens, -1, SIZE).transpose(1, 2) for x in (query, key, value)
    )
    key, value = (x.repeat_interleave(HEADS // x.shape[1], dim=1) for x in (key, value))
    scores = query @ key.transpose(2, 3) / SIZE**0.5
    back = torch.arange(tokens)[:, None] - torch.arange(tokens)
    hidden = (back < 0) | (back >= (window or tokens))
    mixed = scores.masked_fill(hidden, float("-inf")).softmax(dim=-1) @ value
    together: Tensor = mixed.transpose(1, 2).reshape(batch, tokens, WIDTH)
    return together


class Grouped(nn.Module):
    """Heads that share keys and values; no bias behind them."""

    def __init__(self, block: int) -> None:
        super().__init__()
        del block
        self.W_query = nn.Linear(WIDTH, WIDTH, bias=False)
        self.W_key = nn.Linear(WIDTH, GROUPS * SIZE, bias=False)
        self.W_value = nn.Linear(WIDTH, GROUPS * SIZE, bias=False)
        self.out_proj = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        mixed = attend(self.W_query(x), self.W_key(x), self.W_value(x))
        return self.out_proj(mixed)  # type: ignore[no-any-return]


class Latent(nn.Module):
    """Keys and values from a smaller space."""

    def __init__(self, block: int, *, bias: bool = False) -> None:
        super().__init__()
        del block
        self.W_query = nn.Linear(WIDTH, WIDTH, bias=bias)
        self.W_DKV = nn.Linear(WIDTH, LATENT, bias=bias)
        self.W_UK = nn.Linear(LATENT, WIDTH, bias=bias)
        self.W_UV = nn.Linear(LATENT, WIDTH, bias=bias)
        self.out_proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        latent = self.W_DKV(x)
        mixed = attend(self.W_query(x), self.W_UK(latent), self.W_UV(latent))
        return self.out_proj(mixed)  # type: ignore[no-any-return]


class Sliding(nn.Module):
    """Two blocks of three with a window, as a stride of 2 has it."""

    def __init__(self, block: int) -> None:
        super().__init__()
        self.window = None if block % 3 == 2 else WINDOW
        self.W_query = nn.Linear(WIDTH, WIDTH)
        self.W_key = nn.Linear(WIDTH, WIDTH)
        self.W_value = nn.Linear(WIDTH, WIDTH)
        self.out_proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        mixed = attend(self.W_query(x), self.W_key(x), self.W_value(x), self.window)
        return self.out_proj(mixed)  # type: ignore[no-any-return]


def fused(block: int) -> nn.Module:
    """One matrix for queries, keys and values, from the book's own package."""
    del block
    chapter = pytest.importorskip("llms_from_scratch.ch03")
    module: nn.Module = chapter.PyTorchMultiHeadAttention(WIDTH, WIDTH, HEADS, qkv_bias=True)
    return module


class Mixed(nn.Module):
    """Gated experts: all are computed, and those that a token scores lowest weigh nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(WIDTH, EXPERTS, bias=False)
        for name, inputs, outputs in (("fc1", WIDTH, 48), ("fc2", WIDTH, 48), ("fc3", 48, WIDTH)):
            layers = [nn.Linear(inputs, outputs, bias=False) for _ in range(EXPERTS)]
            setattr(self, name, nn.ModuleList(layers))

    def forward(self, x: Tensor) -> Tensor:
        lists: Any = self
        scores = self.gate(x)
        least = scores.sort(dim=-1, descending=True).values[..., ACTIVE - 1 : ACTIVE]
        shares = scores.masked_fill(scores < least, float("-inf")).softmax(dim=-1)
        made = [
            lists.fc3[one](nn.functional.silu(lists.fc1[one](x)) * lists.fc2[one](x))
            for one in range(EXPERTS)
        ]
        mixed: Tensor = (torch.stack(made, dim=-1) * shares[..., None, :]).sum(dim=-1)
        return mixed


class Narrow(nn.Module):
    """Feed-forward layers of another width than four embeddings."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(WIDTH, 48), nn.GELU(approximate="tanh"), nn.Linear(48, WIDTH)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)  # type: ignore[no-any-return]


class Norm(nn.Module):
    """The book's layer norm."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(WIDTH))
        self.shift = nn.Parameter(torch.zeros(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(dim=-1, keepdim=True)
        deviation = (x.var(dim=-1, keepdim=True, unbiased=False) + 1e-5).sqrt()
        return self.scale * centred / deviation + self.shift


class Wide(nn.Module):
    """GPT-2's feed-forward layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(approximate="tanh"), nn.Linear(4 * WIDTH, WIDTH)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)  # type: ignore[no-any-return]


class Block(nn.Module):
    def __init__(
        self, attention: nn.Module, norm: Callable[[], nn.Module], ff: Callable[[], nn.Module]
    ) -> None:
        super().__init__()
        self.att, self.ff = attention, ff()
        self.norm1, self.norm2 = norm(), norm()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.att(self.norm1(x))
        return x + self.ff(self.norm2(x))  # type: ignore[no-any-return]


class Plain(nn.Module):
    """A GPT with an attention that is given."""

    def __init__(
        self,
        attention: Callable[[int], nn.Module],
        norm: Callable[[], nn.Module] = Norm,
        ff: Callable[[], nn.Module] = Wide,
    ) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.tok_emb = nn.Embedding(VOCABULARY, WIDTH)
        self.pos_emb = nn.Embedding(CONTEXT, WIDTH)
        self.trf_blocks = nn.Sequential(*(Block(attention(n), norm, ff) for n in range(LAYERS)))
        self.final_norm = norm()
        self.out_head = nn.Linear(WIDTH, VOCABULARY, bias=False)
        for weight in self.parameters():
            weight.data.add_(torch.randn_like(weight), alpha=0.15)
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tok_emb(ids) + self.pos_emb(torch.arange(ids.shape[1]))
        logits: Tensor = self.out_head(self.final_norm(self.trf_blocks(x)))
        return logits


SWA: dict[str, object] = {"sliding_window_size": WINDOW, "sliding_window_stride": 2}
VARIANTS: dict[str, tuple[Callable[[], Plain], dict[str, object]]] = {
    "grouped queries": (lambda: Plain(Grouped), {"n_kv_groups": GROUPS}),
    "latent attention": (lambda: Plain(Latent), {}),
    "latent attention with biases": (lambda: Plain(lambda n: Latent(n, bias=True)), {}),
    "sliding windows": (lambda: Plain(Sliding), SWA),
    "experts": (lambda: Plain(Grouped, ff=Mixed), {"num_experts_per_tok": ACTIVE}),
    "narrow layers": (lambda: Plain(Grouped, ff=Narrow), {}),
    "one matrix, torch's norm": (lambda: Plain(fused, lambda: nn.LayerNorm(WIDTH)), {}),
}


def save(path: Path, variant: str, *, new: bool = True) -> Plain:
    make, settings = VARIANTS[variant]
    model = make()
    torch.save(model.state_dict(), path, _use_new_zipfile_serialization=new)
    write(path, n_heads=HEADS, **settings)
    return model


def write(path: Path, **settings: object) -> Path:
    file = path.with_name("model.config.json")
    file.write_text(json.dumps(settings), encoding="utf-8")
    return file


def greedy(model: Plain, prompt: list[int], count: int) -> list[int]:
    ids = list(prompt)
    for _ in range(count):
        ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
    return ids[len(prompt) :]


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_a_variant_computes(path: Path, variant: str) -> None:
    """Logits, and greedy texts of prompts of many lengths, also past the window."""
    theirs = save(path, variant)
    model = load(path, CPU, torch.float32)

    ids = torch.arange(40)[None] * 7 % VOCABULARY
    logits = theirs(ids)
    assert (model(ids) - logits).abs().max() < 1e-4 * logits.abs().max()
    expected = [greedy(theirs, prompt, 4) for prompt in PROMPTS]
    for slots in (1, 7, 32):
        texts = sorted(decode(model, PROMPTS, [4] * 32, ends=(), slots=slots))
        assert [text.ids for text in texts] == expected
    assert describe(path).parameters == sum(weight.numel() for weight in theirs.parameters())


@pytest.mark.parametrize("variant", ["experts", "sliding windows"])
def test_log_probabilities_of_a_variant(path: Path, variant: str) -> None:
    """Of branches behind a prefix that all share, and that is longer than the window."""
    theirs = save(path, variant)
    model = load(path, CPU, torch.float32)
    shared, branches = list(range(11)), ([5, 6, 7, 8, 9, 10, 11], [40, 2])
    contexts = [Context([*shared, own], branches) for own in (20, 21, 22)]

    scores = list(score_contexts(model, contexts))

    for context, ours in zip(contexts, scores, strict=True):
        for branch, score in zip(branches, ours, strict=True):
            ids = torch.tensor([[*context.ids, *branch]])
            logs = theirs(ids)[0].log_softmax(dim=-1)
            rows = torch.arange(len(context.ids) - 1, ids.shape[1] - 1)
            assert score == pytest.approx(logs[rows, ids[0, rows + 1]].sum().item(), abs=1e-3)


@pytest.mark.parametrize("variant", ["latent attention with biases", "sliding windows"])
def test_files_that_only_torch_can_read(path: Path, variant: str) -> None:
    """The format from before version 1.6 holds them as well."""
    theirs = save(path, variant, new=False)
    ids = torch.arange(40)[None] * 7 % VOCABULARY

    model = load(path, CPU, torch.float32)

    assert (model(ids) - theirs(ids)).abs().max() < 1e-4 * theirs(ids).abs().max()


def test_a_config_in_the_checkpoint_itself(path: Path) -> None:
    """Training that saves its config with the weights needs no file beside them."""
    theirs = Plain(Sliding)
    config = {"n_heads": HEADS, "emb_dim": WIDTH, "drop_rate": 0.1, **SWA}
    torch.save({"model_state_dict": theirs.state_dict(), "config": config}, path)
    path.with_name("config.json").unlink()
    ids = torch.arange(40)[None] * 7 % VOCABULARY

    model = load(path, CPU, torch.float32)

    assert (model(ids) - theirs(ids)).abs().max() < 1e-4 * theirs(ids).abs().max()


def test_a_window_is_in_the_fingerprint(path: Path) -> None:
    """As texts differ with it; one that no text reaches changes nothing else."""
    save(path, "sliding windows")
    prints = {describe(path).fingerprint}
    write(path, n_heads=HEADS)
    prints.add(describe(path).fingerprint)
    write(path, n_heads=HEADS, sliding_window_size=CONTEXT, sliding_window_stride=-1)
    prints.add(describe(path).fingerprint)

    assert len(prints) == 3
    config: Any = describe(path).config
    assert config.windows == ()


@pytest.mark.parametrize("variant", ["grouped queries", "latent attention"])
def test_heads_of_a_variant_are_not_assumed(
    bare_path: Path, variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No published GPT-2 is one, whatever its width."""
    monkeypatch.setattr(
        "pytest_llmjudge.generation.families.gpt2.sizes._PUBLISHED_HEADS", {WIDTH: HEADS}
    )
    make, _ = VARIANTS[variant]
    torch.save(make().state_dict(), bare_path)

    assert error_of(bare_path) == (
        f"the embedding's width {WIDTH} does not tell the number of heads; "
        'write {"n_heads": …} into model.config.json beside it'
    )


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "each block has 4 experts, and nothing says how many a token takes"),
        ({"num_experts_per_tok": 5}, "each block has 4 experts, and num_experts_per_tok is 5"),
    ],
)
def test_experts_without_their_number(
    path: Path, settings: dict[str, object], expected: str
) -> None:
    """No tensor tells how many of them a token takes."""
    save(path, "experts")
    write(path, n_heads=HEADS, **settings)

    assert error_of(path) == (
        f'{expected}; write {{"num_experts_per_tok": …}} into model.config.json beside it'
    )


STRIDE = (
    'write {"sliding_window_stride": …} with the blocks with a window before one without, or -1 if '
    "all have one"
)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"n_heads": 1}, "n_heads is 1, and keys 32 wide do not make heads of 64"),
        ({"n_kv_groups": 4}, "n_kv_groups is 4, and the checkpoint has 2"),
        ({"emb_dim": 32}, "emb_dim is 32, and the checkpoint has 64"),
        ({"n_layer": 12}, "n_layer is 12, and the checkpoint has 3"),
        ({"block_size": 1024}, "block_size is 1024, and the checkpoint has 48"),
        ({"qkv_bias": True}, "qkv_bias is true, and the checkpoint has false"),
        ({"sliding_window_size": 8}, f"sliding_window_stride is missing; {STRIDE}"),
        (
            {"sliding_window_size": 8, "sliding_window_stride": 0.5},
            f"sliding_window_stride is 0.5; {STRIDE}",
        ),
        (
            {"sliding_window_size": 0, "sliding_window_stride": 1},
            (
                'sliding_window_size is 0; write {"sliding_window_size": …} with the tokens that a '
                "token sees, itself included"
            ),
        ),
        (
            {"kv_window_size": 16, "context_length": CONTEXT},
            (
                "kv_window_size is 16: with its cache the model sees less than without; remove it for "
                'full attention, or write {"sliding_window_size": 16, "sliding_window_stride": -1}'
            ),
        ),
        (
            {"n_kv_producing_layers": 1, "n_layers": LAYERS},
            (
                "n_kv_producing_layers lets blocks share keys, which is not computed here; give the "
                "model to a fixture llm_model of your own"
            ),
        ),
        (
            {"layer_norm_epsilon": 1e-6},
            (
                "layer_norm_epsilon is 1e-06, which is not computed here; give the model to a fixture "
                "llm_model of your own"
            ),
        ),
    ],
)
def test_a_config_that_does_not_fit(path: Path, settings: dict[str, object], expected: str) -> None:
    """What contradicts the weights, lacks a part, or asks for another computation is refused."""
    save(path, "grouped queries")
    config = write(path, **{"n_heads": HEADS, **settings})

    with pytest.raises(CheckpointError) as caught:
        describe(path)
    problem = f"{config}: {expected}"
    assert str(caught.value).startswith(problem)
    assert expected.count(";") == 0 or str(caught.value) == problem


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("att.indexer.W_k_index.weight", "a GPT with DeepSeek's sparse attention"),
        ("att.heads.0.W_query.weight", "a GPT whose heads are modules of their own"),
    ],
)
def test_variants_that_are_refused(path: Path, name: str, expected: str) -> None:
    """Each as what it is."""
    state = {**Plain(Grouped).state_dict(), f"trf_blocks.0.{name}": torch.ones(2, 2)}
    torch.save(state, path)

    assert error_of(path) == (
        f"{expected}, which is not run here; give it to a fixture llm_model of your own"
    )
