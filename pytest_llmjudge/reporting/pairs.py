"""Suites of pairs for a terminal: one row each, and how they were decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.reporting.layout import Table, quoted
from pytest_llmjudge.reporting.unscored import more_lines, unscored_lines
from pytest_llmjudge.win_rate import is_win_rate_within_noise, summary_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import PairCheck, PreferenceResult

__all__ = ["PAIR_HEADINGS", "pair_blocks", "pair_row", "told_of_pairs"]

PAIR_HEADINGS = (
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


def pair_blocks(
    results: Sequence[PreferenceResult], columns: int, most: int | None, *, figures: bool
) -> Iterator[str | Table]:
    """Yield the summary of a run's suites of pairs, as lines and a table.

    Args:
        results: In the order in which they are told.
        columns: Of the terminal.
        most: How many pairs without a winner, and lost ones, are named; ``None`` for all.
        figures: Whether to add those of a judge that is fit.
    """
    if not results:
        return
    yield Table(PAIR_HEADINGS, list(map(pair_row, results)), [result.outcome for result in results])
    for result in results:
        of = f" ({result.name})" if len(results) > 1 else ""
        yield from told_of_pairs(result, of, figures=figures)
        yield from unscored_lines(result.name, result.pairs, columns, most)
        yield from _lost_lines(result, columns, most)


def pair_row(result: PreferenceResult) -> tuple[str, ...]:
    """Return a suite's figures, as many as there are headings."""
    summary = summary_of(result.pairs)
    # Of a part of the pairs there is no win rate: those without a winner may all be lost.
    is_whole = summary.pairs == result.total
    rate = summary.win_rate if is_whole else None
    interval = summary.interval if is_whole else None
    controlled = summary.length_controlled if is_whole else None
    noise = is_whole and is_win_rate_within_noise(summary, result.min_win_rate)
    gate = f"win rate >= {result.min_win_rate:g}" if result.min_win_rate is not None else ""
    return (
        result.name,
        str(result.total),
        str(summary.wins),
        str(summary.ties),
        str(summary.losses),
        _share(rate),
        "-" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}",
        _share(controlled),
        f"{result.outcome} ({gate}{', within noise' if noise else ''})",
    )


def _figures(check: PairCheck) -> str:
    right, injected = (
        "-" if rate is None else f"{rate:.2f}" for rate in (check.reference, check.plea)
    )
    place = "-" if check.flips is None else _percent(check.flips)
    return f"right beats wrong {right}, with grader injection {injected}, flips {place}"


def told_of_pairs(result: PreferenceResult, of: str, *, figures: bool) -> Iterator[str]:
    """Yield against what and by whom pairs were decided, and how far that can be trusted.

    Args:
        result: Of one suite.
        of: What follows the line on the judge's check, to tell suites apart.
        figures: Whether to add those of a judge that is fit.
    """
    summary = summary_of(result.pairs)
    parts = [f"against {_against(result)}", f"decided by {result.judge_label}"]
    if summary.flips is not None:
        parts.append(f"the place decided {_percent(summary.flips)} of {summary.asked} pairs")
    if summary.mean_length is not None:
        own, others = summary.mean_length
        parts.append(f"answers of {own:.0f} characters against {others:.0f}")
    yield f"{result.name}: {'; '.join(parts)}"
    if result.check is not None:
        told = f"NOT FIT, {result.check.reason}"
        if result.check.fit:
            told = "judge-check: passed, the judge picks right answers over wrong ones"
            told += f" ({_figures(result.check)})" if figures else ""
        yield f"{told}{of}"
    agreement = result.agreement
    if agreement is not None:
        told = "-" if agreement.kappa is None else f"{agreement.kappa:.2f}"
        yield (
            f"{result.name}: people and judge agree on {_percent(agreement.agreed)} of "
            f"{agreement.count} pairs, Cohen's kappa {told}"
        )


def _lost_lines(result: PreferenceResult, columns: int, most: int | None) -> Iterator[str]:
    lost = [pair for pair in result.pairs if pair.winner == "b"]
    if lost:
        yield f"lost in {result.name}: {len(lost)}"
    for pair in lost[:most]:
        yield quoted(f"       {pair.record.id}  ", str(pair.model_response), columns)
    yield from more_lines(len(lost), most)


def _against(result: PreferenceResult) -> str:
    against = result.against
    if against.kind == "field":
        return f'the records\' field "{against.name}"'
    told = f" (fingerprint {against.fingerprint[:12]})" if against.fingerprint else ""
    return f"{against.name}{told}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
