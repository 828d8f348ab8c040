"""What makes up a GPT-2: its sizes, what only a config tells, and every weight's name and shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_llmjudge.generation.files.names import Shape

__all__ = [
    "GPTConfig",
    "GPTSettings",
    "Heads",
    "Window",
    "is_weight",
    "weight_shapes",
]


@dataclass(frozen=True, slots=True)
class GPTConfig:
    """The sizes of a GPT-2 or of a variant of it.

    Attributes:
        vocab_size: Rows of the token embedding.
        context_length: Tokens the model can see, prompt and answer together.
        emb_dim: Width of the residual stream.
        n_heads: Attention heads of a block; divides ``emb_dim``.
        n_layers: Transformer blocks.
        qkv_bias: Whether the query, key and value projections have a bias.
        exact_gelu: Whether GELU is the exact one, and not GPT-2's tanh approximation.
        n_kv_heads: Heads of keys and values; divides ``n_heads``. ``None`` for as many.
        windows: For each block how many tokens a token sees, itself included, ``None`` for all
            before it; empty where no block has a window.
        ff_width: Of the feed-forward layers; ``None`` for four embeddings.
        n_experts: How many feed-forward networks a block has in the place of one; 0 for one.
        active_experts: How many of them a token takes.
    """

    vocab_size: int
    context_length: int
    emb_dim: int
    n_heads: int
    n_layers: int
    qkv_bias: bool
    exact_gelu: bool = False
    n_kv_heads: int | None = None
    windows: tuple[int | None, ...] = ()
    ff_width: int | None = None
    n_experts: int = 0
    active_experts: int = 0

    @property
    def inner_width(self) -> int:
        """Width of the feed-forward layers."""
        return self.ff_width or 4 * self.emb_dim

    @property
    def kv_width(self) -> int:
        """Width of a token's keys, and of its values."""
        return self.emb_dim // self.n_heads * (self.n_kv_heads or self.n_heads)


class Heads(NamedTuple):
    """The one size that no shape tells, and the file that does."""

    number: int
    file: Path


class Window(NamedTuple):
    """Sliding windows of attention in some of the blocks.

    Attributes:
        size: How many tokens a token sees, itself included.
        stride: How many blocks with a window precede one without; 0 for no window, below 0 for one
            in each block.
    """

    size: int
    stride: int

    def of_block(self, block: int) -> int | None:
        """Return how many tokens a token sees in a block; ``None`` for all before it."""
        is_window = self.stride < 0 or block % (self.stride + 1) < self.stride
        return self.size if is_window else None


class GPTSettings(NamedTuple):
    """What no tensor of a GPT-2 tells.

    Attributes:
        heads: The number of heads; ``None`` for those of the published GPT-2 of its width.
        exact_gelu: Whether GELU is the exact one.
        is_gelu_assumed: Whether nothing says which GELU a model of nanoGPT's has: its newer
            versions train with the exact one, older ones with the approximation.
        window: Its sliding windows, if it has any.
        active_experts: How many experts a token takes, if it has any.
        sizes: What ``heads.file`` says of sizes that the tensors tell too, by its own words for
            them; each with our word.
    """

    heads: Heads | None = None
    exact_gelu: bool = False
    is_gelu_assumed: bool = False
    window: Window | None = None
    active_experts: int | None = None
    sizes: tuple[tuple[str, str, object], ...] = ()


def is_weight(name: str) -> bool:
    """Tell weights from the causal masks that the lecture's code saves with them."""
    return not name.endswith(".att.mask")


def weight_shapes(config: GPTConfig) -> dict[str, Shape]:
    """Name and shape of every weight, in the model's own order."""
    vocabulary, context, width = config.vocab_size, config.context_length, config.emb_dim
    shapes: dict[str, Shape] = {
        "tok_emb.weight": (vocabulary, width),
        "pos_emb.weight": (context, width),
    }
    for layer in range(config.n_layers):
        block = [*_attention_shapes(config), *_forward_shapes(config), *_norm_shapes(width)]
        shapes |= {f"trf_blocks.{layer}.{name}": shape for name, shape in block}
    shapes["final_norm.scale"] = shapes["final_norm.shift"] = (width,)
    shapes["out_head.weight"] = (vocabulary, width)
    return shapes


def _attention_shapes(config: GPTConfig) -> Iterator[tuple[str, Shape]]:
    width, kv_width = config.emb_dim, config.kv_width
    for projection, rows in (("W_query", width), ("W_key", kv_width), ("W_value", kv_width)):
        yield f"att.{projection}.weight", (rows, width)
        if config.qkv_bias:
            yield f"att.{projection}.bias", (rows,)
    yield "att.out_proj.weight", (width, width)
    yield "att.out_proj.bias", (width,)


def _forward_shapes(config: GPTConfig) -> Iterator[tuple[str, Shape]]:
    width, inner = config.emb_dim, config.inner_width
    if not config.n_experts:
        yield "ff.layers.0.weight", (inner, width)
        yield "ff.layers.0.bias", (inner,)
        yield "ff.layers.2.weight", (width, inner)
        yield "ff.layers.2.bias", (width,)
        return
    yield "ff.gate.weight", (config.n_experts, width)
    for name, shape in (("fc1", (inner, width)), ("fc2", (inner, width)), ("fc3", (width, inner))):
        for expert in range(config.n_experts):
            yield f"ff.{name}.{expert}.weight", shape


def _norm_shapes(width: int) -> Iterator[tuple[str, Shape]]:
    for norm in ("norm1", "norm2"):
        yield f"{norm}.scale", (width,)
        yield f"{norm}.shift", (width,)
