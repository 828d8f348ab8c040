"""Rotary position embedding: the angles of positions, and queries and keys turned by them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from pytest_llmjudge.generation.families.transformer_config import Rope

__all__ = ["Rotation", "frequencies", "rotate", "rotation"]


class Rotation(NamedTuple):
    """Cosine and signed sine of each token's angles (…, 1, D), the same for all heads.

    The first half of the sines is negated, as a head's halves x and y become x cos - y sin and
    y cos + x sin.
    """

    cos: Tensor
    sin: Tensor


def frequencies(rope: Rope, head_size: int) -> Tensor:
    """Radians a position, for each pair of a head's dimensions, in float32 on the CPU: (D / 2)."""
    exponents = torch.arange(0, head_size, 2, dtype=torch.float32, device="cpu") / head_size
    plain = 1.0 / (rope.base**exponents)
    if rope.scaling == "linear":
        return plain / rope.factor
    if rope.scaling == "llama3":
        return _llama3(rope, plain)
    if rope.scaling == "yarn":
        return _yarn(rope, plain, head_size)
    return plain


def _llama3(rope: Rope, plain: Tensor) -> Tensor:
    """Scale long wavelengths, keep short ones, and interpolate between (Llama 3.1)."""
    wavelengths = 2 * math.pi / plain
    longest = rope.original_context / rope.low_freq_factor
    shortest = rope.original_context / rope.high_freq_factor
    share = (rope.original_context / wavelengths - rope.low_freq_factor) / (
        rope.high_freq_factor - rope.low_freq_factor
    )
    between = (1 - share) * plain / rope.factor + share * plain
    scaled = torch.where(wavelengths > longest, plain / rope.factor, between)
    return torch.where(wavelengths < shortest, plain, scaled)


def _yarn(rope: Rope, plain: Tensor, head_size: int) -> Tensor:
    """Interpolate by how often a dimension turns within the original context (YaRN, 3.2)."""

    def dimension(rotations: float) -> float:
        ratio = rope.original_context / (rotations * 2 * math.pi)
        return head_size * math.log(ratio) / (2 * math.log(rope.base))

    low, high = dimension(rope.beta_fast), dimension(rope.beta_slow)
    if rope.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, head_size - 1)
    if low == high:
        high += 0.001  # a step, without a division by zero
    index = torch.arange(head_size // 2, dtype=torch.float32, device="cpu")
    scaled = ((index - low) / (high - low)).clamp(0, 1)
    return plain / rope.factor * scaled + plain * (1 - scaled)


def rotation(
    radians: Tensor, positions: Tensor, attention_factor: float, dtype: torch.dtype
) -> Rotation:
    """Compute how tokens at positions (…) are turned.

    Args:
        radians: A position's, from :func:`frequencies`.
        positions: Of the tokens.
        attention_factor: What cosine and sine are multiplied by.
        dtype: Of the result; angles are always float32.
    """
    angles = positions[..., None, None].float() * radians  # (…, 1, D / 2)
    cos, sin = angles.cos() * attention_factor, angles.sin() * attention_factor
    return Rotation(
        torch.cat((cos, cos), dim=-1).to(dtype), torch.cat((-sin, sin), dim=-1).to(dtype)
    )


def rotate(x: Tensor, by: Rotation) -> Tensor:
    """Turn the heads of queries or keys (…, H, D)."""
    return torch.addcmul(x * by.cos, x.roll(x.shape[-1] // 2, dims=-1), by.sin)
