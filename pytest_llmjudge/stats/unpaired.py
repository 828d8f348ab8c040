"""Whether the records that did not pair up fell further than those that did, beyond chance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["unpaired_test"]

_SEED = 123
_RESAMPLES = 10_000
_TIE = 1e-9
_LARGEST_BATCH = 2_000_000


def unpaired_test(
    paired: Sequence[tuple[float, float]],
    before: Sequence[float],
    after: Sequence[float],
    *,
    groups_before: Sequence[Hashable] | None = None,
    groups_after: Sequence[Hashable] | None = None,
) -> float | None:
    """Return how often chance makes the unpaired records fall as far beside the paired ones.

    The statistic is ``(mean(after) - mean(before)) - mean(new - old)``: the change of the averages
    of unpaired records, less the mean difference of the pairs. If which records pair up has
    nothing to do with their scores, then on either side any records might as well be the unpaired
    ones. So as many are drawn without replacement from all of the old scores and, independently,
    from all of the new ones, 10,000 times, seed 123, and the one-sided p is
    ``(1 + number of draws with a statistic as low) / 10,001`` (a permutation test within each
    side; E. J. G. Pitman, 1937). Records that are on both sides vary together, which the draws
    leave out: it is their p that is too high rather than too low.

    Where records are in groups, whole groups are drawn, as many as did not pair up. Of a group that
    paired up in part, either part is taken for one of its own; the two vary together as well.

    Args:
        paired: Old and new score of each pair.
        before: Scores of the baseline's records that did not pair up.
        after: Scores of this run's records that did not.
        groups_before: Of the pairs, and behind them of ``before``; ``None`` where each record is
            alone.
        groups_after: Of the pairs, and behind them of ``after``.

    Returns:
        p; ``None`` where a side has no unpaired records, or nothing is paired.
    """
    if not (paired and before and after):
        return None
    import numpy as np

    lots = np.random.default_rng(_SEED)
    old, new = ([pair[side] for pair in paired] for side in (0, 1))
    seen = _apart(math.fsum(after), len(after), new) - _apart(math.fsum(before), len(before), old)
    drawn_after = _apart_when_drawn(lots, new, after, groups_after)
    drawn_before = _apart_when_drawn(lots, old, before, groups_before)
    low = int(np.count_nonzero(drawn_after - drawn_before <= seen + _TIE))
    return (1 + low) / (1 + _RESAMPLES)


def _apart(total: float, number: int, others: Sequence[float]) -> float:
    """Return how far the mean of ``number`` scores that add up to ``total`` is above others'."""
    return total / number - math.fsum(others) / len(others)


def _apart_when_drawn(
    lots: np.random.Generator,
    paired: Sequence[float],
    alone: Sequence[float],
    groups: Sequence[Hashable] | None,
) -> NDArray[np.float64]:
    """Return how far the mean of scores that are drawn is above that of those that are left."""
    import numpy as np

    groups = range(len(paired) + len(alone)) if groups is None else groups
    own = _members(alone, groups[len(paired) :])
    # In an order that does not hang on the files', so that the draws do not either.
    pool = sorted([*_members(paired, groups[: len(paired)]), *own])
    sums, sizes = np.asarray([sum(scores) for scores in pool]), np.asarray(list(map(len, pool)))
    batch = max(1, _LARGEST_BATCH // len(pool))
    batches = []
    for start in range(0, _RESAMPLES, batch):
        rows = np.tile(np.arange(len(pool)), (min(batch, _RESAMPLES - start), 1))
        drawn = lots.permuted(rows, axis=1)[:, : len(own)]
        batches.append((sums[drawn].sum(axis=1), sizes[drawn].sum(axis=1)))
    totals, numbers = (np.concatenate(column) for column in zip(*batches, strict=True))
    left: NDArray[np.float64] = (sums.sum() - totals) / (sizes.sum() - numbers)
    apart: NDArray[np.float64] = totals / numbers - left
    return apart


def _members(scores: Sequence[float], groups: Sequence[Hashable]) -> list[list[float]]:
    """Return the scores of each group, the lowest first."""
    members: dict[Hashable, list[float]] = {}
    for score, group in zip(scores, groups, strict=True):
        members.setdefault(group, []).append(float(score))
    return list(map(sorted, members.values()))
