"""Whether the records that did not pair up fell further than those that did, beyond chance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_llmjudge.groups import have_groups

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

    Where records are in groups, these are drawn one after the other until there are as many
    records, and of the first and the last one as many records as it takes. To that end a side's
    groups are put around a circle at random, and the records that follow a random one are drawn.

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
    drawn_after = _apart_when_drawn(lots, [*new, *after], len(after), groups_after)
    drawn_before = _apart_when_drawn(lots, [*old, *before], len(before), groups_before)
    low = int(np.count_nonzero(drawn_after - drawn_before <= seen + _TIE))
    return (1 + low) / (1 + _RESAMPLES)


def _apart(total: float, number: int, others: Sequence[float]) -> float:
    """Return how far the mean of ``number`` scores that add up to ``total`` is above others'."""
    return total / number - math.fsum(others) / len(others)


def _apart_when_drawn(
    lots: np.random.Generator,
    scores: Sequence[float],
    number: int,
    groups: Sequence[Hashable] | None,
) -> NDArray[np.float64]:
    """Return how far the mean of scores that are drawn is above that of those that are left."""
    import numpy as np

    totals = (
        _totals_of_groups(lots, scores, number, groups)
        if groups is not None and have_groups(groups)
        else _totals_of_records(lots, scores, number)
    )
    whole = np.sort(np.asarray(scores, dtype=float)).sum()
    apart: NDArray[np.float64] = totals / number - (whole - totals) / (len(scores) - number)
    return apart


def _totals_of_records(
    lots: np.random.Generator, scores: Sequence[float], number: int
) -> NDArray[np.float64]:
    """Return the sums of so many scores, drawn 10,000 times."""
    import numpy as np

    # In an order that does not hang on the files', so that the draws do not either.
    pool = np.sort(np.asarray(scores, dtype=float))
    size = max(1, _LARGEST_BATCH // pool.size)
    batches = []
    for start in range(0, _RESAMPLES, size):
        rows = np.tile(pool, (min(size, _RESAMPLES - start), 1))
        batches.append(lots.permuted(rows, axis=1)[:, :number].sum(axis=1))
    return np.concatenate(batches)


def _totals_of_groups(
    lots: np.random.Generator, scores: Sequence[float], number: int, groups: Sequence[Hashable]
) -> NDArray[np.float64]:
    """Return the same sums where neighbours on a circle of groups are drawn."""
    import numpy as np

    members: dict[Hashable, list[float]] = {}
    for score, group in zip(scores, groups, strict=True):
        members.setdefault(group, []).append(score)
    # As above.
    ordered = sorted(sorted(own) for own in members.values())
    pool, sizes = np.concatenate(ordered), np.asarray(list(map(len, ordered)))
    starts, places = sizes.cumsum() - sizes, np.arange(pool.size)
    totals = np.empty(_RESAMPLES)
    for draw in range(_RESAMPLES):
        order = lots.permutation(sizes.size)
        own = sizes[order]
        circle = pool[places + np.repeat(starts[order] - (own.cumsum() - own), own)]
        begin = int(lots.integers(pool.size))
        end = begin + number
        totals[draw] = circle[begin:end].sum() + circle[: max(0, end - pool.size)].sum()
    return totals
