"""What is printed at the start, and at the end on page and terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import count_of, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.local_page.box import Progress
    from pytest_llmjudge.voting.ballots import Ballots
    from pytest_llmjudge.voting.outcome import PairOutcome

__all__ = ["Ending", "PairTold", "end_lines", "ending", "opening_lines"]

_SHOWN = 10
_LONGEST_REASON = 160


@dataclass(frozen=True, slots=True)
class PairTold:
    """A pair of models in words: names, the win rate, and rows of a label and a figure."""

    models: tuple[str, str]
    rate: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Ending:
    """What the end page shows."""

    headline: str
    pairs: tuple[PairTold, ...]
    remarks: tuple[str, ...]


def opening_lines(made: Ballots, progress: Progress, voter: str) -> Iterator[str]:
    """Yield what is asked and what is not, a line each; of records without an answer ten."""
    for missing in made.unanswered[:_SHOWN]:
        reason = f" ({one_line(missing.error, _LONGEST_REASON)})" if missing.error else ""
        where = f"{missing.path}: {missing.suite}: {missing.id}"
        yield one_line(f"{where} has no response{reason}; it is left out", 600)
    if len(made.unanswered) > _SHOWN:
        yield f"and {len(made.unanswered) - _SHOWN} more without a response"
    yield from (one_line(note, 600) for note in made.notes)
    alike = sum(made.identical.values())
    if alike:
        yield f"{count_of(alike, 'pair')} of identical answers: ties, not shown"
    before = f", {progress.answered} voted on before" if progress.answered else ""
    yield f"{count_of(progress.total, 'ballot')} for {one_line(voter)}{before}"


def ending(made: Ballots, outcomes: Sequence[PairOutcome], voter: str, path: str) -> Ending:
    """Put the outcome into words for the end page."""
    return Ending(
        headline=f"{count_of(len(made.ballots), 'vote')} of {voter} in {path}.",
        pairs=tuple(PairTold(one.models, _rate(one), tuple(_rows(one))) for one in outcomes),
        remarks=tuple(_remarks(made)),
    )


def end_lines(
    made: Ballots, outcomes: Sequence[PairOutcome], progress: Progress, *, now: int, path: str
) -> Iterator[str]:
    """Yield the outcome for a terminal."""
    voted = f"{progress.answered} of {count_of(progress.total, 'ballot')} voted on"
    # Without a vote there may be no file.
    where = f"; votes are in {one_line(path)}" if progress.answered else ""
    yield f"{count_of(now, 'vote')} cast, {voted}{where}"
    for one in outcomes:
        yield one_line(f"{one.models[0]} against {one.models[1]}: {_rate(one)}", 600)
        if one.rate is not None:
            yield from ("  " + one_line(f"{name}: {value}", 600) for name, value in _rows(one))
    yield from _remarks(made)


def _rate(one: PairOutcome) -> str:
    if one.rate is None or one.interval is None:
        return "no vote yet"
    low, high = (100 * bound for bound in one.interval)
    return f"win rate {100 * one.rate:.1f} % (95 % CI {low:.1f} to {high:.1f})"


def _rows(one: PairOutcome) -> Iterator[tuple[str, str]]:
    first, second = one.models
    yield f"{first} is better", str(one.won)
    yield f"{second} is better", str(one.lost)
    yield "tie", f"{one.tied} ({one.both_bad} of them both bad)" if one.both_bad else str(one.tied)
    still_open = one.ballots - one.won - one.tied - one.lost
    if still_open:
        yield "not voted on", str(still_open)
    if one.identical:
        yield "identical answers, not shown", str(one.identical)
    if one.rate_with_identical is not None:
        yield "win rate with these as ties", f"{100 * one.rate_with_identical:.1f} %"
    if one.voters > 1:
        yield "voters, of whom most decide", str(one.voters)
    if one.judge is None:
        yield "judge", "the two files have no scores of one judge"
    elif one.agreement is not None:
        agreement = one.agreement
        kappa = "" if agreement.kappa is None else f", kappa {agreement.kappa:.2f}"
        yield (
            f"judge {one.judge} agrees",
            f"{100 * agreement.agreed:.1f} % of {count_of(agreement.count, 'pair')}{kappa}",
        )


def _remarks(made: Ballots) -> Iterator[str]:
    missing = len(made.unanswered)
    if missing:
        noun = count_of(missing, "response")
        yield f"{noun} missing: these records could not be voted on"
