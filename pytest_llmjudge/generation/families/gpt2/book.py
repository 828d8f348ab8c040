"""Where the weights of a ``GPTModel`` lie in state dicts of the book's GPT and of its variants.

The variants are those of the bonus material of S. Raschka, "Build a Large Language Model (From
Scratch)": one matrix for queries, keys and values, torch's own layer norm, and multi-head latent
attention (DeepSeek-V2, arXiv 2405.04434, without its rotary part). Grouped-query attention and
sliding windows have the same names as plain attention.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_llmjudge.generation.families.gpt2.config import is_weight
from pytest_llmjudge.generation.families.plan import Lora, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_llmjudge.generation.files.names import Shape

__all__ = ["book_sources", "is_latent"]

_PROJECTIONS = ("W_query", "W_key", "W_value")
_NORM = re.compile(r"((?:trf_blocks\.\d{1,4}\.)?(?:norm1|norm2|final_norm))\.(weight|bias)")
_NORM_WORDS = {"weight": "scale", "bias": "shift"}
_FUSED = re.compile(r"(trf_blocks\.\d{1,4}\.att)\.qkv\.(weight|bias)")
_DOWN = ".att.W_DKV.weight"
_UP = {"W_UK": "W_key", "W_UV": "W_value"}


def is_latent(names: Iterable[str]) -> bool:
    """Tell multi-head latent attention, by the matrix that maps to the latent space."""
    return any(name.endswith(_DOWN) for name in names)


def book_sources(shapes: Mapping[str, Shape]) -> dict[str, Source]:
    """Return for each weight of a ``GPTModel`` where it lies; what has no place under its own name.

    Args:
        shapes: Of the stored tensors by their plain names.
    """
    sources: dict[str, Source] = {}
    for name, shape in shapes.items():
        if not is_weight(name):
            continue
        # A layer with LoRA keeps its own weight and bias one level further down.
        own = name.replace(".linear.", ".").replace(".att.proj.", ".att.out_proj.")
        if fused := _FUSED.fullmatch(own):
            sources |= dict(_thirds(fused[1], fused[2], name, shape))
        elif (norm := _NORM.fullmatch(own)) and f"{norm[1]}.bias" in shapes:
            sources[f"{norm[1]}.{_NORM_WORDS[norm[2]]}"] = Source(name, shape)
        else:
            sources[own] = Source(name, shape)
    for down in [name for name in shapes if name.endswith(_DOWN)]:
        sources = _unfolded(down.removesuffix("W_DKV.weight"), sources, shapes)
    return sources | dict(_no_biases(sources))


def _thirds(attention: str, kind: str, name: str, shape: Shape) -> Iterator[tuple[str, Source]]:
    third = shape[0] // len(_PROJECTIONS)
    for part, projection in enumerate(_PROJECTIONS):
        rows = (range(part * third, (part + 1) * third),)
        yield f"{attention}.{projection}.{kind}", Source.taking(name, shape, rows)


def _unfolded(
    attention: str, sources: Mapping[str, Source], shapes: Mapping[str, Shape]
) -> dict[str, Source]:
    """Make one matrix of each pair that maps to the latent space and from there to keys or values.

    Keys are W_UK (W_DKV x + b_DKV) + b_UK, so their weight is W_UK W_DKV and their bias
    W_UK b_DKV + b_UK; values likewise.
    """
    down, latent_bias = f"{attention}W_DKV.weight", f"{attention}W_DKV.bias"
    made: dict[str, Source] = {}
    for up, projection in _UP.items():
        weight, bias = f"{attention}{up}.weight", f"{attention}{up}.bias"
        if shapes.get(weight, ())[1:] != shapes[down][:1]:
            # They are listed as they are, and so are refused.
            return dict(sources)
        product = Lora(down, weight, 1.0, is_turned=False, is_own=True)
        shape = (*shapes[weight][:1], *shapes[down][1:])
        made[f"{attention}{projection}.weight"] = Source(None, shape, lora=product)
        if bias in shapes and shapes.get(latent_bias) == shapes[down][:1]:
            moved = Lora(latent_bias, weight, 1.0, is_turned=False, is_own=True)
            made[f"{attention}{projection}.bias"] = Source(bias, shapes[bias], lora=moved)
    folded = tuple(f"{attention}{name}." for name in ("W_DKV", *_UP))
    return {own: one for own, one in sources.items() if not own.startswith(folded)} | made


def _no_biases(sources: Mapping[str, Source]) -> Iterator[tuple[str, Source]]:
    """Yield the biases of attention's output where no block has one, as with grouped queries."""
    if any(own.endswith(".att.out_proj.bias") for own in sources):
        return
    for own, source in sources.items():
        if own.endswith(".att.out_proj.weight"):
            yield own.removesuffix("weight") + "bias", Source(None, source.shape[:1])
