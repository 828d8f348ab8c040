"""Suites of pairs as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.errors import one_line
from pytest_llmjudge.gates import is_win_rate_within_noise
from pytest_llmjudge.reporting.table import table
from pytest_llmjudge.winning import summary_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import PreferenceResult

__all__ = ["pair_lines"]

_SHOWN = 5
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


def pair_lines(results: Sequence[PreferenceResult], width: int) -> Iterator[str]:
    """Yield the summary of a run's suites of pairs.

    Args:
        results: In the order in which they are told.
        width: Columns of the terminal; texts of records are cut to it.
    """
    if not results:
        return
    yield from table([_HEADINGS, *map(_row, results)], left={0, len(_HEADINGS) - 1})
    for result in results:
        yield from _how(result, f" ({result.name})" if len(results) > 1 else "")
        yield from _unscored(result, width)


def _row(result: PreferenceResult) -> tuple[str, ...]:
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


def _how(result: PreferenceResult, of: str) -> Iterator[str]:
    summary = summary_of(result.pairs)
    parts = [f"against {_against(result)}", f"decided by {result.judge_label}"]
    if summary.flips is not None:
        parts.append(f"the place decided {_percent(summary.flips)} of {summary.asked} pairs")
    if summary.mean_length is not None:
        own, others = summary.mean_length
        parts.append(f"answers of {own:.0f} characters against {others:.0f}")
    yield f"{result.name}: {'; '.join(parts)}"
    if result.check is not None:
        yield f"{'' if result.check.fit else 'NOT FIT, '}{result.check.reason}{of}"
    agreement = result.agreement
    if agreement is not None:
        told = "-" if agreement.kappa is None else f"{agreement.kappa:.2f}"
        yield (
            f"{result.name}: people and judge agree on {_percent(agreement.agreed)} of "
            f"{agreement.count} pairs, Cohen's kappa {told}"
        )


def _against(result: PreferenceResult) -> str:
    against = result.against
    if against.kind == "field":
        return f'the records\' field "{against.name}"'
    told = f" (fingerprint {against.fingerprint[:12]})" if against.fingerprint else ""
    return f"{against.name}{told}"


def _unscored(result: PreferenceResult, width: int) -> Iterator[str]:
    for cause, title in (("record", "unscored in"), ("rig", "broken rig in")):
        missing = [pair for pair in result.pairs if pair.cause == cause]
        if missing:
            yield f"{title} {result.name}: {len(missing)}"
        for pair in missing[:_SHOWN]:
            yield f"       {pair.record.id}  {one_line(str(pair.error), 10 * width)}"
        if len(missing) > _SHOWN:
            yield f"       and {len(missing) - _SHOWN} more"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
