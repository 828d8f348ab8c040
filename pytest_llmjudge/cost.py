"""What a judge takes for a record, in seconds and tokens."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Cost", "mean_cost", "shown_cost"]

_LEAST_SHOWN = 0.05


class Cost(NamedTuple):
    """What a judge takes for a record.

    Attributes:
        seconds: ``None`` where nobody measured it.
        tokens: Read and written; ``None`` where no server said so.
    """

    seconds: float | None
    tokens: float | None


def mean_cost(costs: Iterable[tuple[float | None, int | None]]) -> Cost:
    """Return the mean seconds and the mean tokens of records, each over those that are known."""
    seconds, tokens = [], []
    for took, used in costs:
        if took is not None:
            seconds.append(took)
        if used is not None:
            tokens.append(used)
    return Cost(
        statistics.fmean(seconds) if seconds else None, statistics.fmean(tokens) if tokens else None
    )


def shown_cost(cost: Cost) -> str:
    """Write a cost for people; empty where no record was sent to a judge, or nothing is known."""
    if cost.seconds is None or cost.tokens == 0:
        return ""
    is_short = cost.seconds < _LEAST_SHOWN
    seconds = "less than 0.1 s" if is_short else f"{cost.seconds:.1f} s"
    return seconds if cost.tokens is None else f"{seconds} and {cost.tokens:,.0f} tokens"
