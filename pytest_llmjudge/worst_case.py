"""Whether the gate [baseline] can fail: what it says of the worst model there can be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_llmjudge.comparison import LEAST_PAIRED
from pytest_llmjudge.extremes import fewest_falls, least_p
from pytest_llmjudge.groups import count_groups, group_numbers
from pytest_llmjudge.stats import SIGNIFICANCE, points, probability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.data import Side

__all__ = ["why_it_cannot_fail"]

# So many that all fall are far beyond chance, and no test need be imported to see it.
_SURELY_ENOUGH = 14


def why_it_cannot_fail(
    before: Side,
    keys: Sequence[tuple[str, str]],
    max_drop: float,
    names: Sequence[str | None] | None = None,
) -> tuple[str, str] | None:
    """Say why a suite cannot fail beside its baseline, and what to do; ``None`` when it can.

    In the worst case every record scores 0. Then the gate fails when the mean of the paired
    records' old scores is above ``max_drop``, and the drop has p < 0.05 by the test of its kind.
    Where higher is worse, nothing bounds what a record can lose. Records of a group get worse
    together, so that what can be shown depends on the number of groups.

    Args:
        before: The baseline's side.
        keys: Id and content of each record or question of the run.
        max_drop: Points that may be lost.
        names: The group of each, ``None`` for one that is alone or where all are.
    """
    wanted = dict(zip(keys, names or [None] * len(keys), strict=True))
    paired = [
        (entry.score, wanted[entry.id, entry.content])
        for entry in before.entries
        if entry.score is not None and (entry.id, entry.content) in wanted
    ]
    old = [score for score, _ in paired]
    if len(old) < LEAST_PAIRED * max(len(before.entries), len(wanted), 1):
        # The gate refuses to compare them, and so fails.
        return None
    measure, average = before.measure, math.fsum(old) / len(old)
    if measure.higher_is_better and average <= max_drop:
        problem = (
            f"--llm-judge-max-drop {points(max_drop)} allows the loss of all that the baseline "
            f"scored, {points(average)} {measure.unit}"
        )
        return problem, f"allow fewer {measure.unit}"
    fallen = [name for score, name in paired if score > 0 or not measure.higher_is_better]
    groups = group_numbers(fallen)
    falls = len(fallen) if groups is None else count_groups(groups)
    least = 0.0 if falls > _SURELY_ENOUGH else least_p(falls, is_binary=measure.is_binary)
    if least < SIGNIFICANCE:
        return None
    noun = measure.noun if groups is None else "groups"
    needed = fewest_falls(is_binary=measure.is_binary)
    lower = "lower" if measure.higher_is_better else "higher"
    able = "can be lost" if measure.is_binary else f"can score {lower} than in the baseline"
    problem = (
        f"only {falls} of its {noun} {able}, which shows no {measure.drop}: "
        f"p {probability(least)} at best, and p < {SIGNIFICANCE:g} is needed"
    )
    return problem, f"give it {needed} such {noun} or more"
