"""A run's suites as the page shows them, and the judged ones in full."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from pytest_llmjudge.reporting.digest import digest
from pytest_llmjudge.reporting.html import charts
from pytest_llmjudge.reporting.html.baseline import baseline_panel
from pytest_llmjudge.reporting.html.checks import check_panel
from pytest_llmjudge.reporting.html.exams import exam_view
from pytest_llmjudge.reporting.html.model import MOST_DROPS, Drop, Panel, SuiteView
from pytest_llmjudge.reporting.html.pairs import pairs_view
from pytest_llmjudge.reporting.terminal import checkpoint_line
from pytest_llmjudge.stats import suite_agreement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_llmjudge.data import Agreement, Entry, RunResult, SuiteResult
    from pytest_llmjudge.reporting.digest import SuiteDigest
    from pytest_llmjudge.reporting.html.drawing import Chart
    from pytest_llmjudge.reporting.html.model import Fact
    from pytest_llmjudge.reporting.html.rows import Row

__all__ = ["suite_views"]


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
    numbered: dict[str, list[tuple[int, Row]]] = {}
    for number, row in enumerate(rows):
        numbered.setdefault(row.suite, []).append((number, row))
    return (
        *(_judged(suite, next(told), numbered.get(suite.name, [])) for suite in run.suites),
        *(exam_view(exam, next(told), before.get(exam.name, {})) for exam in run.exams),
        *(pairs_view(found, next(told), numbered.get(found.name, [])) for found in run.preferences),
    )


def _judged(suite: SuiteResult, told: SuiteDigest, rows: Sequence[tuple[int, Row]]) -> SuiteView:
    panels = [Panel("Scores", tuple(_facts(suite)))]
    if suite.comparison is not None:
        panels.append(baseline_panel(suite.comparison))
    if suite.check is not None:
        panels.append(check_panel(suite.check))
    agreement = suite_agreement(suite)
    if agreement is not None:
        panels.append(Panel("Judge and people", _people(agreement)))
    return SuiteView(
        digest=told,
        kind="Judged",
        model=checkpoint_line(suite.checkpoint),
        judge=suite.judge_label,
        charts=tuple(_charts(suite, rows)),
        panels=tuple(panels),
        gates=suite.gates,
        drops=tuple(_drops(rows)),
    )


def _charts(suite: SuiteResult, rows: Sequence[tuple[int, Row]]) -> Iterator[Chart]:
    if suite.scores:
        yield charts.scores(suite.scores, suite.min_score)
    pairs = [
        (row.before, row.score)
        for _, row in rows
        if row.before is not None and row.score is not None
    ]
    if pairs:
        yield charts.paired(pairs, suite.min_score)


def _facts(suite: SuiteResult) -> Iterator[Fact]:
    scores = suite.scores
    yield "records", str(suite.total)
    yield "scored", str(len(scores))
    if scores:
        yield "median", f"{statistics.median(scores):g}"
        yield "lowest and highest", f"{min(scores)} and {max(scores)}"
    if suite.min_score is not None:
        low = sum(score < suite.min_score for score in scores)
        yield f"below min_score {suite.min_score}", str(low)
    spreads = [max(one.samples) - min(one.samples) for one in suite.records if one.samples]
    if spreads:
        yield "median spread of samples", f"{statistics.median(spreads):g} points"
        yield "unsure", str(sum(one.is_unsure(suite.min_score) for one in suite.records))


def _people(found: Agreement) -> tuple[Fact, ...]:
    return (
        ("records with both", str(found.count)),
        (
            "Spearman's rank correlation",
            "-" if found.spearman is None else f"{found.spearman:.2f}",
        ),
        ("mean absolute error", f"{found.mean_absolute_error:.1f} points"),
        ("judge minus people", f"{found.bias:+.1f} points"),
    )


def _drops(rows: Sequence[tuple[int, Row]]) -> Iterator[Drop]:
    fallen = [
        (row.score - row.before, row.score, number, row)
        for number, row in rows
        if row.before is not None and row.score is not None and row.score < row.before
    ]
    for change, score, number, row in sorted(fallen, key=lambda one: one[:3])[:MOST_DROPS]:
        answers = ("before", row.other or "(empty)"), ("now", row.response or "(empty)")
        yield Drop(
            name=row.record.instruction,
            input=row.record.input,
            before=f"{row.before:g}",
            now=f"{score:g}",
            change=f"{change:+g}",
            row=number,
            answers=answers,
            fails_now=row.is_flipped,
        )
