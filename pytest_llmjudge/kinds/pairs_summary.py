"""What reports show of a suite of pairs of responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.data import Preference
from pytest_llmjudge.data.page import MOST_DROPS, Lost, Panel, Row, Shares, SuitePage, Term
from pytest_llmjudge.data.summary import NONE, Excerpt, Excerpts, Overview, Statement
from pytest_llmjudge.decisions.win_rate import is_win_rate_within_noise, summary_of
from pytest_llmjudge.judging.near import no_near_misses
from pytest_llmjudge.kinds.overlap import (
    overlap_blocks,
    overlap_panel,
    rest_of,
    wanted_overlap,
)
from pytest_llmjudge.kinds.rulings import Limit, of_samples, remark_on
from pytest_llmjudge.kinds.summaries import (
    NEAR_MISS,
    at_least,
    causes_of_items,
    causes_of_missing,
    check_panel,
    grouped_size,
    make_summary,
    near_counts,
    scored_counts,
    unscored_names,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import (
        PairCheck,
        PairResult,
        PairSummary,
        PeopleAgreement,
        PreferenceResult,
        Rule,
    )
    from pytest_llmjudge.data.page import Fact
    from pytest_llmjudge.data.summary import Names, Summary
    from pytest_llmjudge.kinds.base import Kind

__all__ = ["WIN_RATE", "pairs_page", "pairs_summary"]

_HEADINGS = (
    "suite of pairs",
    "pairs",
    "won",
    "tied",
    "lost",
    "win rate",
    "95 % interval",
    "length-controlled",
    "outcome",
)
WIN_RATE = "win-rate"
"""The gate over all pairs."""
_LABELS = {1.0: "won", 0.5: "tied", 0.0: "lost"}
_SHOWN_DIGITS = 12
_TERMS = (
    Term(
        "win rate",
        ("win rate",),
        "The share of pairs that the model under test won; a tie counts half.",
    ),
    Term(
        "length-controlled",
        ("win rate, length-controlled",),
        "What the win rate would be if both answers were equally long. Judges like long answers.",
    ),
    Term(
        "position bias",
        ("position bias",),
        (
            "Each pair is shown in both orders. Here the judge took the same place twice, and so "
            "each answer once. That is a tie, and says more of the judge than of the answers."
        ),
    ),
    Term(
        "grader injection",
        ("right beats wrong with a grader injection",),
        (
            "A wrong answer that asks the judge to be preferred or to get all points. A good judge "
            "does not give in."
        ),
    ),
    NEAR_MISS,
    Term(
        "Cohen's kappa",
        ("Cohen's kappa",),
        "How far judge and people agree beyond what chance gives: 1 is always, 0 is chance.",
    ),
)


def pairs_summary(kind: Kind[PreferenceResult], result: PreferenceResult, rule: Rule) -> Summary:
    """Return what reports show of a suite.

    Args:
        kind: Of the suite.
        result: Of the suite.
        rule: How it is held to its baseline.
    """
    figures = summary_of(result.pairs)
    # Of a part of the pairs there is no win rate: those without a winner may all be lost.
    is_whole = figures.pairs == result.total
    rate = _share(figures.win_rate if is_whole else None)
    bounds = figures.interval if is_whole else None
    interval = NONE if bounds is None else "{:.3f} to {:.3f}".format(*bounds)
    return make_summary(
        kind,
        result,
        noun="pair",
        measure="win rate",
        value=rate,
        interval=interval,
        wanted=(at_least("win rate", result.min_win_rate), wanted_overlap(result.overlap)),
        rule=rule,
        causes=_causes(result),
        limits={WIN_RATE: _limit(result, figures)},
        of_each=of_samples("", "pair", (one.outcome for one in result.pairs), result.total),
        judge=result.judge_label,
        overview=Overview(
            _HEADINGS,
            (
                result.name,
                str(result.total),
                *map(str, (figures.wins, figures.ties, figures.losses)),
                rate,
                interval,
                _share(figures.length_controlled if is_whole else None),
            ),
            title="Preference",
            lines=tuple(_statements(result, figures)),
        ),
        blocks=(
            *overlap_blocks(result.name, result.overlap, "win rate", rate, _without(result)),
            *_blocks(result),
        ),
        counts=(
            *scored_counts(figures.pairs, result.total, result.groups),
            *near_counts(result.check),
        ),
        grouped=grouped_size(result.total, "pair", result.groups),
    )


def summary_without_overlap(result: PreferenceResult) -> PairSummary:
    """Return the numbers of the pairs whose records do not appear in the training data.

    There are none where no record appears there, or a pair has no winner.
    """
    decided = [pair for pair in result.pairs if pair.winner is not None]
    return summary_of(rest_of(result.overlap, decided, result.total))


def _without(result: PreferenceResult) -> str:
    """Return the win rate of those pairs as it is shown; empty for none."""
    rate = summary_without_overlap(result).win_rate
    return "" if rate is None else _share(rate)


def _causes(result: PreferenceResult) -> Iterator[str]:
    decided = [pair for pair in result.pairs if pair.winner is not None]
    yield from causes_of_items(decided, f"of {result.total} pairs", "winner")
    state = "has no winner", "have no winner"
    yield from causes_of_missing(result.pairs, result.total, "pairs", state)


def _limit(result: PreferenceResult, figures: PairSummary) -> Limit:
    near = is_win_rate_within_noise(figures, result.min_win_rate)
    missing = result.total - figures.pairs
    remark = remark_on(missing, result.total, "without a winner", near=near)
    return Limit(at_least("win rate", result.min_win_rate), remark)


def _statements(result: PreferenceResult, figures: PairSummary) -> Iterator[Statement]:
    parts = [f"against {_against(result)}", f"decided by {result.judge_label}"]
    if figures.flips is not None:
        parts.append(f"position bias in {_percent(figures.flips)} of {figures.asked} pairs")
    if figures.mean_length is not None:
        own, others = figures.mean_length
        parts.append(f"answers of {own:.0f} characters against {others:.0f}")
    yield Statement(f"{result.name}: {'; '.join(parts)}")
    check, agreement = result.check, result.agreement
    if check is not None and check.fit:
        text = "judge-check: passed, the judge picks right answers over wrong ones"
        yield Statement(text, _check_figures(check, result.total), is_named=True)
    elif check is not None:
        yield Statement(f"NOT FIT, {check.reason}", is_named=True)
    if agreement is not None:
        kappa = "-" if agreement.kappa is None else f"{agreement.kappa:.2f}"
        yield Statement(
            f"{result.name}: people and judge agree on {_percent(agreement.agreed)} of "
            f"{agreement.count} pairs, Cohen's kappa {kappa}"
        )


def _against(result: PreferenceResult) -> str:
    against = result.against
    if against.kind == "field":
        return f'the records\' field "{against.name}"'
    shown = against.fingerprint[:_SHOWN_DIGITS]
    return f"{against.name} (fingerprint {shown})" if shown else against.name


def _check_figures(check: PairCheck, records: int) -> str:
    right, injected, near = (
        "-" if rate is None else f"{rate:.2f}" for rate in (check.reference, check.plea, check.near)
    )
    place = "-" if check.flips is None else _percent(check.flips)
    against = f"right beats near misses {near}"
    if not check.near_asked:
        against = f"no near misses: {no_near_misses(records)}"
    return f"right beats wrong {right}, with grader injection {injected}, flips {place}, {against}"


def _blocks(result: PreferenceResult) -> Iterator[Names | Excerpts]:
    yield from unscored_names(result.name, result.pairs)
    lost = tuple(
        Excerpt("", pair.record.id, pair.model_response or "")
        for pair in result.pairs
        if pair.winner == "b"
    )
    if lost:
        yield Excerpts(f"lost in {result.name}", lost)


def _share(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def pairs_page(result: PreferenceResult, summary: Summary) -> SuitePage:
    """Return what the HTML page shows of a suite beside its summary.

    Args:
        result: Of the suite, with all texts.
        summary: Of the suite.
    """
    figures = summary_of(result.pairs)
    panels = [Panel("Pairs", tuple(_facts(result, summary, figures)))]
    if result.check is not None:
        panels.append(check_panel(result.check, _check_facts(result.check, result.total)))
    panels += overlap_panel(result.overlap, "win rate", _without(result))
    if result.agreement is not None:
        panels.append(Panel("Judge and people", _people(result.agreement)))
    rows = tuple(_row(result, pair) for pair in result.pairs)
    counts = figures.wins, figures.ties, figures.losses
    return SuitePage(
        panels=tuple(panels),
        terms=_TERMS,
        charts=(Shares(counts, ("won", "tied", "lost"), "pairs"),) if figures.pairs else (),
        rows=rows,
        lost=() if result.outcome == "passed" else tuple(_lost(rows)),
        losses=figures.losses,
    )


def _row(result: PreferenceResult, pair: PairResult) -> Row:
    chosen = Preference(pair.winner, pair.orders)
    return Row(
        suite=result.name,
        record=pair.record,
        outcome=pair.outcome,
        label=pair.outcome if chosen.score is None else _LABELS[chosen.score],
        score=None if chosen.score is None else 100 * chosen.score,
        before=None,
        response=pair.model_response,
        other=pair.against_response,
        replies=pair.replies,
        error=pair.error,
        compares=True,
        is_lost=pair.winner == "b",
        is_flipped=chosen.is_flip,
        orders=pair.orders,
        thoughts=pair.thoughts,
    )


def _lost(rows: Sequence[Row]) -> Iterator[Lost]:
    lost = [(place, row) for place, row in enumerate(rows) if row.is_lost]
    for place, row in lost[:MOST_DROPS]:
        answers = ("preferred", row.other or "(empty)"), ("this model", row.response or "(empty)")
        yield Lost(row.record.instruction, row.record.input, place, answers)


def _facts(result: PreferenceResult, summary: Summary, figures: PairSummary) -> Iterator[Fact]:
    fingerprint = result.against.fingerprint[:_SHOWN_DIGITS]
    yield "against", result.against.name + (f" ({fingerprint})" if fingerprint else "")
    yield "pairs", str(result.total)
    yield "with a winner", str(figures.pairs)
    yield "win rate", summary.value
    yield "95 % interval", summary.interval
    # As for the rate itself, there is none of a part of the pairs.
    if figures.length_controlled is not None and figures.pairs == result.total:
        yield "win rate, length-controlled", f"{figures.length_controlled:.3f}"
    if figures.flips is not None:
        yield "position bias", f"{_percent(figures.flips)} of {figures.asked}"
    if figures.mean_length is not None:
        own, others = figures.mean_length
        yield "mean length", f"{own:.0f} against {others:.0f} characters"


def _check_facts(check: PairCheck, records: int) -> Iterator[Fact]:
    if check.reference is not None:
        yield "right beats wrong", f"{check.reference:.2f}"
    if check.plea is not None:
        yield "right beats wrong with a grader injection", f"{check.plea:.2f}"
    yield "identical answers not tied", str(check.untied)
    if check.flips is not None:
        yield "position bias", _percent(check.flips)
    if check.near is not None:
        yield "right beats near misses", f"{check.near:.2f}"
    if not check.near_asked:
        yield "near misses", no_near_misses(records)


def _people(agreement: PeopleAgreement) -> tuple[Fact, ...]:
    return (
        ("pairs with both", str(agreement.count)),
        ("agreed", _percent(agreement.agreed)),
        ("Cohen's kappa", "-" if agreement.kappa is None else f"{agreement.kappa:.2f}"),
    )
