"""What the page says of each suite: figures, charts, gates and what got worse."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_llmjudge.mmlu.accuracy import Share, macro_average, pool
from pytest_llmjudge.reporting.comparison import count_lines
from pytest_llmjudge.reporting.digest import digest
from pytest_llmjudge.reporting.html import charts
from pytest_llmjudge.reporting.html.charts import Measured
from pytest_llmjudge.reporting.terminal import checkpoint_line
from pytest_llmjudge.stats import mean, probability, signed, suite_agreement
from pytest_llmjudge.winning import summary_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_llmjudge.data import (
        Comparison,
        Entry,
        ExamResult,
        GateResult,
        JudgeCheck,
        PairCheck,
        PreferenceResult,
        RunResult,
        SuiteResult,
    )
    from pytest_llmjudge.reporting.digest import SuiteDigest
    from pytest_llmjudge.reporting.html.charts import Chart
    from pytest_llmjudge.reporting.html.rows import Row

__all__ = ["Drop", "Panel", "SuiteView", "Subject", "suite_views"]

_KINDS = {"judge": "Judged", "mmlu": "MMLU", "preference": "Pairs"}
_SHOWN_DROPS = 10

Fact = tuple[str, str]
"""A name and its value."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Facts that belong together.

    Attributes:
        title: Of all of them.
        facts: In the order in which they are told.
        lead: What comes before them; empty for nothing.
        is_bad: Whether they are why the suite did not pass.
    """

    title: str
    facts: tuple[Fact, ...]
    lead: str = ""
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """A record that lost points.

    Attributes:
        row: Its number in the table; ``None`` when it is not there.
        id: As in its suite.
        ask: Its instruction.
        before: Score in the baseline.
        now: Score now.
        change: The difference, with its sign.
        fails_now: Whether it passed before and fails now.
    """

    row: int | None
    id: str
    ask: str
    before: str
    now: str
    change: str
    fails_now: bool


@dataclass(frozen=True, slots=True)
class Subject:
    """A line of an exam's table: all as it is shown."""

    name: str
    questions: str
    correct: str
    accuracy: str
    interval: str
    before: str
    outcome: str
    error: str


@dataclass(frozen=True, slots=True)
class SuiteView:
    """One suite.

    Attributes:
        digest: It in a few words.
        kind: The same as ``digest.kind``, for people.
        model: The model under test, with its fingerprint.
        judge: Who decided; empty for an exam.
        charts: What can be drawn of it.
        panels: Its figures.
        gates: Those that came to a decision.
        drops: What lost most, the worst first.
        subjects: Of an exam.
    """

    digest: SuiteDigest
    kind: str
    model: str
    judge: str
    charts: tuple[Chart, ...]
    panels: tuple[Panel, ...]
    gates: tuple[GateResult, ...]
    drops: tuple[Drop, ...] = ()
    subjects: tuple[Subject, ...] = ()


def suite_views(
    run: RunResult, before: Mapping[str, Mapping[str, Entry]], rows: Sequence[Row]
) -> tuple[SuiteView, ...]:
    """Return the suites of a run in the order of its digest.

    Args:
        run: The results.
        before: What the baseline made of records and questions, by suite and id.
        rows: The lines of the table.
    """
    told = iter(digest(run).suites)
    numbered: dict[str, dict[str, tuple[int, Row]]] = {}
    for number, row in enumerate(rows):
        numbered.setdefault(row.suite, {})[row.record.id] = number, row
    return (
        *(_judged(suite, next(told), numbered.get(suite.name, {})) for suite in run.suites),
        *(_exam(exam, next(told), before.get(exam.name, {})) for exam in run.exams),
        *(_preference(found, next(told)) for found in run.preferences),
    )


def _judged(
    suite: SuiteResult, told: SuiteDigest, rows: Mapping[str, tuple[int, Row]]
) -> SuiteView:
    pairs = [
        (row.before, row.score)
        for _, row in rows.values()
        if row.before is not None and row.score is not None
    ]
    drawn = []
    if suite.scores:
        drawn.append(charts.scores(suite.scores, suite.min_score))
    if pairs:
        drawn.append(charts.paired(pairs, suite.min_score))
    panels = [Panel("Scores", tuple(_score_facts(suite)))]
    if suite.comparison is not None:
        panels.append(_baseline_panel(suite.comparison))
    if suite.check is not None:
        panels.append(_check_panel(suite.check))
    agreement = suite_agreement(suite)
    if agreement is not None:
        rank = "-" if agreement.spearman is None else f"{agreement.spearman:.2f}"
        facts = (
            ("records with both", str(agreement.count)),
            ("Spearman's rank correlation", rank),
            ("mean absolute error", f"{agreement.mean_absolute_error:.1f} points"),
            ("judge minus people", f"{agreement.bias:+.1f} points"),
        )
        panels.append(Panel("Judge and people", facts))
    return SuiteView(
        digest=told,
        kind=_KINDS["judge"],
        model=checkpoint_line(suite.checkpoint),
        judge=suite.judge_label,
        charts=tuple(drawn),
        panels=tuple(panels),
        gates=suite.gates,
        drops=tuple(_drops(rows)),
    )


def _score_facts(suite: SuiteResult) -> Iterator[Fact]:
    scores = suite.scores
    yield "records", str(suite.total)
    yield "scored", str(len(scores))
    if scores:
        yield "mean of the scored", f"{mean(scores):.2f}"
        yield "median", f"{statistics.median(scores):g}"
        yield "lowest and highest", f"{min(scores)} and {max(scores)}"
    if suite.min_score is not None:
        low = sum(score < suite.min_score for score in scores)
        yield f"below min_score {suite.min_score}", str(low)
    sampled = [
        max(result.samples) - min(result.samples) for result in suite.records if result.samples
    ]
    if sampled:
        yield "median spread of samples", f"{statistics.median(sampled):g} points"
        unsure = sum(result.is_unsure(suite.min_score) for result in suite.records)
        yield "unsure", str(unsure)


