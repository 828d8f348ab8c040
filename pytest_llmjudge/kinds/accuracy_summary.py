"""What reports show of a suite whose records are answered right or wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.data.page import (
    MOST_DROPS,
    Intervals,
    Measured,
    PageTable,
    Panel,
    Row,
    Shares,
    SuitePage,
)
from pytest_llmjudge.data.summary import NONE, Excerpt, Excerpts, Overview, Part
from pytest_llmjudge.errors import one_line
from pytest_llmjudge.kinds.accuracy_results import ACCURACY
from pytest_llmjudge.kinds.averages import breakdown_of, without_category
from pytest_llmjudge.kinds.base import AVERAGE
from pytest_llmjudge.kinds.categories import gate_of
from pytest_llmjudge.kinds.overlap import overlap_blocks, overlap_panel, wanted_overlap
from pytest_llmjudge.kinds.rulings import Limit, of_samples, remark_on
from pytest_llmjudge.kinds.summaries import (
    at_least,
    causes_of_items,
    causes_of_missing,
    drops_of,
    grouped_size,
    is_one,
    make_summary,
    scored_counts,
    unscored_names,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_llmjudge.data import Entry, Rule
    from pytest_llmjudge.data.page import ChartData, Fact
    from pytest_llmjudge.data.summary import Breakdown, Names, Summary
    from pytest_llmjudge.decisions.accuracy import Share
    from pytest_llmjudge.kinds.accuracy_results import (
        AccuracyResult,
        AnsweredRecord,
        CategoryShare,
        OwnFigures,
    )
    from pytest_llmjudge.kinds.base import Kind

__all__ = ["accuracy_page", "accuracy_summary"]

_EXCERPTS = ("", "record", "instruction", "answer")
_CATEGORIES = ("category", "records", "answered", ACCURACY, "95 % interval", "outcome")
_EVERY = "each right"
_LONGEST_NAME = 60
_LONGEST_TEXT = 60


def accuracy_summary(
    kind: Kind[AccuracyResult], result: AccuracyResult, rule: Rule, own: OwnFigures
) -> Summary:
    """Return what reports show of a suite.

    Args:
        kind: Of the suite.
        result: Of the suite.
        rule: How it is held to its baseline.
        own: What its kind shows beside the accuracy.
    """
    answered, limits = result.answered, result.limits
    value, interval = _shown(result.share)
    return make_summary(
        kind,
        result,
        noun="record",
        measure=ACCURACY,
        value=value,
        interval=interval,
        wanted=(
            at_least(ACCURACY, limits.min_accuracy),
            *(at_least(gate_of(one.name), one.min_accuracy) for one in result.categories),
            _EVERY if limits.every_right else "",
            wanted_overlap(result.overlap),
        ),
        rule=rule,
        causes=_causes(result),
        limits=_limits(result),
        of_each=of_samples(
            _EVERY if limits.every_right else "",
            "record",
            (one.outcome for one in result.records),
            result.total,
            missed=_wrong(result),
            beyond="wrong",
        ),
        counts=(
            *scored_counts(len(answered), result.total, result.groups),
            ("correct", str(sum(one.correct is True for one in answered))),
        ),
        grouped=grouped_size(result.total, "record", result.groups),
        overview=Overview(
            (
                *("suite", "records", "answered", "right", ACCURACY, "95 % interval"),
                *own.columns,
                "outcome",
            ),
            (
                *(result.name, str(result.total), str(len(answered))),
                *(str(sum(one.correct is True for one in answered)), value, interval),
                *own.cells,
            ),
            title=kind.title,
            lines=own.statements,
        ),
        breakdowns=tuple(_breakdowns(result)),
        blocks=tuple(_blocks(result, value)),
    )


def _shown(share: Share | None) -> tuple[str, str]:
    """Return an accuracy and its interval as they are shown."""
    if share is None:
        return NONE, NONE
    return f"{share.accuracy:.4f}", "{:.4f} to {:.4f}".format(*share.interval)


def _wrong(result: AccuracyResult) -> int:
    """Count the records that failed because their answer is wrong."""
    return sum(
        one.outcome == "failed" and result.limits.every_right and one.correct is False
        for one in result.records
    )


def _causes(result: AccuracyResult) -> Iterator[str]:
    wrong, of = _wrong(result), f"of {result.total} records"
    if wrong:
        yield f"{wrong} {of} {is_one(wrong, 'is', 'are')} answered wrong"
    yield from causes_of_items(result.answered, of, "answer", low=wrong)
    state = "has no answer", "have no answer"
    yield from causes_of_missing(result.records, result.total, "records", state)


def _limits(result: AccuracyResult) -> dict[str, Limit]:
    least = result.limits.min_accuracy
    limits = {
        AVERAGE: Limit(
            at_least(ACCURACY, least),
            _remark(result.share, len(result.answered), result.total, least),
        )
    }
    for one in result.categories:
        name, least = gate_of(one.name), one.min_accuracy
        if least is not None:
            remark = _remark(one.share, one.scored, one.total, least)
            limits[name] = Limit(at_least(name, least), remark)
    return limits


def _remark(share: Share | None, answered: int, total: int, least: float | None) -> str:
    near = share is not None and share.is_within_noise(least)
    return remark_on(total - answered, total, "without an answer", near=near)


def _breakdowns(result: AccuracyResult) -> Iterator[Breakdown]:
    categories = result.categories
    if not categories:
        return
    counted = is_one(len(categories), "1 category", f"{len(categories)} categories")
    if result.limits.by is not None:
        counted += f' in the field "{result.limits.by}"'
    yield breakdown_of(
        tuple(_category(result, one) for one in categories),
        # Those of which a part has no answer come first.
        [-1.0 if one.share is None else one.share.accuracy for one in categories],
        settings=counted + _left_over(result),
        headings=_CATEGORIES,
        nouns=("category", "categories"),
        title=ACCURACY.capitalize(),
        lowest=f"with the lowest {ACCURACY}",
    )


def _left_over(result: AccuracyResult) -> str:
    return without_category(result.total, (one.total for one in result.categories))


def _category(result: AccuracyResult, one: CategoryShare) -> Part:
    outcome = remark = ""
    if one.min_accuracy is not None:
        name = gate_of(one.name)
        outcome = next((gate.outcome for gate in result.gates if gate.name == name), "not run")
        near = one.share is not None and one.share.is_within_noise(one.min_accuracy)
        noise = ", within noise" if near else ""
        remark = f" ({at_least(ACCURACY, one.min_accuracy)}{noise})"
    figures = str(one.total), str(one.scored), *_shown(one.share)
    return Part(one_line(one.name, _LONGEST_NAME), figures, outcome, remark)


def _blocks(result: AccuracyResult, value: str) -> Iterator[str | Names | Excerpts]:
    rest = _shown(result.share_without_overlap)[0].removeprefix(NONE)
    yield from overlap_blocks(result.name, result.overlap, ACCURACY, value, rest)
    yield from unscored_names(result.name, result.records)
    wrong = tuple(
        Excerpt(
            "",
            one.record.id,
            f"{_short(one.shown)} (right: {_short(one.expected)})",
            one.record.instruction,
        )
        for one in result.answered
        if not one.correct
    )
    if wrong:
        yield Excerpts(f"wrong answers in {result.name}", wrong, _EXCERPTS, are_quoted=False)


def _short(text: str) -> str:
    return f'"{one_line(text, _LONGEST_TEXT)}"'


def accuracy_page(
    result: AccuracyResult, own: OwnFigures, before: Mapping[str, Entry]
) -> SuitePage:
    """Return what the HTML page shows of a suite beside its summary.

    Args:
        result: Of the suite, with all texts.
        own: What its kind shows beside the accuracy.
        before: What the baseline made of its records, by id.
    """
    rows = tuple(_row(result, one, before.get(one.record.id)) for one in result.records)
    rest = _shown(result.share_without_overlap)[0].removeprefix(NONE)
    return SuitePage(
        panels=(
            Panel("Answers", (*_facts(result), *own.facts)),
            *overlap_panel(result.overlap, ACCURACY, rest),
        ),
        terms=own.terms,
        charts=tuple(_charts(result)),
        tables=tuple(_tables(result)),
        rows=rows,
        drops=tuple(drops_of(rows, MOST_DROPS)),
    )


def _facts(result: AccuracyResult) -> Iterator[Fact]:
    answered = result.answered
    yield "records", str(result.total)
    yield "answered", str(len(answered))
    yield "right", str(sum(one.correct is True for one in answered))


def _charts(result: AccuracyResult) -> Iterator[ChartData]:
    right = sum(one.correct is True for one in result.records)
    wrong = sum(one.correct is False for one in result.records)
    counts = right, len(result.records) - right - wrong, wrong
    if result.records:
        yield Shares(counts, ("right", "without an answer", "wrong"), "records")
    measured = tuple(
        Measured(one.name, one.share.accuracy, one.share.interval, None)
        for one in result.categories
        if one.share is not None
    )
    if len(measured) > 1:
        yield Intervals(measured, None, ACCURACY, "category")


def _tables(result: AccuracyResult) -> Iterator[PageTable]:
    if result.categories:
        parts = tuple(_category(result, one) for one in result.categories)
        yield PageTable("Categories", _CATEGORIES, parts, _left_over(result))


def _row(result: AccuracyResult, one: AnsweredRecord, entry: Entry | None) -> Row:
    was = None if entry is None else entry.score
    score = None if one.correct is None else 100.0 * one.correct
    return Row(
        suite=result.name,
        record=one.record,
        outcome=one.outcome,
        # Where no answer has to be right, a wrong one has not passed anything.
        label=("right" if one.correct else "wrong") if one.outcome == "passed" else one.outcome,
        score=score,
        before=was,
        response=one.shown,
        other=None if entry is None else entry.response,
        replies=(),
        error=one.error,
        is_flipped=bool(was) and score == 0,
    )
