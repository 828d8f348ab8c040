"""How many records a suite needs, under the rule that it is held to its baseline by."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_llmjudge.bounds import margin_to_tell, records_to_tell
from pytest_llmjudge.data.comparison import NOT_WORSE
from pytest_llmjudge.stats import POWER, points, reach_of, signed

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

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
) -> Reach:
    """Say how many records it takes to show a drop, or to prove that less was lost.

    Args:
        rule: ``no-drop`` asks for the first, ``not-worse`` for the second.
        scores: Of one release.
        deviation: Standard deviation of the differences between two releases; see
            :func:`~pytest_llmjudge.stats.reach_of` for what is assumed without one.
        pairs: How many pairs it comes from.
        drop: In the unit of the scores, above 0.
        power: Chance that such a drop is shown, or that an equal model is proved not worse.
        furthest: By how much two scores can differ, in their unit.
    """
    proves = rule.name == NOT_WORSE
    alpha = rule.alpha if proves else rule.drop_alpha
    reach = reach_of(scores, deviation, pairs, drop=drop, power=power, alpha=alpha)
    if not proves or not reach.deviation:
        return reach
    needed = records_to_tell(reach.deviation, drop, rule.alpha, power, furthest=furthest)
    if reach.records < 2:
        return replace(reach, needed=needed, detectable=None)
    least = margin_to_tell(reach.deviation, reach.records, rule.alpha, power, furthest=furthest)
    return replace(reach, needed=needed, detectable=least)


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
    reach = reach_under(rule, scores, deviation, pairs, drop=rule.margin, furthest=measure.furthest)
    if reach.needed is None or reach.deviation is None or reach.needed <= len(scores):
        return None
    source = f"measured on {pairs} pairs" if reach.pairs else "assumed from its scores"
    return (
        f"its {len(scores)} {measure.noun} are too few for a margin of {points(rule.margin)} "
        f"{measure.unit}: it takes {reach.needed} to prove in {100 * POWER:g} % of all cases that "
        f"an equal model is not worse, where differences deviate by "
        f"{signed(reach.deviation).lstrip('+')} {measure.unit} ({source})"
    )
