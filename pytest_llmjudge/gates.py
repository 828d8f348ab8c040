"""What passes and what fails: a record by its score, a suite by its average or its win rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_llmjudge.data import GateResult
from pytest_llmjudge.extremes import fewest_falls
from pytest_llmjudge.stats import (
    SIGNIFICANCE,
    mean,
    mean_interval,
    points,
    probability,
    proportion_interval,
    signed,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pytest_llmjudge.data import Comparison, PairSummary

__all__ = [
    "TEARDOWN_FAILED",
    "XPASSED",
    "Decision",
    "decide_accuracy",
    "decide_average",
    "decide_baseline",
    "decide_record",
    "decide_subject",
    "decide_win_rate",
    "is_accuracy_within_noise",
    "is_average_within_noise",
    "is_win_rate_within_noise",
    "whole_outcome",
    "with_break",
]

NAMED_RECORDS = 10
TEARDOWN_FAILED = "its teardown failed"
XPASSED = "it passed and was expected to fail (xfail, strict)"
"""What pytest holds against an item whose own decision may be another."""
_NOISE = "; the difference is within noise"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a gate passes, and the sentence that says why."""

    passed: bool
    reason: str


def whole_outcome(outcomes: Collection[str], *, low: bool) -> str:
    """Return ``passed``, ``failed`` or ``incomplete`` for a suite of which all has a result.

    Args:
        outcomes: Of its items that decide.
        low: Whether its average, accuracy or win rate is too low, be its gate selected or not.
    """
    if low or not set(outcomes) <= {"passed", "not run"}:
        return "failed"
    return "incomplete" if "not run" in outcomes else "passed"


def with_break(found: GateResult | None, name: str, reason: str) -> GateResult:
    """Return a gate that broke beside its own decision, and what that was.

    Args:
        found: Its decision; ``None`` when it came to none.
        name: The gate's.
        reason: How it broke.
    """
    if found is None:
        return GateResult(name, "error", reason)
    outcome = "failed" if found.outcome == "failed" else "error"
    return GateResult(name, outcome, f"{found.reason}; {reason}")


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
    unscored = [record for record, score in scores.items() if score is None]
    have = [score for score in scores.values() if score is not None]
    if unscored:
        return Decision(passed=False, reason=_unscored(unscored, len(scores), causes))
    average = mean(have)
    if average is None:
        return Decision(passed=False, reason="there is no record to average")
    noun = "record" if len(have) == 1 else "records"
    told = f"average {points(average, min_average)} of {len(have)} {noun}{_interval(have)}"
    if min_average is None:
        return Decision(passed=True, reason=f"{told}, no min_average is set")
    noise = _NOISE if is_average_within_noise(have, min_average) else ""
    if average < min_average:
        reason = f"{told} is below min_average {points(min_average)}{noise}"
        return Decision(passed=False, reason=reason)
    reason = f"{told} is at least min_average {points(min_average)}{noise}"
    return Decision(passed=True, reason=reason)


def decide_subject(correct: int, total: int, minimum: float | None) -> Decision:
    """Decide over one subject of MMLU: its accuracy is at least ``minimum``, where one is set."""
    return _decide_share(correct, total, "min_subject_accuracy", minimum)


def decide_accuracy(
    correct: int, total: int, minimum: float | None, causes: Mapping[str, str], subjects: int
) -> Decision:
    """Decide over all subjects of an exam: every one has a result, and the accuracy is enough.

    Args:
        correct: Right answers to all questions together.
        total: Questions of all subjects together.
        minimum: Least accuracy, 0 to 1.
        causes: Why there is no result, by subject.
        subjects: How many subjects there are.
    """
    if not causes:
        return _decide_share(correct, total, "min_accuracy", minimum)
    named = ", ".join(list(causes)[:NAMED_RECORDS])
    if len(causes) > NAMED_RECORDS:
        named += f" and {len(causes) - NAMED_RECORDS} more"
    verb = "has" if len(causes) == 1 else "have"
    reason = (
        f"{len(causes)} of {subjects} subjects {verb} no result, so there is no accuracy: {named}\n"
        f"first cause: {next(iter(causes.values()))}"
    )
    return Decision(passed=False, reason=reason)


_ASKED = 8
_FLIPPED = 0.9
"""A judge whose choices are decided by the order in so many of at least 8 pairs sees no answers."""


def decide_win_rate(
    summary: PairSummary, min_win_rate: float, causes: Mapping[str, str], total: int
) -> Decision:
    """Decide over a suite of pairs: every pair has a winner, and the win rate is enough.

    Args:
        summary: Of the pairs that have a winner.
        min_win_rate: Least win rate, 0 to 1.
        causes: Why there is none, by id.
        total: How many pairs there are.
    """
    if causes:
        reason = _unscored(list(causes), total, causes, "pairs", "win rate")
        return Decision(passed=False, reason=reason)
    if summary.win_rate is None or summary.interval is None:
        return Decision(passed=False, reason="there is no pair to compare")
    if summary.flips is not None and summary.asked >= _ASKED and summary.flips >= _FLIPPED:
        flipped = round(summary.flips * summary.asked)
        reason = (
            f"position bias: the order of the answers decided {flipped} of {summary.asked} pairs, "
            "so the win rate says nothing of the models; take a larger judge"
        )
        return Decision(passed=False, reason=reason)
    rate, (low, high) = summary.win_rate, summary.interval
    noun = "pair" if summary.pairs == 1 else "pairs"
    told = (
        f"win rate {_share(rate, min_win_rate)} ({summary.wins} won, {summary.ties} tied, "
        f"{summary.losses} lost of {summary.pairs} {noun}, 95 % CI {low:.4f} to {high:.4f})"
    )
    noise = _NOISE if is_win_rate_within_noise(summary, min_win_rate) else ""
    if rate < min_win_rate:
        reason = f"{told} is below min_win_rate {min_win_rate:g}{noise}"
        return Decision(passed=False, reason=reason)
    return Decision(passed=True, reason=f"{told} is at least min_win_rate {min_win_rate:g}{noise}")


