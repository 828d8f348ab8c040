"""What passes and what fails: a record by its score, a suite by its average or its baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_llmjudge.data import GateResult
from pytest_llmjudge.data.comparison import POINTS
from pytest_llmjudge.extremes import fewest_falls
from pytest_llmjudge.stats import (
    SIGNIFICANCE,
    mean,
    mean_interval,
    points,
    probability,
    signed,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pytest_llmjudge.data import Comparison

__all__ = [
    "NOISE",
    "TEARDOWN_FAILED",
    "XPASSED",
    "Decision",
    "decide_average",
    "decide_baseline",
    "decide_record",
    "is_average_within_noise",
    "is_within_noise",
    "listed",
    "unscored",
    "whole_outcome",
    "with_break",
]

_NAMED = 10
TEARDOWN_FAILED = "its teardown failed"
XPASSED = "it passed and was expected to fail (xfail, strict)"
"""What pytest holds against an item whose own decision may be another."""
NOISE = "; the difference is within noise"
"""Ends the reason of a gate that chance alone may have decided."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a gate passes, and the sentence that says why."""

    passed: bool
    reason: str


def whole_outcome(outcomes: Collection[str]) -> str:
    """Return ``passed``, ``failed`` or ``incomplete`` for a suite of which all has a result.

    What was not run has no say, but without it nothing passes.

    Args:
        outcomes: Of its items.
    """
    if not set(outcomes) <= {"passed", "not run"}:
        return "failed"
    return "incomplete" if "not run" in outcomes else "passed"


def with_break(result: GateResult | None, name: str, reason: str) -> GateResult:
    """Return a gate that broke beside its own decision, and what that was.

    Args:
        result: Its decision; ``None`` when it came to none.
        name: The gate's.
        reason: How it broke.
    """
    if result is None:
        return GateResult(name, "error", reason)
    outcome = "failed" if result.outcome == "failed" else "error"
    return GateResult(name, outcome, f"{result.reason}; {reason}")


def decide_record(score: int, min_score: int | None) -> Decision:
    """Decide over one record: its score is at least ``min_score``, where one is set."""
    if min_score is None:
        return Decision(passed=True, reason=f"score {score}, no min_score is set")
    if score < min_score:
        return Decision(passed=False, reason=f"score {score} is below min_score {min_score}")
    return Decision(passed=True, reason=f"score {score} is at least min_score {min_score}")


def decide_average(
    scores: Mapping[str, int | None], min_average: float | None, causes: Mapping[str, str]
) -> Decision:
    """Decide over a suite: every record is scored and the mean is at least ``min_average``.

    Args:
        scores: For every record of the suite by id, its score or ``None``.
        min_average: The gate, ``None`` when the suite has only a gate for each record.
        causes: Why records are unscored, by id.
    """
    missing = [record for record, score in scores.items() if score is None]
    have = [score for score in scores.values() if score is not None]
    if missing:
        return unscored(missing, len(scores), causes, "records", "average")
    average = mean(have)
    if average is None:
        return Decision(passed=False, reason="there is no record to average")
    noun = "record" if len(have) == 1 else "records"
    figure = f"average {points(average, min_average)} over {len(have)} {noun}{_interval(have)}"
    if min_average is None:
        return Decision(passed=True, reason=f"{figure}, no min_average is set")
    noise = NOISE if is_average_within_noise(have, min_average) else ""
    if average < min_average:
        reason = f"{figure} is below min_average {points(min_average)}{noise}"
        return Decision(passed=False, reason=reason)
    reason = f"{figure} is at least min_average {points(min_average)}{noise}"
    return Decision(passed=True, reason=reason)


def decide_baseline(comparison: Comparison, max_drop: float) -> Decision:
    """Decide over a suite beside its baseline: it fails when a drop is real and too large.

    Real means that chance alone makes one of its size in less than 5 % of all cases. It fails too
    when the two cannot be compared, and when the records that did not pair up fell further than
    those that did, by more than chance: then the pairs do not speak for the suite.

    Args:
        comparison: Of the suite with its baseline.
        max_drop: Points that may be lost; of a measure with another unit nothing may.
    """
    if comparison.refusal is not None:
        return Decision(passed=False, reason=f"not compared: {comparison.refusal}")
    measure, difference, p = comparison.measure, comparison.difference or 0.0, comparison.p
    drop, allowed = measure.gain(difference, 0.0), measure.allowed(max_drop)
    is_real = p is not None and p < SIGNIFICANCE
    doubt, reach = _doubt(comparison), _reach(comparison)
    if not is_real:
        change = signed(difference)
        reason = f"no {measure.drop} shown: {change} {measure.unit}{doubt}{reach}"
    else:
        dropped = "dropped" if measure.higher_is_better else "rose"
        reason = f"{dropped} by {points(drop, allowed)} {measure.unit}{doubt}"
        if measure.unit == POINTS:
            more = "more" if drop > allowed else "no more"
            reason += f", {more} than --llm-judge-max-drop {points(allowed, drop)}"
        reason += reach
    if is_real and drop > allowed:
        return Decision(passed=False, reason=reason)
    hidden = _hidden(comparison)
    return Decision(passed=not hidden, reason=f"{hidden}; {reason}" if hidden else reason)


