"""What passes and what fails: a record by its score, a suite by its average or its baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from pytest_llmjudge.data import GateResult
from pytest_llmjudge.data.comparison import INCONCLUSIVE, NOT_WORSE, SIGNIFICANCE, WARN, WORSE
from pytest_llmjudge.stats.basics import (
    POWER,
    confidence,
    groups_for,
    mean,
    mean_interval,
    points,
    probability,
    signed,
)
from pytest_llmjudge.stats.bounds import records_to_tell
from pytest_llmjudge.stats.extremes import fewest_falls, least_p
from pytest_llmjudge.stats.groups import group_numbers, in_groups

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Mapping, Sequence

    from pytest_llmjudge.data import Comparison, CorrectedAverage, Measure, Rule

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
    "outcome_of",
    "unscored",
    "whole_outcome",
    "widening",
    "with_break",
]

_NAMED = 10
TEARDOWN_FAILED = "its teardown failed"
XPASSED = "it passed and was expected to fail (xfail, strict)"
"""What pytest holds against an item whose own decision may be another."""
NOISE = "; the difference is within noise"
"""Ends the reason of a gate that chance alone may have decided."""


class _Ended(Protocol):
    @property
    def outcome(self) -> str:
        """What became of it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a gate passes, and the sentence that says why; ``cause`` as of a ``GateResult``."""

    passed: bool
    reason: str
    cause: str | None = None


def whole_outcome(outcomes: Collection[str]) -> str:
    """Return ``passed``, ``failed`` or ``incomplete`` for a suite of which all has a result.

    What was not run has no say, but without it nothing passes.

    Args:
        outcomes: Of its items.
    """
    if not set(outcomes) <= {"passed", "not run"}:
        return "failed"
    return "incomplete" if "not run" in outcomes else "passed"


def outcome_of(samples: Sequence[_Ended], gates: Sequence[_Ended], *, has_all: bool) -> str:
    """Return the outcome of a suite: ``incomplete`` where a sample has no result.

    Args:
        samples: Of the suite.
        gates: The same.
        has_all: Whether each sample has a result.
    """
    if not has_all:
        return "incomplete"
    return whole_outcome({one.outcome for one in (*samples, *gates)})


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
    return replace(result, outcome=outcome, reason=f"{result.reason}; {reason}")


def decide_record(score: int, min_score: int | None) -> Decision:
    """Decide over one record: its score is at least ``min_score``, where one is set."""
    if min_score is None:
        return Decision(passed=True, reason=f"score {score}, no min_score is set")
    if score < min_score:
        return Decision(passed=False, reason=f"score {score} is below min_score {min_score}")
    return Decision(passed=True, reason=f"score {score} is at least min_score {min_score}")


def decide_average(
    scores: Mapping[str, int | None],
    min_average: float | None,
    causes: Mapping[str, str],
    names: Mapping[str, str | None] | None = None,
    corrected: CorrectedAverage | None = None,
    *,
    decides: bool = False,
) -> Decision:
    """Decide over a suite: every record is scored and the mean is at least ``min_average``.

    Args:
        scores: For every record of the suite by id, its score or ``None``.
        min_average: The gate, ``None`` when the suite has only a gate for each record.
        causes: Why records are unscored, by id.
        names: The group of each record by id, ``None`` for one that is alone or where all are.
        corrected: The average as people's labels correct it, where they do.
        decides: Whether the corrected average is to reach ``min_average``, not the judge's.
    """
    missing = [record for record, score in scores.items() if score is None]
    have = [score for score in scores.values() if score is not None]
    if missing:
        return unscored(missing, len(scores), causes, "records", "average")
    average = mean(have)
    if average is None:
        return Decision(passed=False, reason="there is no record to average")
    groups = None if names is None else group_numbers(names[record] for record in scores)
    noun = ("record" if len(have) == 1 else "records") + in_groups(groups)
    interval = mean_interval(have, groups)
    own = f"{points(average, min_average)}{_shown_interval(interval)}"
    figure = f"average {points(average, min_average)} over {len(have)} {noun}"
    figure += _shown_interval(interval)
    other = ""
    if corrected is not None:
        average_of_people = points(corrected.average, min_average)
        people = f"{average_of_people}{_shown_interval(corrected.interval)}"
        other = f"; corrected by {corrected.labels} labels it is {people}"
        if decides:
            figure = f"corrected average {average_of_people} over {len(have)} {noun}, "
            figure += f"{corrected.labels} of them labelled{_shown_interval(corrected.interval)}"
            other = f"; the judge's own is {own}{widening(corrected, interval)}"
            average, interval = corrected.average, corrected.interval
    if min_average is None:
        return Decision(passed=True, reason=f"{figure}, no min_average is set{other}")
    noise = NOISE if is_within_noise(interval, min_average) else ""
    passed = average >= min_average
    held = "is at least min_average" if passed else "is below min_average"
    reason = f"{figure} {held} {points(min_average)}{noise}{other}"
    return Decision(passed=passed, reason=reason)


def widening(corrected: CorrectedAverage, own: tuple[float, float] | None) -> str:
    """Say that a correction widens the interval of an average; empty where it does not.

    Args:
        corrected: The average that is corrected.
        own: The interval of the judge's own average.
    """
    if own is None:
        return ""
    was, now = own[1] - own[0], corrected.interval[1] - corrected.interval[0]
    if now <= was:
        return ""
    return f"; the correction widens the interval from {points(was)} to {points(now)} points"


def decide_baseline(comparison: Comparison) -> Decision:
    """Decide over a suite beside its baseline, by the rule of the comparison.

    By either rule it fails when a drop is real and larger than the margin, where real means that
    chance alone makes one of its size less often than ``comparison.alpha`` says. It fails too when
    the two cannot be compared, and when the records that did not pair up fell further than those
    that did, by more than chance: then the pairs do not speak for the suite. By ``not-worse`` the
    suite also has to prove that it lost less than the margin, with the bounds of the comparison,
    and no record of it may be without a score.
    """
    if comparison.refusal is not None:
        return Decision(passed=False, reason=f"not compared: {comparison.refusal}")
    drop = comparison.measure.gain(comparison.difference or 0.0, 0.0)
    is_real = comparison.p is not None and comparison.p < comparison.alpha
    change = _change(comparison, is_real=is_real)
    if is_real and drop > comparison.rule.margin:
        return Decision(passed=False, reason=change, cause=WORSE)
    hidden = _hidden(comparison)
    if hidden:
        return Decision(passed=False, reason=f"{hidden}; {change}")
    if comparison.rule.name == NOT_WORSE:
        return _unscored_now(comparison) or _decide_not_worse(comparison)
    return Decision(passed=True, reason=change)


def _change(comparison: Comparison, *, is_real: bool) -> str:
    """Say whether a drop was shown, how large it is beside the margin, and what can be shown."""
    measure, rule = comparison.measure, comparison.rule
    difference = comparison.difference or 0.0
    doubt = _doubt(comparison) + _by_labels(comparison)
    reach = _reach(comparison)
    if not is_real:
        return f"no {measure.drop} shown: {signed(difference)} {measure.unit}{doubt}{reach}"
    drop = measure.gain(difference, 0.0)
    dropped = "dropped" if measure.higher_is_better else "rose"
    reason = f"{dropped} by {points(drop, rule.margin)} {measure.unit}{doubt}"
    if rule.option:
        more = "more" if drop > rule.margin else "no more"
        reason += f", {more} than {rule.option} {rule.margin:g}"
    return reason + reach


def _decide_not_worse(comparison: Comparison) -> Decision:
    """Decide whether less than the margin was lost, where no larger drop is shown."""
    measure, rule, bounds = comparison.measure, comparison.rule, comparison.bounds
    worse = _worse_by_margin(rule, measure)
    change = f"{_beside_margin(comparison, comparison.difference or 0.0)} {measure.unit}"
    change += _by_labels(comparison)
    unsure = _unsure(rule, measure)
    if bounds is None:
        number, counted = _units(comparison)
        unbounded = f"{_moved_alike(comparison)}, and nothing bounds how far a score can rise"
        why = f"with {counted}" if number < 2 else unbounded
        return _inconclusive(f"{unsure}: {change}, {why}", rule)
    # A bound towards the worse is the least of a score, and the most of a loss.
    sides = ("least", "most") if measure.higher_is_better else ("most", "least")
    levels = rule.alpha, comparison.alpha
    worst, best = (
        f"at {side} {_beside_margin(comparison, bound)} with {confidence(alpha)} % confidence"
        for side, bound, alpha in zip(sides, bounds, levels, strict=True)
    )
    if measure.gain(0.0, bounds[0]) > -rule.margin:
        return Decision(passed=True, reason=f"not {worse}: {change}, {worst}")
    if measure.gain(0.0, bounds[1]) < -rule.margin:
        return Decision(passed=False, reason=f"{worse}: {change}, {best}", cause=WORSE)
    return _inconclusive(f"{unsure}: {change}, {worst}; {_enough(comparison)}", rule)


def _worse_by_margin(rule: Rule, measure: Measure) -> str:
    unit = measure.unit.removesuffix("s") if rule.margin == 1 else measure.unit
    return f"worse by {rule.margin:g} {unit} or more"


def _unsure(rule: Rule, measure: Measure) -> str:
    return f"cannot tell whether it is {_worse_by_margin(rule, measure)}"


def _unscored_now(comparison: Comparison) -> Decision | None:
    """Refuse a proof where records of this run have no score; ``None`` where all have one.

    A model may fail to answer just where it got worse, so that the others prove nothing. A warning
    does not do in the place of their scores.
    """
    unscored_now, measure = comparison.unscored_after, comparison.measure
    if not unscored_now:
        return None
    total = comparison.paired + comparison.unpaired_after + unscored_now
    verb = "is" if unscored_now == 1 else "are"
    reason = (
        f"{_unsure(comparison.rule, measure)}: {unscored_now} of {total} {measure.noun} {verb} "
        "unscored, and may be what got worse; have them all scored"
    )
    return Decision(passed=False, reason=reason, cause=INCONCLUSIVE)


def _inconclusive(text: str, rule: Rule) -> Decision:
    passes = rule.inconclusive == WARN
    reason = f"{text}; it passes because of inconclusive=warn" if passes else text
    return Decision(passed=passes, reason=reason, cause=INCONCLUSIVE)


def _beside_margin(comparison: Comparison, difference: float) -> str:
    """Write a difference to a tenth of the margin, finer where it would look like the whole one."""
    margin, size = comparison.rule.margin, abs(difference)
    shown = f"{difference:+.{max(1, 1 - math.floor(math.log10(margin)))}f}"
    if float(shown) == 0:
        shown = signed(difference)
    if abs(float(shown)) != margin or size == margin:
        return shown
    return f"{shown[0]}{points(size, margin)}"


def _enough(comparison: Comparison) -> str:
    """Say how many records would tell, or what else keeps the suite from being proved."""
    measure, rule = comparison.measure, comparison.rule
    if comparison.corrected is not None:
        return "more labels would tell, and these do not say how many"
    alike = _moved_alike(comparison)
    is_as_before = not comparison.difference and math.isfinite(measure.furthest)
    if alike and not is_as_before:
        return f"{alike}, which does not tell how many {measure.noun} would"
    grouped, paired = comparison.grouped, comparison.paired
    size = effect = 1.0
    if grouped is not None:
        size = paired / grouped.groups
        # Where nothing shows how far records of a group agree, a group counts as one.
        effect = grouped.design_effect or size
    needed = records_to_tell(
        comparison.deviation or 0.0,
        rule.margin,
        rule.alpha,
        furthest=measure.furthest,
        size=size,
        effect=effect,
    )
    number = groups_for(needed, None if grouped is None else grouped.groups, paired)
    records = f"{needed} {measure.noun}{in_groups(number)}"
    if needed > comparison.paired:
        return (
            f"{records} would tell in {100 * POWER:g} % of all cases where the two "
            "are equal, at the deviation seen"
        )
    if measure.gain(0.0, comparison.difference or 0.0) >= 0:
        return f"more {measure.noun} would tell, and these do not say how many"
    return (
        f"{records} are enough where the two are equal: it is the change that was "
        "seen, not their number, that leaves this open"
    )


def _units(comparison: Comparison) -> tuple[int, str]:
    """Return how many pairs there are, or groups of them, as a number and in words."""
    grouped = comparison.grouped
    number, noun = (comparison.paired, "pair") if grouped is None else (grouped.groups, "group")
    return number, f"one {noun}" if number == 1 else f"{number} {noun}s"


def _moved_alike(comparison: Comparison) -> str:
    """Say that nothing shows how far the changes of scores scatter; empty where they do."""
    if comparison.deviation and comparison.detectable:
        return ""
    what = "scores" if comparison.grouped is None else "groups"
    if comparison.corrected is not None:
        what = "labels"
    return f"all {what} {'moved alike' if comparison.difference else 'are as before'}"


def _hidden(comparison: Comparison) -> str:
    """Say that the pairs hide a drop of the other records; empty when that may be chance."""
    p, alpha = comparison.unpaired_p, comparison.unpaired_alpha
    if p is None or alpha is None or p >= alpha:
        return ""
    noun, fell = comparison.measure.noun, "fell" if comparison.measure.higher_is_better else "rose"
    was, now = comparison.unpaired_average_before or 0.0, comparison.unpaired_average_after or 0.0
    return (
        f"the {noun} that did not pair up {fell} further than those that did, by more than chance "
        f"(p {probability(p, alpha)}): {comparison.unpaired_before} of the baseline average "
        f"{points(was, now)}, {comparison.unpaired_after} of this run {points(now, was)}; make a "
        f"baseline of the release with these {noun}"
    )


def _doubt(comparison: Comparison) -> str:
    p, alpha, parts = comparison.p, comparison.alpha, []
    if comparison.interval is not None:
        low, high = comparison.interval
        parts.append(f"95 % CI {signed(low)} to {signed(high)}")
    if p is not None:
        level = (
            "" if alpha == SIGNIFICANCE else f"; a {comparison.measure.drop} has p < {alpha:.3g}"
        )
        parts.append(f"p {probability(p, alpha)}{level}")
    return f" ({', '.join(parts)})"


def _by_labels(comparison: Comparison) -> str:
    """Say that labels correct the difference, and what it is without; empty where none do."""
    corrected = comparison.corrected
    if corrected is None:
        return ""
    return (
        f", corrected by {corrected.labels} labels on both sides (by the judge alone "
        f"{signed(corrected.judged)})"
    )


def _reach(comparison: Comparison) -> str:
    """Say what drops the suite can show, or why that is not known."""
    measure, grouped, alpha = comparison.measure, comparison.grouped, comparison.alpha
    noun, drop, (units, counted) = measure.suite, measure.drop, _units(comparison)
    least = least_p(units, units, is_binary=measure.is_binary and grouped is None)
    # Student's test, which decides over labels, has no least p.
    if comparison.corrected is None and least >= alpha:
        return f"; {counted} cannot show any {drop}"
    alike = _moved_alike(comparison)
    if alike:
        return f"; {alike}, which does not tell what {drop}s this {noun} can show"
    size = signed(comparison.detectable or 0.0).lstrip("+")
    reach = f"; this {noun} can show {drop}s of {size} {measure.unit} or more"
    if comparison.corrected is not None:
        return reach
    fewest = fewest_falls(alpha)
    changed, what = comparison.changed, "scores"
    if grouped is not None:
        changed, what = grouped.changed, "groups"
    if changed is None or changed >= fewest:
        return reach
    number = "one" if changed == 1 else changed
    return f"{reach} where at least {fewest} {what} change, and {number} did"


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


def listed(names: Sequence[str], most: int | None = _NAMED) -> str:
    """Return the first names, all for ``None``, and how many there are beside them."""
    shown = names[:most]
    more = f" and {len(names) - len(shown)} more" if len(shown) < len(names) else ""
    return f"{', '.join(shown)}{more}"


def _shown_interval(interval: tuple[float, float] | None) -> str:
    if interval is None:
        return ""
    # Student's t knows no bounds, scores do.
    return f" (95 % CI {points(max(0, interval[0]))} to {points(min(100, interval[1]))})"


def is_average_within_noise(
    scores: Sequence[int], min_average: float | None, groups: Sequence[Hashable] | None = None
) -> bool:
    """Say whether an average may be on the other side of its gate by chance alone."""
    return is_within_noise(mean_interval(scores, groups), min_average)


def is_within_noise(interval: tuple[float, float] | None, wanted: float | None) -> bool:
    """Say whether what a gate wants lies in the interval of the figure that it decides over."""
    return interval is not None and wanted is not None and interval[0] <= wanted <= interval[1]