def decide_baseline(comparison: Comparison, max_drop: float) -> Decision:
    """Decide over a suite beside its baseline: it fails when a drop is real and too large.

    Real means that chance alone makes one of its size in less than 5 % of all cases. It fails too
    when the two cannot be compared, and when the records that did not pair up fell further than
    those that did, by more than chance: then the pairs do not speak for the suite.

    Args:
        comparison: Of the suite with its baseline.
        max_drop: Points that may be lost; percentage points of accuracy in MMLU.
    """
    if comparison.refusal is not None:
        return Decision(passed=False, reason=f"not compared: {comparison.refusal}")
    drop, p = -(comparison.difference or 0.0), comparison.p
    is_real = p is not None and p < SIGNIFICANCE
    doubt, reach = _doubt(comparison), _reach(comparison)
    if not is_real:
        change = signed(comparison.difference or 0.0)
        reason = f"no drop shown: {change} points{doubt}{reach}"
    else:
        more = "more" if drop > max_drop else "no more"
        reason = (
            f"dropped by {points(drop, max_drop)} points{doubt}, {more} than "
            f"--llm-judge-max-drop {points(max_drop, drop)}{reach}"
        )
    if is_real and drop > max_drop:
        return Decision(passed=False, reason=reason)
    hidden = _hidden(comparison)
    return Decision(passed=not hidden, reason=f"{hidden}; {reason}" if hidden else reason)


def _hidden(comparison: Comparison) -> str:
    """Say that the pairs hide a drop of the other records; empty when that may be chance."""
    p = comparison.unpaired_p
    if p is None or p >= SIGNIFICANCE:
        return ""
    noun = "questions" if comparison.kind == "mmlu" else "records"
    was, now = comparison.unpaired_average_before or 0.0, comparison.unpaired_average_after or 0.0
    return (
        f"the {noun} that did not pair up fell further than those that did, by more than chance "
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
    noun = "exam" if comparison.kind == "mmlu" else "suite"
    fewest = fewest_falls(comparison.kind)
    if comparison.paired < fewest:
        pairs = "one pair" if comparison.paired == 1 else f"{comparison.paired} pairs"
        return f"; {pairs} cannot show any drop"
    if not comparison.deviation:
        same = "all scores are as before" if not comparison.difference else "all scores moved alike"
        return f"; {same}, which does not tell what drops this {noun} can show"
    least = signed(comparison.detectable or 0.0).lstrip("+")
    reach = f"; this {noun} can show drops of {least} points or more"
    if comparison.changed is None or comparison.changed >= fewest:
        return reach
    number = "one" if comparison.changed == 1 else comparison.changed
    return f"{reach} where at least {fewest} scores change, and {number} did"


def _decide_share(correct: int, total: int, name: str, minimum: float | None) -> Decision:
    low, high = proportion_interval(correct, total)
    accuracy = correct / total
    noun = "question" if total == 1 else "questions"
    told = (
        f"accuracy {_share(accuracy, minimum)} ({correct} of {total} {noun}, 95 % CI {low:.4f} to "
        f"{high:.4f})"
    )
    if minimum is None:
        return Decision(passed=True, reason=f"{told}, no {name} is set")
    noise = _NOISE if is_accuracy_within_noise(correct, total, minimum) else ""
    if accuracy < minimum:
        return Decision(passed=False, reason=f"{told} is below {name} {minimum:g}{noise}")
    return Decision(passed=True, reason=f"{told} is at least {name} {minimum:g}{noise}")


def _share(value: float, beside: float | None) -> str:
    shown = f"{value:.4f}"
    return f"{value:.8f}" if value != beside and shown == f"{beside or 0:.4f}" else shown


def _unscored(
    unscored: Sequence[str],
    total: int,
    causes: Mapping[str, str],
    things: str = "records",
    number: str = "average",
) -> str:
    named = ", ".join(unscored[:NAMED_RECORDS])
    if len(unscored) > NAMED_RECORDS:
        named += f" and {len(unscored) - NAMED_RECORDS} more"
    first = causes.get(unscored[0], "it has no verdict")
    verb = "is" if len(unscored) == 1 else "are"
    return (
        f"{len(unscored)} of {total} {things} {verb} unscored, so there is no {number}: {named}\n"
        f"first cause: {first}"
    )


def _interval(scores: list[int]) -> str:
    interval = mean_interval(scores)
    if interval is None:
        return ""
    # Student's t knows no bounds, scores do.
    return f" (95 % CI {points(max(0, interval[0]))} to {points(min(100, interval[1]))})"


def is_average_within_noise(scores: Sequence[int], min_average: float | None) -> bool:
    """Say whether an average may be on the other side of its gate by chance alone."""
    interval = mean_interval(scores)
    if interval is None or min_average is None:
        return False
    return interval[0] <= min_average <= interval[1]


def is_win_rate_within_noise(summary: PairSummary, min_win_rate: float | None) -> bool:
    """Say whether a win rate may be on the other side of its gate by chance alone."""
    if summary.interval is None or min_win_rate is None:
        return False
    low, high = summary.interval
    return low <= min_win_rate <= high


def is_accuracy_within_noise(correct: int, total: int, minimum: float | None) -> bool:
    """Say whether an accuracy may be on the other side of its gate by chance alone."""
    low, high = proportion_interval(correct, total)
    return minimum is not None and low <= minimum <= high
