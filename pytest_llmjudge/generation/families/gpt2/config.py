"""What makes up a GPT-2 checkpoint: the sizes, and every weight's name and shape."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.files.names import name_some, shorten, shorten_json, stem_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from pytest_llmjudge.generation.files.names import Shape

__all__ = [
    "GPTConfig",
    "GPTSettings",
    "Heads",
    "Window",
    "is_weight",
    "read_sizes",
    "weight_shapes",
]

KNOWN_LAYOUTS = "the lecture's GPTModel, Hugging Face's GPT-2 or nanoGPT"

_PUBLISHED_HEADS = {768: 12, 1024: 16, 1280: 20, 1600: 25}
"""Heads of the four published GPT-2, by their width: the only counts that are assumed."""

_KEYS = "trf_blocks.0.att.W_key.weight"
_GATE = "trf_blocks.0.ff.gate.weight"
_FIRST = ("trf_blocks.0.ff.layers.0.weight", "trf_blocks.0.ff.fc1.0.weight")
_TRAINED = "give the number that it was trained with"
_BLOCK = re.compile(r"trf_blocks\.(\d{1,4})\.")


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
        window: Its sliding windows, if it has any.
        active_experts: How many experts a token takes, if it has any.
        sizes: What ``heads.file`` says of sizes that the tensors tell too, by its own words for
            them; each with our word.
    """

    heads: Heads | None = None
    exact_gelu: bool = False
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


