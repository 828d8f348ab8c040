"""A suite of pairs as the page shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.reporting.html import charts
from pytest_llmjudge.reporting.html.checks import pair_check_panel
from pytest_llmjudge.reporting.html.model import MOST_DROPS, LostPair, Panel, SuiteView
from pytest_llmjudge.reporting.terminal import checkpoint_line
from pytest_llmjudge.win_rate import summary_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import PairSummary, PeopleAgreement, PreferenceResult
    from pytest_llmjudge.reporting.digest import SuiteDigest
    from pytest_llmjudge.reporting.html.model import Fact
    from pytest_llmjudge.reporting.html.rows import Row

__all__ = ["pairs_view"]


def pairs_view(
    found: PreferenceResult, told: SuiteDigest, rows: Sequence[tuple[int, Row]]
) -> SuiteView:
    """Show a suite of pairs.

    Args:
        found: The results.
        told: It in a few words.
        rows: Its lines of the table, with their numbers.
    """
    summary = summary_of(found.pairs)
    panels = [Panel("Pairs", tuple(_facts(found, told, summary)))]
    if found.check is not None:
        panels.append(pair_check_panel(found.check))
    if found.agreement is not None:
        panels.append(Panel("Judge and people", _people(found.agreement)))
    drawn = (charts.shares(summary.wins, summary.ties, summary.losses),) if summary.pairs else ()
    return SuiteView(
        digest=told,
        kind="Pairs",
        model=checkpoint_line(found.checkpoint),
        judge=found.judge_label,
        charts=drawn,
        panels=tuple(panels),
        gates=found.gates,
        lost=() if told.outcome == "passed" else tuple(_lost(rows)),
        losses=summary.losses,
    )


def _lost(rows: Sequence[tuple[int, Row]]) -> Iterator[LostPair]:
    for number, row in [numbered for numbered in rows if numbered[1].is_lost][:MOST_DROPS]:
        answers = ("preferred", row.other or "(empty)"), ("this model", row.response or "(empty)")
        yield LostPair(row.record.instruction, row.record.input, number, answers)


def _facts(found: PreferenceResult, told: SuiteDigest, summary: PairSummary) -> Iterator[Fact]:
    fingerprint = found.against.fingerprint[:12]
    yield "against", found.against.name + (f" ({fingerprint})" if fingerprint else "")
    yield "pairs", str(found.total)
    yield "with a winner", str(summary.pairs)
    yield "win rate", told.value
    yield "95 % interval", told.interval
    # As for the rate itself, there is none of a part of the pairs.
    if summary.length_controlled is not None and summary.pairs == found.total:
        yield "win rate, length-controlled", f"{summary.length_controlled:.3f}"
    if summary.flips is not None:
        yield "the place decided", f"{100 * summary.flips:.0f} % of {summary.asked}"
    if summary.mean_length is not None:
        own, others = summary.mean_length
        yield "mean length", f"{own:.0f} against {others:.0f} characters"


def _people(found: PeopleAgreement) -> tuple[Fact, ...]:
    return (
        ("pairs with both", str(found.count)),
        ("agreed", f"{100 * found.agreed:.0f} %"),
        ("Cohen's kappa", "-" if found.kappa is None else f"{found.kappa:.2f}"),
    )
