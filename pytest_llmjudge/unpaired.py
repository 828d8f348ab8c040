"""Whether the records that did not pair up fell further than those that did, beyond chance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["unpaired_test"]

_SEED = 123
_RESAMPLES = 10_000
_TIE = 1e-9
_LARGEST_BATCH = 2_000_000


def unpaired_test(
    paired: Sequence[tuple[float, float]], before: Sequence[float], after: Sequence[float]
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

    Args:
        paired: Old and new score of each pair.
        before: Scores of the baseline's records that did not pair up.
        after: Scores of this run's records that did not.

    Returns:
        p; ``None`` where a side has no unpaired records, or nothing is paired.
    """
    if not (paired and before and after):
        return None
    import numpy as np

    lots = np.random.default_rng(_SEED)
    old, new = ([pair[side] for pair in paired] for side in (0, 1))
    seen = _apart(math.fsum(after), len(after), new) - _apart(math.fsum(before), len(before), old)
    drawn_after = _apart_when_drawn(lots, [*new, *after], len(after))
    drawn_before = _apart_when_drawn(lots, [*old, *before], len(before))
    low = int(np.count_nonzero(drawn_after - drawn_before <= seen + _TIE))
    return (1 + low) / (1 + _RESAMPLES)


def _apart(total: float, number: int, others: Sequence[float]) -> float:
    """Return how far the mean of ``number`` scores that add up to ``total`` is above others'."""
    return total / number - math.fsum(others) / len(others)


def _apart_when_drawn(
    lots: np.random.Generator, scores: Sequence[float], number: int
) -> NDArray[np.float64]:
    """Return how far the mean of scores that are drawn is above that of those that are left."""
    import numpy as np

    # In an order that does not hang on the files', so that the draws do not either.
    pool = np.sort(np.asarray(scores, dtype=float))
    size = max(1, _LARGEST_BATCH // pool.size)
    batches = []
    for start in range(0, _RESAMPLES, size):
        rows = np.tile(pool, (min(size, _RESAMPLES - start), 1))
        batches.append(lots.permuted(rows, axis=1)[:, :number].sum(axis=1))
    totals = np.concatenate(batches)
    apart: NDArray[np.float64] = totals / number - (pool.sum() - totals) / (pool.size - number)
    return apart
