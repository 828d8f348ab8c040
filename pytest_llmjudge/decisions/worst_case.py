"""Whether the gate [baseline] can fail: what it says of the worst model there can be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_llmjudge.decisions.comparison import LEAST_PAIRED, scores_before
from pytest_llmjudge.stats.basics import LEAST_RESAMPLED, points, probability
from pytest_llmjudge.stats.extremes import fewest_falls, least_p
from pytest_llmjudge.stats.groups import count_groups, group_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.data import Rule, Side

__all__ = ["why_it_cannot_fail"]


def why_it_cannot_fail(
    before: Side,
    keys: Sequence[tuple[str, str]],
    rule: Rule,
    names: Sequence[str | None] | None = None,
) -> tuple[str, str] | None:
    """Say why a suite cannot fail beside its baseline, and what to do; ``None`` when it can.

    In the worst case every record scores 0. Then the gate fails when the mean of the paired
    records' old scores is above the margin, and the drop has p < alpha by the test of its kind.
    Where higher is worse, nothing bounds what a record can lose. Records of a group get worse
    together, so that what can be shown depends on the number of groups. Under ``not-worse`` too few
    records fail as inconclusive, unless that is only a warning.

    Args:
        before: The baseline's side.
        keys: Id and content of each record or question of the run.
        rule: By which the suite is held to the baseline.
        names: The group of each, ``None`` for one that is alone or where all are.
    """
    paired = scores_before(before, keys, names)
    old = [score for score, _ in paired]
    if len(old) < LEAST_PAIRED * max(len(before.entries), len(set(keys)), 1):
        # The gate refuses to compare them, and so fails.
        return None
    measure, average = before.measure, math.fsum(old) / len(old)
    if measure.higher_is_better and average <= rule.margin:
        problem, hint = (
            f"the baseline scored 0 {measure.unit}, which leaves nothing to lose",
            "ask what its model can answer",
        )
        if average:
            problem = (
                f"{rule.option} {rule.margin:g} allows the loss of all that the baseline "
                f"scored, {points(average)} {measure.unit}"
            )
            hint = f"allow fewer {measure.unit}"
        return problem, hint
    if rule.must_prove:
        return None
    groups = group_numbers(name for _, name in paired)
    units = range(len(old)) if groups is None else groups
    fallen = {
        unit
        for unit, score in zip(units, old, strict=True)
        if score > 0 or not measure.higher_is_better
    }
    falls, is_exact = len(fallen), measure.is_binary and groups is None
    least, alpha = least_p(falls, count_groups(units), is_binary=is_exact), rule.drop_alpha
    if least < alpha:
        return None
    if alpha <= LEAST_RESAMPLED and not is_exact:
        problem = (
            f"p < {alpha:.3g} is needed, and a test of 10,000 resamples has 1 / 10,001 at best"
        )
        return problem, "compare fewer suites in one run, or raise alpha"
    noun, needed = measure.noun if groups is None else "groups", fewest_falls(alpha)
    lower = "lower" if measure.higher_is_better else "higher"
    able = "can be lost" if measure.is_binary else f"can score {lower} than in the baseline"
    problem = (
        f"only {falls} of its {noun} {able}, which shows no {measure.drop}: "
        f"p {probability(least, alpha)} at best, and p < {alpha:.3g} is needed"
    )
    return problem, f"give it {needed} such {noun} or more"