def _hidden(comparison: Comparison) -> str:
    """Say that the pairs hide a drop of the other records; empty when that may be chance."""
    p = comparison.unpaired_p
    if p is None or p >= SIGNIFICANCE:
        return ""
    noun, fell = comparison.measure.noun, "fell" if comparison.measure.higher_is_better else "rose"
    was, now = comparison.unpaired_average_before or 0.0, comparison.unpaired_average_after or 0.0
    return (
        f"the {noun} that did not pair up {fell} further than those that did, by more than chance "
        f"(p {probability(p)}): {comparison.unpaired_before} of the baseline average "
        f"{points(was, now)}, {comparison.unpaired_after} of this run {points(now, was)}; make a "
        f"baseline of the release with these {noun}"
    )


def _doubt(comparison: Comparison) -> str:
    parts = [] if comparison.p is None else [f"p {probability(comparison.p)}"]
    if comparison.interval is not None:
        low, high = comparison.interval
        parts.insert(0, f"95 % CI {signed(low)} to {signed(high)}")
    return f" ({', '.join(parts)})"


def _reach(comparison: Comparison) -> str:
    """Say what drops the suite can show, or why that is not known."""
    measure = comparison.measure
    noun, drop = measure.suite, measure.drop
    fewest = fewest_falls(is_binary=measure.is_binary)
    if comparison.paired < fewest:
        pairs = "one pair" if comparison.paired == 1 else f"{comparison.paired} pairs"
        return f"; {pairs} cannot show any {drop}"
    if not comparison.deviation:
        same = "all scores are as before" if not comparison.difference else "all scores moved alike"
        return f"; {same}, which does not tell what {drop}s this {noun} can show"
    least = signed(comparison.detectable or 0.0).lstrip("+")
    reach = f"; this {noun} can show {drop}s of {least} {measure.unit} or more"
    if comparison.changed is None or comparison.changed >= fewest:
        return reach
    number = "one" if comparison.changed == 1 else comparison.changed
    return f"{reach} where at least {fewest} scores change, and {number} did"


def unscored(
    ids: Sequence[str], total: int, causes: Mapping[str, str], noun: str, figure: str
) -> Decision:
    """Fail a suite of which something has no score, so that its figure is not known.

    Args:
        ids: Of what has no score.
        total: How many there are with it.
        causes: Why they have none, by id.
        noun: What they are, in the plural.
        figure: What is not known.
    """
    first = causes.get(ids[0], "it has no verdict")
    verb = "is" if len(ids) == 1 else "are"
    reason = (
        f"{len(ids)} of {total} {noun} {verb} unscored, so there is no {figure}: {listed(ids)}\n"
        f"first cause: {first}"
    )
    return Decision(passed=False, reason=reason)


def listed(ids: Sequence[str]) -> str:
    """Name the first ten, and say how many more there are."""
    named = ", ".join(ids[:_NAMED])
    return f"{named} and {len(ids) - _NAMED} more" if len(ids) > _NAMED else named


def _interval(scores: list[int]) -> str:
    interval = mean_interval(scores)
    if interval is None:
        return ""
    # Student's t knows no bounds, scores do.
    return f" (95 % CI {points(max(0, interval[0]))} to {points(min(100, interval[1]))})"


def is_average_within_noise(scores: Sequence[int], min_average: float | None) -> bool:
    """Say whether an average may be on the other side of its gate by chance alone."""
    return is_within_noise(mean_interval(scores), min_average)


def is_within_noise(interval: tuple[float, float] | None, wanted: float | None) -> bool:
    """Say whether what a gate wants lies in the interval of the figure that it decides over."""
    return interval is not None and wanted is not None and interval[0] <= wanted <= interval[1]
