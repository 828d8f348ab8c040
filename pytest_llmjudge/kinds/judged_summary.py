"""What reports show of a suite of responses that a judge scores."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from pytest_llmjudge.cost import mean_cost, shown_cost
from pytest_llmjudge.data.page import (
    MOST_DROPS,
    Histogram,
    Panel,
    PeopleScatter,
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
from pytest_llmjudge.decisions.gates import is_average_within_noise, is_within_noise
from pytest_llmjudge.judging.check import NOT_PROBED, near_figures
from pytest_llmjudge.judging.near import no_near_misses
from pytest_llmjudge.kinds.agreement import (
    AGREEMENT,
    agreement_counts,
    agreement_facts,
    agreement_lines,
    agreement_statement,
    labels_line,
    wanted_agreement,
)
from pytest_llmjudge.kinds.averages import breakdowns, shown_average, tables
from pytest_llmjudge.kinds.base import AVERAGE
from pytest_llmjudge.kinds.categories import gate_of
from pytest_llmjudge.kinds.corrected import CORRECTED, corrected_line, shown_corrected
from pytest_llmjudge.kinds.overlap import overlap_blocks, overlap_panel, rest_of, wanted_overlap
from pytest_llmjudge.kinds.rulings import Limit, of_samples, remark_on
from pytest_llmjudge.kinds.summaries import (
    NEAR_MISS,
    at_least,
    causes_of_items,
    causes_of_missing,
    check_panel,
    drops_of,
    grouped_size,
    is_one,
    make_summary,
    near_counts,
    scored_counts,
    unscored_names,
)
from pytest_llmjudge.stats.basics import mean_interval, points
from pytest_llmjudge.stats.groups import group_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_llmjudge.data import (
        Entry,
        JudgeCheck,
        RecordResult,
        Rule,
        SuiteResult,
    )
    from pytest_llmjudge.data.page import ChartData, Fact
    from pytest_llmjudge.data.summary import Names, Summary
    from pytest_llmjudge.kinds.base import Kind

__all__ = ["deciding_interval", "judged_page", "judged_summary", "without_overlap"]

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
    NEAR_MISS,
    Term(
        "Spearman's rank correlation",
        ("Spearman's rank correlation",),
        (
            "Whether judge and people put the answers in the same order: 1 is the same, 0 is none, "
            "-1 is the reverse."
        ),
    ),
    Term(
        "mean absolute error",
        ("mean absolute error",),
        "How many points the judge is away from people, in the mean, whichever way.",
    ),
    Term(
        "judge minus people",
        ("judge minus people",),
        "Above 0 the judge is more generous than people in the mean, below 0 it is stricter.",
    ),
    Term(
        CORRECTED,
        (CORRECTED,),
        (
            "The average that people would give, estimated from the judge's scores of all records "
            "and people's scores of a random sample of them."
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
    own, interval = shown_average(whole, group_numbers(suite.scored_groups) if whole else None)
    value, cells = own, _cells(suite, own, interval)
    if suite.correct:
        value, interval = shown_corrected(suite.corrected)
    return make_summary(
        kind,
        suite,
        noun="record",
        measure=_measure(suite),
        value=value,
        interval=interval,
        beside=_beside(suite, own),
        wanted=(
            at_least(_measure(suite), suite.min_average),
            *(at_least(gate_of(one.name), one.min_average) for one in suite.categories),
            at_least("each", suite.min_score),
            *wanted_agreement(suite.limits),
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
        fitness=(
            *_cost(suite),
            *_fitness(suite.check, suite.total),
            *agreement_statement(suite.agreement, suite.gates),
        ),
        overview=Overview(_HEADINGS, cells),
        breakdowns=tuple(breakdowns(suite)),
        blocks=(
            *overlap_blocks(suite.name, suite.overlap, "average", own, _without_overlap(suite)),
            *_blocks(suite),
        ),
        counts=(
            *scored_counts(len(scores), suite.total, suite.groups),
            *near_counts(suite.check),
            *agreement_counts(suite.agreement),
            *_both_averages(suite, own),
        ),
        grouped=grouped_size(suite.total, "record", suite.groups),
    )


def deciding_interval(suite: SuiteResult) -> tuple[float, float] | None:
    """Return the 95 % interval of the average that decides; ``None`` where there is none."""
    if suite.correct:
        return None if suite.corrected is None else suite.corrected.interval
    if len(suite.scores) < suite.total:
        return None
    return mean_interval(suite.scores, group_numbers(suite.scored_groups))


def _measure(suite: SuiteResult) -> str:
    return CORRECTED if suite.correct else "average"


def _beside(suite: SuiteResult, own: str) -> str:
    """Return the average that does not decide; empty where there is one average only."""
    if suite.correct:
        return f"judge {own}"
    return "" if suite.corrected is None else f"corrected {shown_corrected(suite.corrected)[0]}"


def _both_averages(suite: SuiteResult, own: str) -> Iterator[tuple[str, str]]:
    """Yield the average that is not the suite's figure, under a name for JUnit XML."""
    if suite.correct:
        yield "average", own
    elif suite.corrected is not None:
        yield "corrected_average", shown_corrected(suite.corrected)[0]


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
    near = is_within_noise(deciding_interval(suite), least)
    remark = remark_on(total - len(scores), total, "unscored", near=near)
    limits = {AVERAGE: Limit(at_least(_measure(suite), least), remark)}
    for one in suite.categories:
        name, least = gate_of(one.name), one.min_average
        if least is not None:
            near = is_average_within_noise(one.whole, least, one.whole_groups)
            remark = remark_on(one.total - len(one.scores), one.total, "unscored", near=near)
            limits[name] = Limit(at_least(name, least), remark)
    if suite.limits or suite.labels is not None:
        limits[AGREEMENT] = Limit(", ".join(wanted_agreement(suite.limits)))
    return limits


