"""A run's results as lines for a terminal: one row a suite, and the worst records."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from pytest_llmjudge.gates import is_average_within_noise
from pytest_llmjudge.reporting.comparison import count_lines
from pytest_llmjudge.reporting.digest import NONE, digest
from pytest_llmjudge.reporting.exams import exam_blocks
from pytest_llmjudge.reporting.layout import Line, Table, fold, lay_out, quoted, shown
from pytest_llmjudge.reporting.pairs import pair_blocks
from pytest_llmjudge.reporting.unscored import more_lines, unscored_lines
from pytest_llmjudge.stats import mean, mean_interval, suite_agreement

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import (
        CheckpointReference,
        Comparison,
        GateResult,
        JudgeCheck,
        PreferenceResult,
        RecordResult,
        RunResult,
        SuiteResult,
    )

__all__ = ["checkpoint_line", "count", "short_lines", "summary_lines", "told_of_run"]

_MOST = {0: 5, 1: 20}
_HEADINGS = (
    "suite",
    "records",
    "scored",
    "average",
    "95 % interval",
    "min",
    "median",
    "max",
    "outcome",
)
_SHOWN_DIGITS = 12


def short_lines(run: RunResult, columns: int, verbosity: int) -> Iterator[Line]:
    """Yield the summary of a quiet run: a line for each suite, or below -1 one for all.

    Args:
        run: The results.
        columns: Of the terminal.
        verbosity: pytest's, below 0.
    """
    found = digest(run)
    if verbosity < -1:
        yield Line("llm-judge: ", found.headline, found.outcome)
        return
    for suite in found.suites:
        figures = [f"{suite.measure} {suite.value}"]
        if suite.change != NONE:
            figures.append(f"baseline {suite.change}")
        if suite.wanted != NONE:
            figures.append(f"wanted {suite.wanted}")
        told = f"{suite.name}: {', '.join(figures)}:"
        yield from _ending_with(told, suite.outcome, columns)


def _ending_with(told: str, outcome: str, columns: int) -> Iterator[Line]:
    *lines, last = fold(shown(f"{told} {outcome}"), columns)
    yield from map(Line, lines)
    yield Line(last.removesuffix(outcome), outcome, outcome)


def summary_lines(run: RunResult, columns: int, verbosity: int = 0) -> Iterator[Line]:
    """Yield the summary of a run.

    Args:
        run: The results.
        columns: Of the terminal: texts of records are cut to it, all else is folded.
        verbosity: pytest's, at least 0; 1 shows more records, 2 all.
    """
    for block in _blocks(run, columns, verbosity):
        yield from lay_out(block, columns)


def _blocks(run: RunResult, columns: int, verbosity: int) -> Iterator[str | Table]:
    most = _MOST.get(verbosity)
    yield from told_of_run(run, figures=verbosity > 0)
    if run.suites:
        outcomes = [suite.outcome for suite in run.suites]
        yield Table(_HEADINGS, [_row(suite) for suite in run.suites], outcomes)
    for suite in run.suites:
        yield from _baseline_lines(suite.name, suite.gates, suite.comparison)
        yield from _people_lines(suite)
        yield from unscored_lines(suite.name, suite.records, columns, most)
        yield from _unsure_lines(suite, most)
        yield from _worst_lines(suite, columns, most)
    for exam in run.exams:
        yield from exam_blocks(exam, most, pooled=verbosity == 0)
        yield from _baseline_lines(exam.name, exam.gates, exam.comparison)
    yield from pair_blocks(run.preferences, columns, most, figures=verbosity > 0)
    for note in run.notes:
        yield f"note: {note}"


def told_of_run(run: RunResult, *, figures: bool) -> Iterator[str]:
    """Yield who judged, what was judged, and what the judge made of known answers.

    Args:
        run: The results.
        figures: Whether to add fingerprints, and the figures of a judge that is fit.
    """
    suites: list[SuiteResult | PreferenceResult] = [*run.suites, *run.preferences]
    for label in dict.fromkeys(suite.judge_label for suite in suites):
        yield f"judge: {label}"
    models = [suite.checkpoint for suite in suites] + [exam.checkpoint for exam in run.exams]
    for line in dict.fromkeys(checkpoint_line(model, fingerprint=figures) for model in models):
        yield f"model: {line}"
    yield from dict.fromkeys(
        line for suite in run.suites for line in _check_lines(suite, run, figures=figures)
    )


def checkpoint_line(checkpoint: CheckpointReference | None, *, fingerprint: bool = True) -> str:
    """Describe a model under test in a few words, by its fingerprint too unless told not to."""
    if checkpoint is None:
        return "responses from the records, nothing generated"
    known = []
    if checkpoint.parameters is not None:
        known.append(f"{count(checkpoint.parameters)} parameters")
    if fingerprint:
        known.append(f"fingerprint {checkpoint.fingerprint[:_SHOWN_DIGITS]}")
    return f"{checkpoint.path} ({', '.join(known)})" if known else checkpoint.path


def count(number: int) -> str:
    """Write a large number in thousands, millions or billions."""
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.1f}{letter}"
    return str(number)


def _row(suite: SuiteResult) -> tuple[str, ...]:
    scores = suite.scores
    # Of a part of the records there is no average: those without a score may be the worst.
    whole = scores if len(scores) == suite.total else []
    average, interval = mean(whole), mean_interval(whole)
    numbers = ["-"] * 3
    if scores:
        median = statistics.median(scores)
        numbers = [str(min(scores)), f"{median:g}", str(max(scores))]
    return (
        suite.name,
        str(suite.total),
        str(len(scores)),
        "-" if average is None else f"{average:.2f}",
        "-" if interval is None else f"{max(0, interval[0]):.1f} to {min(100, interval[1]):.1f}",
        *numbers,
        _outcome(suite),
    )


def _outcome(suite: SuiteResult) -> str:
    gates = []
    if suite.min_average is not None:
        noise = is_average_within_noise(suite.scores, suite.min_average)
        is_whole = len(suite.scores) == suite.total
        told = ", within noise" if noise and is_whole else ""
        gates.append(f"average >= {suite.min_average:g}{told}")
    if suite.min_score is not None:
        low = sum(score < suite.min_score for score in suite.scores)
        gates.append(f"score >= {suite.min_score}" + (f" ({low} below)" if low else ""))
    gates += [f"baseline {gate.outcome}" for gate in suite.gates if gate.name == "baseline"]
    return f"{suite.outcome} ({', '.join(gates)})"


def _check_lines(suite: SuiteResult, run: RunResult, *, figures: bool) -> Iterator[str]:
    """What the judge made of known answers, with the suite's name where there are several."""
    check = suite.check
    if check is None:
        return
    told = f"NOT FIT, {check.reason}"
    if check.fit:
        told = "judge-check: passed, the judge tells right from wrong"
        told += f" ({_figures(check)})" if figures else ""
    yield told if len(run.suites) == 1 else f"{told} ({suite.name})"
    if check.in_flight > 1:
        steady = f"{check.changed} answers changed" if check.changed else "no answer changed"
        yield f"{check.in_flight} requests in flight at a server: {steady} when asked about again"


