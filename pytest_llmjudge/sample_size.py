"""How many records a suite needs, under the rule that it is held to its baseline by."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pytest_llmjudge.data.comparison import NOT_WORSE
from pytest_llmjudge.gates import records_to_prove
from pytest_llmjudge.stats import POWER, points, reach_of, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from pytest_llmjudge.data import Measure, Reach, Rule, Side

__all__ = ["reach_under", "too_few"]


def reach_under(
    rule: Rule,
    measure: Measure,
    scores: Sequence[float],
    deviation: float | None,
    pairs: int,
    *,
    power: float = POWER,
) -> Reach:
    """Say how many records it takes to show a drop, or to prove that less was lost.

    Args:
        rule: ``no-drop`` asks for the first, ``not-worse`` for the second; its margin, above 0, is
            the drop.
        measure: What the scores mean.
        scores: Of one release.
        deviation: Standard deviation of the differences between two releases; see
            :func:`~pytest_llmjudge.stats.reach_of` for what is assumed without one.
        pairs: How many pairs it comes from.
        power: Chance that such a drop is shown, or that an equal model is proved not worse.
    """
    proves = rule.name == NOT_WORSE
    alpha = rule.alpha if proves else rule.drop_alpha
    reach = reach_of(scores, deviation, pairs, drop=rule.margin, power=power, alpha=alpha)
    if not proves or not reach.deviation:
        return reach

    needed = partial(records_to_prove, measure, reach.deviation, alpha=alpha, power=power)
    # The number of records is asked for margins below the largest there can be.
    most = min(0.99 * measure.furthest, 1000 * reach.deviation)
    least = _least(needed, len(scores), most)
    return replace(reach, needed=needed(rule.margin), detectable=least)


def _least(needed: Callable[[float], int], count: int, high: float) -> float | None:
    """Return the smallest margin that so many records prove, to a thousandth of it.

    ``None`` where not even ``high`` is proved by them.
    """
    if needed(high) > count:
        return None
    low = high
    while needed(low) <= count:
        low /= 2
    while high - low > high / 1000:
        middle = (low + high) / 2
        low, high = (low, middle) if needed(middle) <= count else (middle, high)
    return high


def too_few(
    before: Side,
    keys: Collection[tuple[str, str]],
    rule: Rule,
    deviation: float | None,
    pairs: int,
) -> str | None:
    """Say that a suite has too few records to be proved not worse; ``None`` where it has enough.

    Args:
        before: The baseline's side.
        keys: Id and content of each record or question of the run.
        rule: ``not-worse``, by which the suite is held to the baseline.
        deviation: Standard deviation of the differences between two releases, where one is known.
        pairs: How many pairs it comes from.
    """
    wanted, measure = set(keys), before.measure
    scores = [
        entry.score
        for entry in before.entries
        if entry.score is not None and (entry.id, entry.content) in wanted
    ]
    reach = reach_under(rule, measure, scores, deviation, pairs)
    if reach.needed is None or reach.deviation is None or reach.needed <= len(scores):
        return None
    source = f"measured on {pairs} pairs" if reach.pairs else "assumed from its scores"
    return (
        f"its {len(scores)} {measure.noun} are too few for a margin of {points(rule.margin)} "
        f"{measure.unit}: it takes {reach.needed} to prove in {100 * POWER:g} % of all cases that "
        f"an equal model is not worse, where differences deviate by "
        f"{signed(reach.deviation).lstrip('+')} {measure.unit} ({source})"
    )
