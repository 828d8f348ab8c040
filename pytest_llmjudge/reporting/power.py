"""What drops a suite can show, as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.stats import signed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmjudge.data import Reach

__all__ = ["power_lines"]


def power_lines(name: str, reach: Reach, drop: float, power: float, *, noun: str) -> Iterator[str]:
    """Yield how many records a suite needs, and where that figure comes from.

    Args:
        name: Of the suite.
        reach: What drops it can show.
        drop: The one that was asked for, in points.
        power: How often it is to be shown, between 0 and 1.
        noun: What the suite consists of.
    """
    if reach.spread is None or reach.needed is None or reach.detectable is None:
        if reach.spread is None:
            yield f"{name}: nothing is known of its spread, with {reach.records} scores"
        else:
            yield f"{name}: nothing is known of its spread, all {reach.records} scores are the same"
        return
    yield (
        f"{name}: {reach.needed} {noun} show a drop of {drop:g} points in {100 * power:g} % of "
        f"all releases that have it, with at most 5 % false alarms"
    )
    least = signed(reach.detectable).lstrip("+")
    yield f"  its {reach.records} scored {noun} show drops of {least} points or more"
    if reach.pairs:
        yield (
            f"  measured: the differences of {reach.pairs} pairs have a standard deviation of "
            f"{reach.deviation:.1f} points"
        )
    else:
        yield (
            f"  assumed: differences with a standard deviation of {reach.deviation:.1f} points, "
            f"from {reach.spread:.1f} of the scores and published pairs of releases; "
            "--baseline FILE measures it"
        )
