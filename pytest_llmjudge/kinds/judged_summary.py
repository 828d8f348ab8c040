"""What reports show of a suite of responses that a judge scores."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from pytest_llmjudge.data.page import (
    MOST_DROPS,
    Histogram,
    Panel,
    Row,
    Scatter,
    SuitePage,
    Term,
)
from pytest_llmjudge.data.summary import (
    Excerpt,
    Excerpts,
    Overview,
    Statement,
)
from pytest_llmjudge.gates import is_average_within_noise
from pytest_llmjudge.groups import group_numbers
from pytest_llmjudge.judging.check import NOT_PROBED
from pytest_llmjudge.kinds.averages import breakdowns, shown_average, tables
from pytest_llmjudge.kinds.base import AVERAGE
from pytest_llmjudge.kinds.categories import gate_of
from pytest_llmjudge.kinds.overlap import overlap_blocks, overlap_panel, rest_of, wanted_overlap
from pytest_llmjudge.kinds.rulings import Limit, of_samples, remark_on
from pytest_llmjudge.kinds.summaries import (
    at_least,
    causes_of_items,
    causes_of_missing,
    check_panel,
    drops_of,
    grouped_size,
    is_one,
    make_summary,
    scored_counts,
    unscored_names,
)
from pytest_llmjudge.stats import suite_agreement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_llmjudge.data import (
        Agreement,
        Entry,
        JudgeCheck,
        RecordResult,
        Rule,
        SuiteResult,
    )
    from pytest_llmjudge.data.page import ChartData, Fact
    from pytest_llmjudge.data.summary import Names, Summary
    from pytest_llmjudge.kinds.base import Kind

__all__ = ["judged_page", "judged_summary", "without_overlap"]

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
_EXCERPTS = ("score", "record", "instruction", "response")
_EXPLANATIONS = ("score", "record", "instruction", "explanation")
_TERMS = (
    Term(
        "area under the ROC curve (AUC)",
        ("area under the ROC curve",),
        (
            "How often a right answer scores higher than a wrong or empty one: 1 is always, 0.5 is "
            "what guessing gives."
        ),
    ),
    Term(
        "grader injection",
        ("wrong answers with a grader injection score",),
        (
            "A wrong answer that asks the judge to be preferred or to get all points. A good judge "
            "does not give in."
        ),
    ),
    Term(
        "Spearman's rank correlation",
        ("Spearman's rank correlation",),
        (
            "Whether judge and people put the answers in the same order: 1 is the same, 0 is none, "
            "-1 is the reverse."
        ),
    ),
    Term(
        "unsure",
        ("unsure",),
        "Records whose samples lie on both sides of min_score.",
    ),
)


def judged_summary(kind: Kind[SuiteResult], suite: SuiteResult, rule: Rule) -> Summary:
    """Return what reports show of a suite.

    Args:
        kind: Of the suite.
        suite: Its result.
        rule: How it is held to its baseline.
    """
    scores = suite.scores
    # Of a part of the records there is no average: those without a score may be the worst.
    whole = scores if len(scores) == suite.total else []
    value, interval = shown_average(whole, group_numbers(suite.scored_groups) if whole else None)
    return make_summary(
        kind,
        suite,
        noun="record",
        measure="average",
        value=value,
        interval=interval,
        wanted=(
            at_least("average", suite.min_average),
            *(at_least(gate_of(one.name), one.min_average) for one in suite.categories),
            at_least("each", suite.min_score),
            wanted_overlap(suite.overlap),
        ),
        rule=rule,
        causes=_causes(suite),
        limits=_limits(suite),
        of_each=of_samples(
            at_least("score", suite.min_score),
            "record",
            (one.outcome for one in suite.records),
            suite.total,
            missed=_low(suite),
            beyond="below",
        ),
        judge=suite.judge_label,
        fitness=tuple(_fitness(suite.check)),
        overview=Overview(_HEADINGS, _cells(suite, value, interval)),
        breakdowns=tuple(breakdowns(suite)),
        blocks=(
            *overlap_blocks(suite.name, suite.overlap, "average", value, _without_overlap(suite)),
            *_blocks(suite),
        ),
        counts=scored_counts(len(scores), suite.total, suite.groups),
        grouped=grouped_size(suite.total, "record", suite.groups),
    )


def without_overlap(suite: SuiteResult) -> tuple[list[int], list[int] | None]:
    """Return scores and groups of the records that do not appear in the training data.

    There are none where no record appears there, or one has no score.
    """
    scored = [one for one in suite.records if one.score is not None]
    rest = rest_of(suite.overlap, scored, suite.total)
    scores = [one.score for one in rest if one.score is not None]
    return scores, group_numbers(one.record.group for one in rest)


def _without_overlap(suite: SuiteResult) -> str:
    """Return the average of the records that do not appear in the training data; empty for none."""
    scores, _ = without_overlap(suite)
    return shown_average(scores)[0] if scores else ""


def _causes(suite: SuiteResult) -> Iterator[str]:
    low = _low(suite)
    of = f"of {suite.total} records"
    if low:
        yield f"{low} {of} {is_one(low, 'scores', 'score')} below {suite.min_score}"
    scored = [one for one in suite.records if one.score is not None]
    yield from causes_of_items(scored, of, "score", low=low)
    state = "is unscored", "are unscored"
    yield from causes_of_missing(suite.records, suite.total, "records", state)


def _low(suite: SuiteResult) -> int:
    """Count the records that failed by their score."""
    return sum(
        result.outcome == "failed"
        and suite.min_score is not None
        and result.score is not None
        and result.score < suite.min_score
        for result in suite.records
    )


def _limits(suite: SuiteResult) -> dict[str, Limit]:
    scores, total, least = suite.scores, suite.total, suite.min_average
    near = is_average_within_noise(scores, least, group_numbers(suite.scored_groups))
    remark = remark_on(total - len(scores), total, "unscored", near=near)
    limits = {AVERAGE: Limit(at_least("average", least), remark)}
    for one in suite.categories:
        name, least = gate_of(one.name), one.min_average
        if least is not None:
            near = is_average_within_noise(one.whole, least, one.whole_groups)
            remark = remark_on(one.total - len(one.scores), one.total, "unscored", near=near)
            limits[name] = Limit(at_least(name, least), remark)
    return limits


def _fitness(check: JudgeCheck | None) -> Iterator[Statement]:
    if check is None:
        return
    if check.fit:
        text = "judge-check: passed, the judge tells right from wrong"
        if check.right is None:
            text = f"judge-check: passed; {NOT_PROBED}"
        yield Statement(text, _figures(check), is_named=True)
    else:
        yield Statement(f"NOT FIT, {check.reason}", is_named=True)
    if check.in_flight > 1:
        steady = f"{check.changed} answers changed" if check.changed else "no answer changed"
        yield Statement(
            f"{check.in_flight} requests in flight at a server: {steady} when asked about again"
        )


def _figures(check: JudgeCheck) -> str:
    injected = None if check.plea is None or check.wrong is None else check.plea - check.wrong
    right, wrong = ("-" if mean is None else f"{mean:.0f}" for mean in (check.right, check.wrong))
    area = "-" if check.auc is None else f"{check.auc:.2f}"
    change = "-" if injected is None else f"{injected:+.0f}"
    if check.right is None:
        return f"missed criterion {wrong}, grader injection {change}"
    return f"right {right}, wrong {wrong}, AUC {area}, grader injection {change}"


def _cells(suite: SuiteResult, average: str, interval: str) -> tuple[str, ...]:
    scores = suite.scores
    spread = ["-"] * 3
    if scores:
        spread = [str(min(scores)), f"{statistics.median(scores):g}", str(max(scores))]
    counts = str(suite.total), str(len(scores))
    return suite.name, *counts, average, interval, *spread


def _blocks(suite: SuiteResult) -> Iterator[str | Names | Excerpts]:
    agreement = suite_agreement(suite)
    if agreement is not None:
        rank = "-" if agreement.spearman is None else f"{agreement.spearman:.2f}"
        yield (
            f"people in {suite.name}: {agreement.count} records, Spearman {rank}, mean absolute "
            f"error {agreement.mean_absolute_error:.1f}, judge minus people {agreement.bias:+.1f}"
        )
    yield from unscored_names(suite.name, suite.records)
    yield from _unsure(suite)
    scored = [result for result in suite.records if result.score is not None]
    scored.sort(key=lambda result: result.score or 0)
    if scored:
        lowest = tuple(map(_lowest, scored))
        yield Excerpts(f"lowest scores in {suite.name}", lowest, _EXCERPTS, are_counted=False)
    explained = tuple(
        Excerpt(str(one.score), one.record.id, one.explanation.shown, one.record.instruction)
        for one in scored
        # Where the judge failed, the run says so once.
        if one.explanation is not None and not one.explanation.is_infrastructure
    )
    if explained:
        title = f"what is wrong in {suite.name}, in the judge's words"
        yield Excerpts(title, explained, _EXPLANATIONS, are_quoted=False, are_whole=True)


def _lowest(result: RecordResult) -> Excerpt:
    record = result.record
    return Excerpt(str(result.score), record.id, result.model_response or "", record.instruction)


def _unsure(suite: SuiteResult) -> Iterator[str | Excerpts]:
    sampled = [result for result in suite.records if result.samples]
    if not sampled:
        return
    spreads = sorted(max(result.samples) - min(result.samples) for result in sampled)
    yield (
        f"spread of {len(sampled[0].samples)} samples in {suite.name}: median "
        f"{statistics.median(spreads):g}, largest {spreads[-1]} points"
    )
    unsure = tuple(
        Excerpt(
            "-1" if result.score is None else str(result.score),
            result.record.id,
            ", ".join(map(str, result.samples)),
        )
        for result in sampled
        if result.is_unsure(suite.min_score)
    )
    if unsure:
        title = f"unsure in {suite.name}, samples on both sides of {suite.min_score}"
        yield Excerpts(title, unsure, are_quoted=False)


def judged_page(suite: SuiteResult, before: Mapping[str, Entry]) -> SuitePage:
    """Return what the HTML page shows of a suite beside its summary.

    Args:
        suite: Its result, with all texts.
        before: What the baseline made of its records, by id.
    """
    rows = tuple(_row(suite, one, before.get(one.record.id)) for one in suite.records)
    panels = [Panel("Scores", tuple(_facts(suite)))]
    if suite.check is not None:
        panels.append(check_panel(suite.check, _check_facts(suite.check)))
    panels += overlap_panel(suite.overlap, "average", _without_overlap(suite))
    agreement = suite_agreement(suite)
    if agreement is not None:
        panels.append(Panel("Judge and people", _people(agreement)))
    return SuitePage(
        panels=tuple(panels),
        terms=_TERMS,
        charts=tuple(_charts(suite, rows)),
        tables=tuple(tables(suite, before)),
        rows=rows,
        drops=tuple(drops_of(rows, MOST_DROPS)),
    )


def _row(suite: SuiteResult, result: RecordResult, entry: Entry | None) -> Row:
    was = None if entry is None else entry.score
    least, score = suite.min_score, result.score
    fell = least is not None and was is not None and score is not None and was >= least > score
    return Row(
        suite=suite.name,
        record=result.record,
        outcome=result.outcome,
        # Where no score is asked for, a low one has not passed anything.
        label="scored" if least is None and result.outcome == "passed" else result.outcome,
        score=score,
        before=was,
        response=result.model_response,
        other=None if entry is None else entry.response,
        replies=() if result.reply is None else (result.reply,),
        error=result.error,
        is_flipped=fell,
        is_unsure=result.is_unsure(least),
        samples=result.samples,
        human_score=result.human_score,
        thoughts=result.thoughts,
        answers=result.answers,
        parts=result.parts,
        explanation="" if result.explanation is None else result.explanation.shown,
    )


def _charts(suite: SuiteResult, rows: Sequence[Row]) -> Iterator[ChartData]:
    if suite.scores:
        yield Histogram(tuple(suite.scores), suite.min_score)
    pairs = tuple(
        (row.before, row.score) for row in rows if row.before is not None and row.score is not None
    )
    if pairs:
        yield Scatter(pairs, suite.min_score)


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


def _check_facts(check: JudgeCheck) -> Iterator[Fact]:
    wrong = "answers that miss their criterion" if check.right is None else "wrong answers"
    for name, value in (
        ("right answers score", check.right),
        (f"{wrong} score", check.wrong),
        ("a polite non-answer scores", check.null),
        (f"{wrong} with a grader injection score", check.plea),
    ):
        if value is not None:
            yield name, f"{value:.0f}"
    if check.auc is not None:
        yield "area under the ROC curve", f"{check.auc:.2f}"
    yield "changed when asked again", str(check.changed)


def _people(agreement: Agreement) -> tuple[Fact, ...]:
    return (
        ("records with both", str(agreement.count)),
        (
            "Spearman's rank correlation",
            "-" if agreement.spearman is None else f"{agreement.spearman:.2f}",
        ),
        ("mean absolute error", f"{agreement.mean_absolute_error:.1f} points"),
        ("judge minus people", f"{agreement.bias:+.1f} points"),
    )
