"""How many records a suite needs, under the rule that it is held to its baseline by."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_llmjudge.data.comparison import NOT_WORSE
from pytest_llmjudge.decisions.comparison import scores_before
from pytest_llmjudge.stats.basics import POWER, groups_for, reach_of, signed
from pytest_llmjudge.stats.bounds import margin_to_tell, records_to_tell
from pytest_llmjudge.stats.extremes import fewest_falls
from pytest_llmjudge.stats.groups import group_numbers, in_groups

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from pytest_llmjudge.data import Reach, Rule, Side

__all__ = ["reach_under", "too_few"]


def reach_under(
    rule: Rule,
    scores: Sequence[float],
    deviation: float | None,
    pairs: int,
    *,
    drop: float,
    power: float = POWER,
    furthest: float = 100.0,
    groups: Sequence[Hashable] | None = None,
    effect: float | None = None,
) -> Reach:
    """Say how many records it takes to show a drop, or to prove that less was lost.

    Args:
        rule: ``no-drop`` asks for the first, ``not-worse`` for the second.
        scores: Of one release.
        deviation: Standard deviation of the differences between two releases; see
            :func:`~pytest_llmjudge.stats.basics.reach_of` for what is assumed without one.
        pairs: How many pairs it comes from.
        drop: In the unit of the scores, above 0.
        power: Chance that such a drop is shown, or that an equal model is proved not worse.
        furthest: By how much two scores can differ, in their unit.
        groups: Of the scores; ``None`` where each record is alone.
        effect: The design effect of the groups on the differences, where it is known.
    """
    proves = rule.name == NOT_WORSE
    reach = reach_of(
        scores,
        deviation,
        pairs,
        drop=drop,
        power=power,
        alpha=rule.planned_alpha,
        groups=groups,
        effect=effect,
    )
    if not reach.deviation or reach.needed is None:
        return reach
    if not proves:
        return _possible(reach, reach.needed, rule.planned_alpha, furthest)
    units = reach.groups or reach.records
    size, effect = reach.records / units, reach.design_effect or 1.0
    needed = records_to_tell(
        reach.deviation, drop, rule.alpha, power, furthest=furthest, size=size, effect=effect
    )
    deviation = reach.deviation * math.sqrt(effect / size)
    least = None
    if units > 1:
        least = margin_to_tell(deviation, units, rule.alpha, power, furthest=furthest)
    number = groups_for(needed, reach.groups, reach.records)
    return replace(reach, needed=needed, groups_needed=number, detectable=least)


def _possible(reach: Reach, needed: int, alpha: float, furthest: float) -> Reach:
    """Hold figures of a normal distribution to what so few records, and such scores, can show."""
    units, fewest = reach.groups or reach.records, fewest_falls(alpha)
    needed = max(needed, math.ceil(fewest * reach.records / units))
    least = reach.detectable
    if units < fewest or (least is not None and least > furthest):
        least = None
    number = groups_for(needed, reach.groups, reach.records)
    return replace(reach, needed=needed, groups_needed=number, detectable=least)


def too_few(
    before: Side,
    keys: Sequence[tuple[str, str]],
    rule: Rule,
    deviation: float | None,
    pairs: int,
    *,
    effect: float | None = None,
    names: Sequence[str | None] | None = None,
) -> str | None:
    """Say that a suite has too few records to be proved not worse; ``None`` where it has enough.

    Args:
        before: The baseline's side.
        keys: Id and content of each record or question of the run.
        rule: ``not-worse``, by which the suite is held to the baseline.
        deviation: Standard deviation of the differences between two releases, where one is known.
        pairs: How many pairs it comes from.
        effect: The design effect of groups on the differences, where it is known.
        names: The group of each record, ``None`` for one that is alone or where all are.
    """
    measure, scored = before.measure, scores_before(before, keys, names)
    scores, groups = [score for score, _ in scored], group_numbers(name for _, name in scored)
    reach = reach_under(
        rule,
        scores,
        deviation,
        pairs,
        drop=rule.margin,
        furthest=measure.furthest,
        groups=groups,
        effect=effect,
    )
    if reach.needed is None or reach.deviation is None or reach.needed <= len(scores):
        return None
    source = f"measured on {pairs} pairs" if reach.pairs else "assumed from its scores"
    return (
        f"its {len(scores)} {measure.noun}{in_groups(groups)} are too few for a margin of "
        f"{rule.margin:g} {measure.unit}: it takes "
        f"{reach.needed}{in_groups(reach.groups_needed)} to prove in {100 * POWER:g} % of all "
        f"cases that an equal model is not worse, where differences deviate by "
        f"{signed(reach.deviation).lstrip('+')} {measure.unit} ({source})"
    )