def _figures(check: JudgeCheck) -> str:
    injected = None if check.plea is None or check.wrong is None else check.plea - check.wrong
    right, wrong = ("-" if mean is None else f"{mean:.0f}" for mean in (check.right, check.wrong))
    area = "-" if check.auc is None else f"{check.auc:.2f}"
    change = "-" if injected is None else f"{injected:+.0f}"
    return f"right {right}, wrong {wrong}, AUC {area}, grader injection {change}"


def _baseline_lines(
    name: str, gates: Sequence[GateResult], comparison: Comparison | None
) -> Iterator[str]:
    if comparison is not None:
        reasons = [gate.reason for gate in gates if gate.name == "baseline"]
        yield f"baseline of {name}: {' '.join(reasons)}"
        yield from (f"       {line}" for line in count_lines(comparison))


def _people_lines(suite: SuiteResult) -> Iterator[str]:
    found = suite_agreement(suite)
    if found is not None:
        rank = "-" if found.spearman is None else f"{found.spearman:.2f}"
        yield (
            f"people in {suite.name}: {found.count} records, Spearman {rank}, mean absolute error "
            f"{found.mean_absolute_error:.1f}, judge minus people {found.bias:+.1f}"
        )


def _unsure_lines(suite: SuiteResult, most: int | None) -> Iterator[str]:
    sampled = [result for result in suite.records if result.samples]
    if not sampled:
        return
    spreads = sorted(max(result.samples) - min(result.samples) for result in sampled)
    yield (
        f"spread of {len(sampled[0].samples)} samples in {suite.name}: median "
        f"{statistics.median(spreads):g}, largest {spreads[-1]} points"
    )
    unsure = [result for result in sampled if result.is_unsure(suite.min_score)]
    if unsure:
        yield f"unsure in {suite.name}, samples on both sides of {suite.min_score}: {len(unsure)}"
    for result in unsure[:most]:
        samples = ", ".join(map(str, result.samples))
        yield f"  {_score(result):>3}  {result.record.id}  {samples}"
    yield from more_lines(len(unsure), most)


def _worst_lines(suite: SuiteResult, columns: int, most: int | None) -> Iterator[str]:
    scored = [result for result in suite.records if result.score is not None]
    scored.sort(key=_score)
    if scored:
        yield f"lowest scores in {suite.name}:"
    for result in scored[:most]:
        start = f"  {_score(result):>3}  {result.record.id}  "
        yield quoted(start, str(result.model_response), columns)


def _score(result: RecordResult) -> int:
    return -1 if result.score is None else result.score
