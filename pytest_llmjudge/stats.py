"""Numbers about scores; pure, no input or output."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["mean", "mean_interval"]


def mean(scores: Sequence[int]) -> float | None:
    """Return the arithmetic mean; ``None`` without scores."""
    return math.fsum(scores) / len(scores) if scores else None


def mean_interval(scores: Sequence[int]) -> tuple[float, float] | None:
    """Return the 95 % Student t interval of the mean, in points; ``None`` for fewer than two.

    The half-width is t(0.975, n - 1) * s / sqrt(n), s with n - 1 in the denominator.
    """
    if len(scores) < 2:
        return None
    from scipy import special

    centre = math.fsum(scores) / len(scores)
    quantile = float(special.stdtrit(len(scores) - 1, 0.975))
    half = quantile * statistics.stdev(scores) / math.sqrt(len(scores))
    return centre - half, centre + half
