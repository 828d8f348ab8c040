"""What a run came to, in the few words that a report begins with: the decision, and its causes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_llmjudge.gates import (
    TEARDOWN_FAILED,
    XPASSED,
    decide_average,
)
from pytest_llmjudge.mmlu.accuracy import pool
from pytest_llmjudge.mmlu.gates import decide_accuracy
from pytest_llmjudge.stats import mean, mean_interval, signed
from pytest_llmjudge.win_rate import decide_win_rate, summary_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_llmjudge.data import (
        Comparison,
        ExamResult,
        GateResult,
        PairResult,
        PreferenceResult,
        RecordResult,
        RunResult,
        SuiteResult,
    )
    from pytest_llmjudge.gates import Decision

__all__ = ["NONE", "Digest", "SuiteDigest", "digest"]

NONE = "-"
"""Stands where there is no figure."""
_JUDGE_CHECK = "judge-check"


@dataclass(frozen=True, slots=True)
class SuiteDigest:
    """One suite in a few words.

    Attributes:
        kind: ``judge``, ``mmlu`` or ``preference``.
        name: Node id of the test function.
        outcome: ``passed``, ``failed`` or ``incomplete``.
        measure: What is measured: ``average``, ``accuracy`` or ``win rate``.
        value: The measure; ``-`` when a part of the suite has no result, which may be the worst.
        interval: Its 95 % interval; ``-`` when there is none.
        wanted: What every gate asks, such as ``average >= 55, each >= 20, no drop``; ``-`` when
            nothing is set.
        change: The mean difference to the baseline; ``-`` without one.
        causes: Why it did not pass, a line each; none when it did.
    """

    kind: str
    name: str
    outcome: str
    measure: str
    value: str
    interval: str
    wanted: str
    change: str
    causes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Digest:
    """A run in a few words.

    Attributes:
        outcome: ``failed`` when a suite failed, else ``incomplete`` when one is, else ``passed``;
            that only where the run ended with status 0.
        headline: The same as a sentence that counts the suites.
        suites: In the order of the summary: judged suites, exams, suites of pairs.
    """

    outcome: str
    headline: str
    suites: tuple[SuiteDigest, ...]


def digest(run: RunResult) -> Digest:
    """Say in a few words what a run came to."""
    suites = (
        *(_judged(suite, run.max_drop) for suite in run.suites),
        *(_exam(exam, run.max_drop) for exam in run.exams),
        *map(_preference, run.preferences),
    )
    counted = Counter(suite.outcome for suite in suites)
    outcome = next((name for name in ("failed", "incomplete") if counted[name]), "passed")
    if not suites:
        return Digest("incomplete", "no suite came to a result", ())
    headline = _headline(outcome, counted)
    if outcome == "passed" and run.status:
        # Something else failed, or the run did not come to its end.
        outcome = "failed" if run.status == 1 else "incomplete"
        headline = f"{headline}, but the run ended with status {run.status}"
    return Digest(outcome, headline, suites)


def _headline(outcome: str, counted: Counter[str]) -> str:
    total = counted.total()
    if total == 1:
        return f"the suite {'is ' if outcome == 'incomplete' else ''}{outcome}"
    if outcome == "passed":
        return f"all {total} suites passed"
    parts = [f"{counted[name]} {name}" for name in ("failed", "incomplete") if counted[name]]
    return f"of {total} suites {' and '.join(parts)}"


def _judged(suite: SuiteResult, max_drop: float) -> SuiteDigest:
    scores = suite.scores
    whole = scores if len(scores) == suite.total else []
    average, interval = mean(whole), mean_interval(whole)
    return SuiteDigest(
        kind="judge",
        name=suite.name,
        outcome=suite.outcome,
        measure="average",
        value=NONE if average is None else f"{average:.2f}",
        interval=NONE
        if interval is None
        else f"{max(0, interval[0]):.1f} to {min(100, interval[1]):.1f}",
        wanted=_wanted(
            _least("average", suite.min_average),
            _least("each", suite.min_score),
            _most_lost(suite, max_drop),
        ),
        change=_change(suite.comparison),
        causes=() if suite.outcome == "passed" else tuple(_causes_of_suite(suite)),
    )


def _exam(exam: ExamResult, max_drop: float) -> SuiteDigest:
    answered = [subject for subject in exam.subjects if subject.questions]
    share = pool(answered) if answered and len(answered) == len(exam.subjects) else None
    return SuiteDigest(
        kind="mmlu",
        name=exam.name,
        outcome=exam.outcome,
        measure="accuracy",
        value=NONE if share is None else f"{share.accuracy:.4f}",
        interval=NONE if share is None else "{:.4f} to {:.4f}".format(*share.interval),
        wanted=_wanted(
            _least("accuracy", exam.min_accuracy),
            _least("each subject", exam.min_subject_accuracy),
            _most_lost(exam, max_drop),
        ),
        change=_change(exam.comparison),
        causes=() if exam.outcome == "passed" else tuple(_causes_of_exam(exam)),
    )


def _preference(found: PreferenceResult) -> SuiteDigest:
    summary = summary_of(found.pairs)
    is_whole = summary.pairs == found.total
    rate = summary.win_rate if is_whole else None
    interval = summary.interval if is_whole else None
    return SuiteDigest(
        kind="preference",
        name=found.name,
        outcome=found.outcome,
        measure="win rate",
        value=NONE if rate is None else f"{rate:.3f}",
        interval=NONE if interval is None else "{:.3f} to {:.3f}".format(*interval),
        wanted=_wanted(_least("win rate", found.min_win_rate)),
        change=NONE,
        causes=() if found.outcome == "passed" else tuple(_causes_of_pairs(found)),
    )


def _causes_of_suite(suite: SuiteResult) -> Iterator[str]:
    yield from _causes_of_gates(suite.gates)
    scores = suite.scores
    if len(scores) == suite.total and not _has_gate(suite.gates, "average"):
        named: dict[str, int | None] = {str(place): score for place, score in enumerate(scores)}
        yield from _unseen("average", decide_average(named, suite.min_average, {}))
    low = [
        result
        for result in suite.records
        if result.outcome == "failed"
        and suite.min_score is not None
        and result.score is not None
        and result.score < suite.min_score
    ]
    of = f"of {suite.total} records"
    if low:
        yield f"{len(low)} {of} {_verb(low, 'scores', 'score')} below {suite.min_score}"
    scored = [one for one in suite.records if one.score is not None]
    yield from _causes_of_items(scored, of, "score", low=len(low))
    yield from _missing(suite.records, suite.total, "records", ("is unscored", "are unscored"))


def _causes_of_pairs(found: PreferenceResult) -> Iterator[str]:
    yield from _causes_of_gates(found.gates)
    summary, minimum = summary_of(found.pairs), found.min_win_rate
    is_whole = summary.pairs == found.total
    if is_whole and minimum is not None and not _has_gate(found.gates, "win-rate"):
        yield from _unseen("win-rate", decide_win_rate(summary, minimum, {}, found.total))
    decided = [pair for pair in found.pairs if pair.winner is not None]
    yield from _causes_of_items(decided, f"of {found.total} pairs", "winner")
    yield from _missing(found.pairs, found.total, "pairs", ("has no winner", "have no winner"))


def _causes_of_items(
    decided: Sequence[RecordResult | PairResult], of: str, thing: str, low: int = 0
) -> Iterator[str]:
    """Yield what else became of items that have a score or a winner.

    Args:
        decided: They.
        of: Of how many of what they are some.
        thing: What they have.
        low: How many failed by their score, which is told already.
    """
    failed = sum(one.outcome == "failed" for one in decided)
    told = [one.error or "" for one in decided]
    unexpected = sum(XPASSED in error for error in told)
    torn = sum(TEARDOWN_FAILED in error for error in told)
    erred = [one.error for one in decided if one.outcome == "error"]
    late = sum(error is None for error in erred)
    crashed = sum(error is not None and TEARDOWN_FAILED not in error for error in erred)
    verb = "was" if unexpected == 1 else "were"
    for number, what in (
        (unexpected, f"passed and {verb} expected to fail (xfail, strict)"),
        (failed - unexpected - low, "failed in the body of the test"),
        (torn, "failed in teardown"),
        (crashed, f"crashed when the {thing} was there"),
        (late, f"erred, and had a {thing} only for a gate"),
    ):
        if number > 0:
            yield f"{number} {of} {what}"


def _causes_of_exam(exam: ExamResult) -> Iterator[str]:
    yield from _causes_of_gates(exam.gates)
    if all(subject.questions for subject in exam.subjects) and not _has_gate(exam.gates, "average"):
        whole, subjects = pool(exam.subjects), len(exam.subjects)
        decision = decide_accuracy(whole.correct, whole.total, exam.min_accuracy, {}, subjects)
        yield from _unseen("average", decision)
    for outcome, one, many in (
        ("failed", "failed", "failed"),
        ("error", "ended with an error", "ended with an error"),
        ("not run", "was not run", "were not run"),
    ):
        found = [subject.subject for subject in exam.subjects if subject.outcome == outcome]
        if found:
            told = _verb(found, one, many)
            yield f"{len(found)} of {len(exam.subjects)} subjects {told}: {_names(found)}"


def _causes_of_gates(gates: Sequence[GateResult]) -> Iterator[str]:
    missed = [gate for gate in gates if gate.outcome != "passed"]
    # Where the judge is not fit, each other gate only points to that.
    first = [gate for gate in missed if gate.name == _JUDGE_CHECK]
    yield from (f"{gate.name}: {_folded(gate.reason)}" for gate in first or missed)


def _folded(reason: str) -> str:
    """Write what may have several lines as one; each of them says a thing of its own."""
    lines = (" ".join(line.split()) for line in reason.splitlines())
    return "; ".join(filter(None, lines)).replace(":; ", ": ")


def _has_gate(gates: Sequence[GateResult], name: str) -> bool:
    return any(gate.name == name for gate in gates)


def _unseen(name: str, decision: Decision) -> Iterator[str]:
    """Yield what a gate that was left out of the run would have said, if it would have failed."""
    if not decision.passed:
        yield f"{name}: {decision.reason}"


def _missing(
    results: Iterable[RecordResult | PairResult], total: int, noun: str, state: tuple[str, str]
) -> Iterator[str]:
    causes: Counter[str | None] = Counter()
    listed = 0
    for result in results:
        listed += 1
        causes["not run" if result.outcome == "not run" else result.cause] += 1
    not_run = causes["not run"] + total - listed
    for number, one, many in (
        (causes["record"], *state),
        (causes["rig"], "met a broken rig", "met a broken rig"),
        (not_run, "was not run", "were not run"),
    ):
        if number:
            yield f"{number} of {total} {noun} {one if number == 1 else many}"


def _verb(found: Sequence[object], one: str, many: str) -> str:
    return one if len(found) == 1 else many


def _wanted(*asked: str) -> str:
    return ", ".join(filter(None, asked)) or NONE


def _least(measure: str, value: float | None) -> str:
    return "" if value is None else f"{measure} >= {value:g}"


def _most_lost(result: SuiteResult | ExamResult, max_drop: float) -> str:
    if result.comparison is None and not _has_gate(result.gates, "baseline"):
        return ""
    return f"drop <= {max_drop:g} points" if max_drop else "no drop"


def _change(comparison: Comparison | None) -> str:
    if comparison is None:
        return NONE
    if comparison.refusal is not None or comparison.difference is None:
        return "not compared"
    return f"{signed(comparison.difference)} points"


def _names(subjects: Sequence[str]) -> str:
    shown = ", ".join(subjects[:5])
    return shown if len(subjects) <= 5 else f"{shown} and {len(subjects) - 5} more"