def _baseline_panel(found: Comparison) -> Panel:
    if found.refusal is not None:
        return Panel("Against the baseline", (), found.refusal, is_bad=True)
    facts: list[Fact] = []
    if found.difference is not None:
        facts.append(("change", f"{signed(found.difference)} points"))
    if found.interval is not None:
        low, high = found.interval
        facts.append(("95 % interval", f"{signed(low)} to {signed(high)}"))
    if found.p is not None:
        facts.append(("chance of a drop as large", f"p {probability(found.p)}"))
    if found.detectable is not None:
        facts.append(("drops it can show", f"{found.detectable:.1f} points or more"))
    if found.losses is not None and found.wins is not None:
        facts.append(("passed before, fail now", str(found.losses)))
        facts.append(("failed before, pass now", str(found.wins)))
    lines = list(count_lines(found))
    return Panel("Against the baseline", tuple(facts), "; ".join(lines))


def _check_panel(check: JudgeCheck | PairCheck) -> Panel:
    return Panel("Known answers", (), check.reason, is_bad=not check.fit)


def _drops(rows: Mapping[str, tuple[int, Row]]) -> Iterator[Drop]:
    fallen = [
        (row.score - row.before, row.score, number, row)
        for number, row in rows.values()
        if row.before is not None and row.score is not None and row.score < row.before
    ]
    for change, score, number, row in sorted(fallen, key=lambda one: one[:3])[:_SHOWN_DROPS]:
        yield Drop(
            row=number,
            id=row.record.id,
            ask=row.record.instruction,
            before=f"{row.before:g}",
            now=f"{score:g}",
            change=f"{change:+g}",
            fails_now=row.is_flipped,
        )


def _exam(exam: ExamResult, told: SuiteDigest, before: Mapping[str, Entry]) -> SuiteView:
    answered = [subject for subject in exam.subjects if subject.questions]
    subjects, measured = [], []
    for subject in exam.subjects:
        known = [
            entry.score
            for question in subject.questions
            if (entry := before.get(question.id)) and entry.score is not None
        ]
        was = sum(known) / len(known) / 100 if known else None
        if not subject.questions:
            blank = ("-",) * 5
            subjects.append(Subject(subject.subject, *blank, subject.outcome, subject.error or ""))
            continue
        share = Share(subject.correct, subject.total)
        measured.append(Measured(subject.subject, share.accuracy, share.interval, was))
        subjects.append(
            Subject(
                name=subject.subject,
                questions=str(share.total),
                correct=str(share.correct),
                accuracy=f"{share.accuracy:.4f}",
                interval="{:.4f} to {:.4f}".format(*share.interval),
                before="-" if was is None else f"{was:.4f}",
                outcome=subject.outcome,
                error="",
            )
        )
    drawn = (charts.intervals(measured, exam.min_subject_accuracy),) if measured else ()
    facts: list[Fact] = [
        ("asked as", exam.mode),
        ("shots", str(exam.shots)),
        ("subjects", str(len(exam.subjects))),
    ]
    if exam.limit is not None:
        facts.append(("most questions of a subject", str(exam.limit)))
    if answered:
        whole = pool(answered)
        facts.append(("questions", str(whole.total)))
        facts.append(("right", str(whole.correct)))
        facts.append(("mean of the subjects", f"{macro_average(answered):.4f}"))
    panels = [Panel("Exam", tuple(facts))]
    if exam.comparison is not None:
        panels.append(_baseline_panel(exam.comparison))
    return SuiteView(
        digest=told,
        kind=_KINDS["mmlu"],
        model=checkpoint_line(exam.checkpoint),
        judge="",
        charts=drawn,
        panels=tuple(panels),
        gates=exam.gates,
        subjects=tuple(subjects),
    )


def _preference(found: PreferenceResult, told: SuiteDigest) -> SuiteView:
    summary = summary_of(found.pairs)
    drawn = (charts.shares(summary.wins, summary.ties, summary.losses),) if summary.pairs else ()
    fingerprint = found.against.fingerprint[:12]
    facts: list[Fact] = [
        ("against", found.against.name + (f" ({fingerprint})" if fingerprint else "")),
        ("pairs", str(found.total)),
        ("with a winner", str(summary.pairs)),
    ]
    if summary.length_controlled is not None:
        facts.append(("win rate, length-controlled", f"{summary.length_controlled:.3f}"))
    if summary.flips is not None:
        share = f"{100 * summary.flips:.0f} % of {summary.asked}"
        facts.append(("the place decided", share))
    if summary.mean_length is not None:
        own, others = summary.mean_length
        facts.append(("mean length", f"{own:.0f} against {others:.0f} characters"))
    panels = [Panel("Pairs", tuple(facts))]
    if found.check is not None:
        panels.append(_check_panel(found.check))
    agreement = found.agreement
    if agreement is not None:
        kappa = "-" if agreement.kappa is None else f"{agreement.kappa:.2f}"
        both = (
            ("pairs with both", str(agreement.count)),
            ("agreed", f"{100 * agreement.agreed:.0f} %"),
            ("Cohen's kappa", kappa),
        )
        panels.append(Panel("Judge and people", both))
    return SuiteView(
        digest=told,
        kind=_KINDS["preference"],
        model=checkpoint_line(found.checkpoint),
        judge=found.judge_label,
        charts=drawn,
        panels=tuple(panels),
        gates=found.gates,
    )
