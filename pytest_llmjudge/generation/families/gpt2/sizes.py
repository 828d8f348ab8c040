"""Reads the sizes of a GPT-2 off the shapes of its weights, and holds them against each other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.families.gpt2.config import GPTConfig, weight_shapes
from pytest_llmjudge.generation.files.names import name_some, shorten, shorten_json, stem_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from pytest_llmjudge.generation.families.gpt2.config import GPTSettings, Heads
    from pytest_llmjudge.generation.files.names import Shape

__all__ = ["read_sizes"]

KNOWN_LAYOUTS = "the lecture's GPTModel, Hugging Face's GPT-2 or nanoGPT"

_PUBLISHED_HEADS = {768: 12, 1024: 16, 1280: 20, 1600: 25}
"""Heads of the four published GPT-2, by their width: the only counts that are assumed."""

_KEYS = "trf_blocks.0.att.W_key.weight"
_GATE = "trf_blocks.0.ff.gate.weight"
_FIRST = ("trf_blocks.0.ff.layers.0.weight", "trf_blocks.0.ff.fc1.0.weight")
_TRAINED = "give the number that it was trained with"
_BLOCK = re.compile(r"trf_blocks\.(\d{1,4})\.")


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
