"""The layouts that a GPT-2 is saved in: how each one's tensors become those of ``GPTModel``."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_llmjudge.generation.families.gpt2.book import book_sources
from pytest_llmjudge.generation.families.plan import Plan, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_llmjudge.generation.files.names import Shape

__all__ = ["GPT2_VOCABULARY", "make_plan"]

GPT2_VOCABULARY = 50257
_PADDED_VOCABULARY = 50304
"""GPT-2's, as nanoGPT pads it to a multiple of 64; no text has the tokens beyond."""

_TIED = "out_head.weight"
_OUTER = {
    "wte.weight": "tok_emb.weight",
    "wpe.weight": "pos_emb.weight",
    "ln_f.weight": "final_norm.scale",
    "ln_f.bias": "final_norm.shift",
    "lm_head.weight": _TIED,
}
_INNER = {
    "ln_1.weight": "norm1.scale",
    "ln_1.bias": "norm1.shift",
    "ln_2.weight": "norm2.scale",
    "ln_2.bias": "norm2.shift",
    "attn.c_proj.weight": "att.out_proj.weight",
    "attn.c_proj.bias": "att.out_proj.bias",
    "mlp.c_fc.weight": "ff.layers.0.weight",
    "mlp.c_fc.bias": "ff.layers.0.bias",
    "mlp.c_proj.weight": "ff.layers.2.weight",
    "mlp.c_proj.bias": "ff.layers.2.bias",
}
_PROJECTIONS = ("W_query", "W_key", "W_value")
_BLOCK = re.compile(r"h\.(\d{1,4})\.(.+)")
_MASKS = ("attn.bias", "attn.masked_bias")


def make_plan(shapes: Mapping[str, Shape]) -> Plan:
    """Tell by its names and shapes how a state dict becomes a ``GPTModel``.

    Args:
        shapes: Of the stored tensors by their plain names.
    """
    theirs = {name.removeprefix("transformer."): name for name in shapes}
    is_lecture = "wte.weight" not in theirs
    if is_lecture:
        sources = book_sources(shapes)
    else:
        gpt2_shapes = {short: shapes[name] for short, name in theirs.items()}
        sources = {own: _renamed(source, theirs) for own, source in _from_gpt2(gpt2_shapes)}
    if _TIED not in sources and "tok_emb.weight" in sources:
        sources[_TIED] = sources["tok_emb.weight"]
    sources = {name: _cut(name, source) for name, source in sources.items()}
    return Plan(sources) if is_lecture else Plan(sources, _gpt2_name)


def _gpt2_name(name: str) -> str:
    """Name a weight of the model as Hugging Face and nanoGPT do."""
    outer = {own: theirs for theirs, own in _OUTER.items()}
    inner = {own: theirs for theirs, own in _INNER.items()}
    block, _, rest = name.removeprefix("trf_blocks.").partition(".")
    if name.startswith("trf_blocks."):
        kind = rest.rpartition(".")[2]
        theirs = inner.get(rest, f"attn.c_attn.{kind}")
        return f"h.{block}.{theirs}"
    return outer.get(name, name)


def _from_gpt2(shapes: Mapping[str, Shape]) -> Iterator[tuple[str, Source]]:
    width = shapes["wte.weight"][-1:]
    # A layer that makes four of each has 4 C rows in torch's Linear, and C in Conv1D.
    is_conv = shapes.get("h.0.mlp.c_fc.weight", ())[:1] == width
    for name, shape in shapes.items():
        block = _BLOCK.fullmatch(name)
        if block is None:
            yield _OUTER.get(name, name), Source(name, shape)
            continue
        number, inner = block.groups()
        if inner in _MASKS:
            continue
        is_turned = is_conv and len(shape) == 2
        if is_turned:
            shape = shape[::-1]  # noqa: PLW2901  # as the model has it
        if inner.startswith("attn.c_attn."):
            kind = inner.rpartition(".")[2]
            third = shape[0] // len(_PROJECTIONS)
            for part, projection in enumerate(_PROJECTIONS):
                own = f"trf_blocks.{number}.att.{projection}.{kind}"
                rows = (range(part * third, (part + 1) * third),)
                yield own, Source.taking(name, shape, rows, is_turned=is_turned)
        else:
            own = f"trf_blocks.{number}.{_INNER[inner]}" if inner in _INNER else name
            yield own, Source(name, shape, is_turned)
    yield from _zeros(shapes, width)


def _zeros(shapes: Mapping[str, Shape], width: Shape) -> Iterator[tuple[str, Source]]:
    """Yield the biases of a model that was made without any, as nanoGPT can."""
    if any(name.endswith(".bias") and not name.endswith(_MASKS) for name in shapes):
        return
    for name in shapes:
        own = _OUTER.get(name, "")
        block = _BLOCK.fullmatch(name)
        if block is not None:
            own = f"trf_blocks.{block[1]}.{_INNER.get(block[2], '')}"
        if own.endswith(".scale"):
            yield own.removesuffix("scale") + "shift", Source(None, width)
        elif own.endswith(("att.out_proj.weight", "ff.layers.2.weight")):
            yield own.removesuffix("weight") + "bias", Source(None, width)
        elif own.endswith("ff.layers.0.weight"):
            yield own.removesuffix("weight") + "bias", Source(None, (4 * sum(width),))


def _renamed(source: Source, theirs: Mapping[str, str]) -> Source:
    return source if source.name is None else replace(source, name=theirs[source.name])


def _cut(name: str, source: Source) -> Source:
    is_padded = name in {"tok_emb.weight", _TIED} and source.shape[:1] == (_PADDED_VOCABULARY,)
    if not is_padded:
        return source
    shape = (GPT2_VOCABULARY, *source.shape[1:])
    rows = (range(GPT2_VOCABULARY),)
    return replace(source, shape=shape, rows=rows, stored_rows=source.shape[0])
