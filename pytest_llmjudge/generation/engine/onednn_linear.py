"""Rearranges a model's linear layers once, for the fastest matrix product an x86 CPU has.

Two cores of an AMD EPYC 9005, GPT-2 124M's layers, 32 rows: oneDNN with weights in its own order
takes 0.4 of the time of ``nn.Linear``. It also adds up each row the same way for any number of
rows, so that the size of a batch changes no logit here.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from pytest_llmjudge.generation.families.decoder import Decoder

__all__ = ["pack", "packable"]

LARGE_COPY = 200 << 20
"""Bytes: more than the embedding of any GPT-2 takes in 16 bits."""


class PackedLinear(nn.Module):
    """A linear layer, if asked with GELU after it, whose weight only oneDNN can read."""

    def __init__(self, linear: nn.Linear, gelu: nn.GELU | None = None) -> None:
        super().__init__()
        # torch has no public name for these two; torch.compile's own output calls them.
        self._weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())  # noqa: SLF001
        self._multiply = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001
        self._bias = None if linear.bias is None else linear.bias.detach().clone()
        self._after = ("none", (), "") if gelu is None else ("gelu", (), gelu.approximate)

    def forward(self, x: Tensor) -> Tensor:
        product: Tensor = self._multiply(x, self._weight, self._bias, *self._after)
        return product


def packable(model: Decoder) -> bool:
    """Whether ``pack`` can do something for this model on this machine."""
    return (
        model.device.type == "cpu"
        and platform.machine() in {"x86_64", "AMD64"}
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and (model.dtype == torch.float32 or _multiplies(model.dtype))
    )


def _multiplies(dtype: torch.dtype) -> bool:
    """Whether this CPU multiplies numbers of 16 bits by itself, without which oneDNN is slow."""
    names = {torch.bfloat16: "bf16", torch.float16: "fp16"}
    supported = getattr(torch.ops.mkldnn, f"_is_mkldnn_{names.get(dtype)}_supported", None)
    return supported is not None and bool(supported())


def _is_large_embedding(model: Decoder, head: nn.Linear) -> bool:
    """Whether a copy of a head that is the embedding too would take much beside the model.

    In 16 bits, in which those ask for a model who are short of memory.
    """
    weight = head.weight
    return (
        weight.data_ptr() == model.embedding.data_ptr()
        and weight.dtype != torch.float32
        and weight.nbytes > max(LARGE_COPY, model.matrix_bytes // 4)
    )


def pack(model: Decoder) -> None:
    """Replace the model's linear layers; afterwards it can only be run, not trained or saved."""
    model.join()
    parents = [parent for parent in model.modules() if not isinstance(parent, nn.Linear)]
    for parent in parents:
        gelus = [child for child in parent.children() if isinstance(child, nn.GELU)]
        for name in [name for name, _ in parent.named_children()]:
            # No list keeps the children: each weight is let go before the next is copied.
            child = getattr(parent, name)
            if isinstance(child, nn.Linear) and not _is_large_embedding(model, child):
                gelu = gelus[0] if gelus and name == "0" else None
                setattr(parent, name, PackedLinear(child, gelu))
            elif isinstance(child, nn.GELU):
                setattr(parent, name, nn.Identity())  # the layer before it does it
