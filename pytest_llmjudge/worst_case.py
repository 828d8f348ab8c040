"""Whether the gate [baseline] can fail: what it says of the worst model there can be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_llmjudge.comparison import LEAST_PAIRED, NOUNS
from pytest_llmjudge.extremes import fewest_falls, least_p
from pytest_llmjudge.stats import SIGNIFICANCE, points, probability

if TYPE_CHECKING:
    from collections.abc import Collection

    from pytest_llmjudge.data import Side

__all__ = ["why_it_cannot_fail"]

# So many that all fall are far beyond chance, and no test need be imported to see it.
_SURELY_ENOUGH = 14


def why_it_cannot_fail(
    before: Side, keys: Collection[tuple[str, str]], max_drop: float
) -> tuple[str, str] | None:
    """Say why a suite cannot fail beside its baseline, and what to do; ``None`` when it can.

    In the worst case every record scores 0. Then the gate fails when the mean of the paired
    records' old scores is above ``max_drop``, and the drop has p < 0.05 by the test of its kind.

    Args:
        before: The baseline's side.
        keys: Id and content of each record or question of the run.
        max_drop: Points that may be lost.
    """
    wanted = set(keys)
    old = [
        entry.score
        for entry in before.entries
        if entry.score is not None and (entry.id, entry.content) in wanted
    ]
    if len(old) < LEAST_PAIRED * max(len(before.entries), len(wanted), 1):
        # The gate refuses to compare them, and so fails.
        return None
    average = math.fsum(old) / len(old)
    if average <= max_drop:
        found = (
            f"--llm-judge-max-drop {points(max_drop)} allows the loss of all that the baseline "
            f"scored, {points(average)} points"
        )
        return found, "allow fewer points"
    falls = sum(score > 0 for score in old)
    least = 0.0 if falls > _SURELY_ENOUGH else least_p(before.kind, falls)
    if least < SIGNIFICANCE:
        return None
    noun, needed = NOUNS[before.kind], fewest_falls(before.kind)
    able = "can score lower than in the baseline" if before.kind == "judge" else "can be lost"
    found = (
        f"only {falls} of its {noun} {able}, which shows no drop: p {probability(least)} at best, "
        f"and p < {SIGNIFICANCE:g} is needed"
    )
    return found, f"give it {needed} such {noun} or more"
