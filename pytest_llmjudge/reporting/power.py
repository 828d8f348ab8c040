"""What drops a suite can show, as lines for a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_llmjudge.data.comparison import NOT_WORSE
from pytest_llmjudge.errors import count_of
from pytest_llmjudge.stats.basics import signed
from pytest_llmjudge.stats.groups import in_groups
from pytest_llmjudge.values import MOST_POWER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmjudge.data import Measure, Reach, Rule

__all__ = ["power_lines"]


def power_lines(
    name: str, reach: Reach, rule: Rule, power: float, measure: Measure
) -> Iterator[str]:
    """Yield how many records a suite needs, and where that figure comes from.

    Args:
        name: Of the suite.
        reach: What drops it can show.
        rule: Its margin is the drop that was asked for, in the measure's unit.
        power: How often it is to be shown, or an equal model to be proved not worse; 0 to 1.
        measure: What the suite's scores mean.
    """
    noun, unit = measure.noun, measure.unit
    if reach.spread is None or reach.needed is None:
        number = f"{count_of(reach.records, 'score')}{in_groups(reach.groups)}"
        if reach.spread is None or reach.groups is not None:
            yield f"{name}: nothing is known of its spread, with {number}"
        else:
            yield f"{name}: nothing is known of its spread, all {reach.records} scores are the same"
        return
    least = "" if reach.detectable is None else signed(reach.detectable).lstrip("+")
    needed = f"{reach.needed} {noun}{in_groups(reach.groups_needed)}"
    there = f"{reach.records} scored {noun}{in_groups(reach.groups)}"
    if rule.name == NOT_WORSE:
        yield (
            f"{name}: {needed} prove a release not worse by {rule.margin:g} {unit} or "
            f"more in {100 * power:g} % of all cases where it is equal; one that is worse by "
            f"{rule.margin:g} {unit} passes in at most {_percent(rule.alpha)} %"
        )
        if least:
            yield f"  its {there} do so for a margin of {least} {unit} or more"
        if rule.suites > 1:
            yield f"  {rule.suites} such suites {_all_pass(rule.suites, power)}"
    else:
        several = f" in any of {rule.suites} suites" if rule.suites > 1 else ""
        yield (
            f"{name}: {needed} show a {measure.drop} of {rule.margin:g} {unit} in "
            f"{100 * power:g} % of all releases that have it, with at most "
            f"{_percent(rule.alpha)} % false alarms{several}"
        )
        shown = (
            f"show {measure.drop}s of {least} {unit} or more"
            if least
            else f"cannot show any {measure.drop}"
        )
        yield f"  its {there} {shown}"
    if reach.pairs:
        yield (
            f"  measured: the differences of {reach.pairs} pairs have a standard deviation of "
            f"{_figure(reach.deviation)} {unit}"
        )
    else:
        yield (
            f"  assumed: differences with a standard deviation of {_figure(reach.deviation)} "
            f"{unit}, from {_figure(reach.spread)} of the scores and published pairs of releases; "
            "--baseline FILE measures it"
        )
    if reach.design_effect is None:
        return
    effect = _figure(reach.design_effect)
    if rule.name == NOT_WORSE:
        yield f"  its groups have a design effect of {effect}, and whole ones may be lost unseen"
    else:
        yield (
            f"  that is {effect} times as many {noun} as where each is alone "
            "(the design effect of its groups)"
        )


def _all_pass(suites: int, power: float) -> str:
    """Say how often all of some suites pass, and with which power they do so often enough."""
    each = power ** (1 / suites)
    passing = f"all pass in {_percent(power**suites)} % of these cases"
    if each > MOST_POWER:
        return passing
    return f"{passing}, and with --power {math.ceil(1000 * each) / 1000:g} in {_percent(power)} %"


def _percent(alpha: float) -> str:
    return f"{100 * alpha:.4g}"


def _figure(value: float | None) -> str:
    return signed(value or 0.0).lstrip("+")
