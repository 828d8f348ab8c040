"""What makes up a GPT-2 checkpoint: the sizes, and every weight's name and shape."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.files.names import name_some, shorten, stem_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from pytest_llmjudge.generation.files.names import Shape

__all__ = [
    "GPTConfig",
    "Heads",
    "is_weight",
    "read_sizes",
    "weight_shapes",
]

KNOWN_LAYOUTS = "the lecture's GPTModel, Hugging Face's GPT-2 or nanoGPT"

_PUBLISHED_HEADS = {768: 12, 1024: 16, 1280: 20, 1600: 25}
"""Heads of the four published GPT-2, by their width: the only counts that are assumed."""

_BLOCK = re.compile(r"trf_blocks\.(\d{1,4})\.")


@dataclass(frozen=True, slots=True)
class GPTConfig:
    """The sizes of a GPT-2; its feed-forward layers are always four embeddings wide.

    Attributes:
        vocab_size: Rows of the token embedding.
        context_length: Tokens the model can see, prompt and answer together.
        emb_dim: Width of the residual stream.
        n_heads: Attention heads of a block; divides ``emb_dim``.
        n_layers: Transformer blocks.
        qkv_bias: Whether the query, key and value projections have a bias.
        exact_gelu: Whether GELU is the exact one, and not GPT-2's tanh approximation.
    """

    vocab_size: int
    context_length: int
    emb_dim: int
    n_heads: int
    n_layers: int
    qkv_bias: bool
    exact_gelu: bool = False


class Heads(NamedTuple):
    """The one size that no shape tells, and the config file that does."""

    number: int
    file: Path


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
        block = _block_shapes(width, qkv_bias=config.qkv_bias)
        shapes |= {f"trf_blocks.{layer}.{name}": shape for name, shape in block}
    shapes["final_norm.scale"] = shapes["final_norm.shift"] = (width,)
    shapes["out_head.weight"] = (vocabulary, width)
    return shapes


def _block_shapes(width: int, *, qkv_bias: bool) -> Iterator[tuple[str, Shape]]:
    for projection in ("W_query", "W_key", "W_value"):
        yield f"att.{projection}.weight", (width, width)
        if qkv_bias:
            yield f"att.{projection}.bias", (width,)
    yield "att.out_proj.weight", (width, width)
    yield "att.out_proj.bias", (width,)
    yield "ff.layers.0.weight", (4 * width, width)
    yield "ff.layers.0.bias", (4 * width,)
    yield "ff.layers.2.weight", (width, 4 * width)
    yield "ff.layers.2.bias", (width,)
    for norm in ("norm1", "norm2"):
        yield f"{norm}.scale", (width,)
        yield f"{norm}.shift", (width,)


def read_sizes(
    path: Path,
    shapes: Mapping[str, Shape],
    heads: Heads | None,
    stored_name: Callable[[str], str] = str,
    *,
    exact_gelu: bool = False,
) -> GPTConfig:
    """Read a model's sizes off the shapes of its weights, and check them against each other.

    Args:
        path: The checkpoint, for messages.
        shapes: Shape of each weight by its name in the model, masks left out.
        heads: From a config file; ``None`` for those of the published GPT-2 of this width.
        stored_name: Names a weight as the file does, for messages.
        exact_gelu: From a config file, as no shape tells it either.

    Raises:
        CheckpointError: Weights are missing, unknown, or contradict each other.
    """
    for name in ("tok_emb.weight", "pos_emb.weight"):
        if name not in shapes:
            raise _wrong_names(path, shapes, [stored_name(name)], [])
        if len(shapes[name]) != 2 or 0 in shapes[name]:
            raise _wrong_shape(path, stored_name(name), shapes[name], "(rows, width)")
    vocab_size, emb_dim = shapes["tok_emb.weight"]
    config = GPTConfig(
        vocab_size=vocab_size,
        context_length=shapes["pos_emb.weight"][0],
        emb_dim=emb_dim,
        n_heads=_count_heads(path, emb_dim, heads),
        n_layers=len({match[1] for name in shapes if (match := _BLOCK.match(name))}),
        qkv_bias="trf_blocks.0.att.W_query.bias" in shapes,
        exact_gelu=exact_gelu,
    )
    _check(path, shapes, weight_shapes(config), stored_name)
    return config


def _count_heads(path: Path, emb_dim: int, heads: Heads | None) -> int:
    if heads is None and emb_dim not in _PUBLISHED_HEADS:
        problem = f"the embedding's width {emb_dim} does not tell the number of heads"
        hint = f'write {{"n_heads": …}} into {stem_of(path)}.config.json beside it'
        raise CheckpointError(str(path), problem, hint)
    if heads is None:
        return _PUBLISHED_HEADS[emb_dim]
    if emb_dim % heads.number:
        problem = (
            f"{shorten(str(heads.number))} heads do not divide the embedding's width {emb_dim}"
        )
        raise CheckpointError(str(heads.file), problem, "give the number that it was trained with")
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