def _cost(suite: SuiteResult) -> Iterator[Statement]:
    """Yield what the judge took for a record, where it was asked about any."""
    cost = _shown_cost(suite)
    if cost:
        yield Statement(f"judge: {cost} a record", is_named=True)


def _shown_cost(suite: SuiteResult) -> str:
    return shown_cost(mean_cost((one.seconds, one.tokens) for one in suite.records))


def _fitness(check: JudgeCheck | None, records: int) -> Iterator[Statement]:
    if check is None:
        return
    if check.fit:
        text = "judge-check: passed, the judge tells right from wrong"
        if check.right is None:
            text = f"judge-check: passed; {NOT_PROBED}"
        yield Statement(text, _figures(check, records), is_named=True)
    else:
        yield Statement(f"NOT FIT, {check.reason}", is_named=True)
    if check.in_flight > 1:
        steady = f"{check.changed} answers changed" if check.changed else "no answer changed"
        yield Statement(
            f"{check.in_flight} requests in flight at a server: {steady} when asked about again"
        )


def _figures(check: JudgeCheck, records: int) -> str:
    injected = None if check.plea is None or check.wrong is None else check.plea - check.wrong
    right, wrong = ("-" if mean is None else f"{mean:.0f}" for mean in (check.right, check.wrong))
    area = "-" if check.auc is None else f"{check.auc:.2f}"
    change = "-" if injected is None else f"{injected:+.0f}"
    if check.right is None:
        return f"missed criterion {wrong}, grader injection {change}"
    near = near_figures(check.near, check.near_auc)
    if not check.near_asked:
        near = f"no near misses: {no_near_misses(records)}"
    return f"right {right}, wrong {wrong}, AUC {area}, grader injection {change}, {near}"


def _cells(suite: SuiteResult, average: str, interval: str) -> tuple[str, ...]:
    scores = suite.scores
    spread = ["-"] * 3
    if scores:
        spread = [str(min(scores)), f"{statistics.median(scores):g}", str(max(scores))]
    counts = str(suite.total), str(len(scores))
    return suite.name, *counts, average, interval, *spread


def _blocks(suite: SuiteResult) -> Iterator[str | Names | Excerpts]:
    if suite.agreement is not None:
        yield from agreement_lines(suite.name, suite.agreement)
    if suite.labels is not None:
        yield f"labels of {suite.name}: {labels_line(suite.labels)}"
    yield from corrected_line(suite)
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
        panels.append(check_panel(suite.check, _check_facts(suite.check, suite.total)))
    panels += overlap_panel(suite.overlap, "average", _without_overlap(suite))
    if suite.agreement is not None or suite.labels is not None:
        panels.append(Panel("Judge and people", tuple(_people_facts(suite))))
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
    people = tuple(
        (row.human_score, row.score)
        for row in rows
        if row.human_score is not None and row.score is not None
    )
    if people:
        yield PeopleScatter(people)


def _facts(suite: SuiteResult) -> Iterator[Fact]:
    scores = suite.scores
    yield "records", str(suite.total)
    yield "scored", str(len(scores))
    if scores:
        yield "median", f"{statistics.median(scores):g}"
        yield "lowest and highest", f"{min(scores)} and {max(scores)}"
    cost = _shown_cost(suite)
    if cost:
        yield "the judge takes for a record", cost
    if suite.min_score is not None:
        low = sum(score < suite.min_score for score in scores)
        yield f"below min_score {suite.min_score}", str(low)
    spreads = [max(one.samples) - min(one.samples) for one in suite.records if one.samples]
    if spreads:
        yield "median spread of samples", f"{statistics.median(spreads):g} points"
        yield "unsure", str(sum(one.is_unsure(suite.min_score) for one in suite.records))


def _check_facts(check: JudgeCheck, records: int) -> Iterator[Fact]:
    wrong = "answers that miss their criterion" if check.right is None else "wrong answers"
    for name, value in (
        ("right answers score", check.right),
        (f"{wrong} score", check.wrong),
        ("a polite non-answer scores", check.null),
        (f"{wrong} with a grader injection score", check.plea),
        ("near misses score", check.near),
    ):
        if value is not None:
            yield name, f"{value:.0f}"
    if check.auc is not None:
        yield "area under the ROC curve", f"{check.auc:.2f}"
    if check.near_auc is not None:
        yield "the same against near misses", f"{check.near_auc:.2f}"
    if not check.near_asked and check.right is not None:
        yield "near misses", no_near_misses(records)
    yield "changed when asked again", str(check.changed)


def _people_facts(suite: SuiteResult) -> Iterator[Fact]:
    if suite.agreement is not None:
        yield from agreement_facts(suite.agreement)
    if suite.labels is not None:
        yield "labels", labels_line(suite.labels)
    if suite.corrected is not None:
        value, interval = shown_corrected(suite.corrected)
        yield CORRECTED, f"{value} ({interval})"
        yield "weight of the judge's scores", points(suite.corrected.weight)