def read_sizes(
    path: Path,
    shapes: Mapping[str, Shape],
    settings: GPTSettings,
    stored_name: Callable[[str], str] = str,
    *,
    is_published: bool = True,
) -> GPTConfig:
    """Read a model's sizes off the shapes of its weights, and check them against each other.

    Args:
        path: The checkpoint, for messages.
        shapes: Shape of each weight by its name in the model, masks left out.
        settings: What the shapes do not tell.
        stored_name: Names a weight as the file does, for messages.
        is_published: Whether it may be one of the published GPT-2, whose heads are known.

    Raises:
        CheckpointError: Weights are missing, unknown, or contradict each other.
    """
    for name in ("tok_emb.weight", "pos_emb.weight"):
        if name not in shapes:
            raise _wrong_names(path, shapes, [stored_name(name)], [])
        if len(shapes[name]) != 2 or 0 in shapes[name]:
            raise _wrong_shape(path, stored_name(name), shapes[name], "(rows, width)")
    vocab_size, emb_dim = shapes["tok_emb.weight"]
    kv_width = next(iter(shapes.get(_KEYS, ())), emb_dim)
    n_experts = next(iter(shapes.get(_GATE, ())), 0)
    is_published = is_published and kv_width == emb_dim and not n_experts
    n_heads = _count_heads(path, emb_dim, settings.heads, is_published=is_published)
    context_length = shapes["pos_emb.weight"][0]
    n_layers = len({match[1] for name in shapes if (match := _BLOCK.match(name))})
    window = settings.window
    has_window = window is not None and window.size < context_length
    windows = [window.of_block(block) for block in range(n_layers)] if window else []
    config = GPTConfig(
        vocab_size=vocab_size,
        context_length=context_length,
        emb_dim=emb_dim,
        n_heads=n_heads,
        n_layers=n_layers,
        qkv_bias="trf_blocks.0.att.W_query.bias" in shapes,
        exact_gelu=settings.exact_gelu,
        n_kv_heads=_count_kv_heads(settings.heads, kv_width, emb_dim // n_heads, n_heads),
        windows=tuple(windows) if has_window and any(windows) else (),
        ff_width=_ff_width(shapes, emb_dim),
        n_experts=n_experts,
        active_experts=_count_active(path, n_experts, settings),
    )
    _check(path, shapes, weight_shapes(config), stored_name)
    _check_settings(settings, config)
    return config


def _ff_width(shapes: Mapping[str, Shape], emb_dim: int) -> int | None:
    rows = next((shapes[name][0] for name in _FIRST if len(shapes.get(name, ())) == 2), 4 * emb_dim)
    return None if rows == 4 * emb_dim else rows


def _count_active(path: Path, experts: int, settings: GPTSettings) -> int:
    if not experts:
        return 0
    active = settings.active_experts
    if active is None or active > experts:
        says = f"num_experts_per_tok is {active}"
        if active is None:
            says = "nothing says how many a token takes"
        problem = f"each block has {experts} experts, and {says}"
        hint = f'write {{"num_experts_per_tok": …}} into {stem_of(path)}.config.json beside it'
        raise CheckpointError(str(path), problem, hint)
    return active


def _count_kv_heads(heads: Heads | None, kv_width: int, size: int, n_heads: int) -> int | None:
    if heads is None or kv_width == size * n_heads:
        return None
    if kv_width % size or n_heads % (kv_width // size):
        problem = f"n_heads is {n_heads}, and keys {kv_width} wide do not make heads of {size}"
        raise CheckpointError(str(heads.file), problem, _TRAINED)
    return kv_width // size


def _check_settings(settings: GPTSettings, config: GPTConfig) -> None:
    """Refuse a config that is another model's: its number of heads is, too."""
    if settings.heads is None:
        return
    for theirs, own, value in settings.sizes:
        known = config.n_kv_heads or config.n_heads if own == "n_kv_heads" else getattr(config, own)
        if value != known:
            problem = (
                f"{theirs} is {shorten_json(value)}, and the checkpoint has {shorten_json(known)}"
            )
            hint = "correct it, or put the config of the model that was trained there"
            raise CheckpointError(str(settings.heads.file), problem, hint)


def _count_heads(path: Path, emb_dim: int, heads: Heads | None, *, is_published: bool) -> int:
    if heads is None and not (is_published and emb_dim in _PUBLISHED_HEADS):
        problem = f"the embedding's width {emb_dim} does not tell the number of heads"
        hint = f'write {{"n_heads": …}} into {stem_of(path)}.config.json beside it'
        raise CheckpointError(str(path), problem, hint)
    if heads is None:
        return _PUBLISHED_HEADS[emb_dim]
    if emb_dim % heads.number:
        problem = (
            f"{shorten(str(heads.number))} heads do not divide the embedding's width {emb_dim}"
        )
        raise CheckpointError(str(heads.file), problem, _TRAINED)
    return heads.number


def _check(
    path: Path,
    shapes: Mapping[str, Shape],
    expected: Mapping[str, Shape],
    stored_name: Callable[[str], str],
) -> None:
    missing = list(dict.fromkeys(stored_name(name) for name in expected if name not in shapes))
    unknown = [name for name in shapes if name not in expected]
    if missing or unknown:
        raise _wrong_names(path, shapes, missing, unknown)
    for name, shape in expected.items():
        if shapes[name] != shape:
            raise _wrong_shape(path, stored_name(name), shapes[name], str(shape))


def _wrong_names(
    path: Path, names: Collection[str], missing: list[str], unknown: list[str]
) -> CheckpointError:
    if "tok_emb.weight" not in names:
        problem = f"no weights of a GPT-2, it holds {name_some(names)}"
    else:
        faults = [f"lacks {name_some(missing)}"] if missing else []
        faults += [f"has the unknown {name_some(unknown)}"] if unknown else []
        problem = f"a GPT-2 that {' and '.join(faults)}"
    hint = f"use the parameter names of {KNOWN_LAYOUTS}"
    return CheckpointError(str(path), problem, hint)


def _wrong_shape(path: Path, name: str, shape: Shape, expected: str) -> CheckpointError:
    problem = f"{shorten(name)} has the shape {shorten(str(shape))} where {expected} is expected"
    return CheckpointError(str(path), problem, "save it again from the model that was trained")
