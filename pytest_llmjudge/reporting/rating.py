"""Ratings of models as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.errors import one_line
from pytest_llmjudge.reporting.table import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import Outcome, PeopleAgreement, Rating, Ratings, Unscored

__all__ = ["counted", "ratings_lines"]

_SHOWN = 10
_LONGEST_CAUSE = 160


def counted(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Return how many outcomes people decided, and how many judges did."""
    return {by: sum(one.by == by for one in outcomes) for by in ("people", "judge")}


def ratings_lines(
    ratings: Ratings,
    outcomes: Sequence[Outcome],
    unscored: Sequence[Unscored],
    notes: Sequence[str],
    agreement: PeopleAgreement | None,
) -> Iterator[str]:
    """Yield the ratings, how the models did against each other, and what to know of them.

    Args:
        ratings: Of all models.
        outcomes: What they are rated by.
        unscored: What gave no outcome; the first ten are named.
        notes: On the files.
        agreement: Between people and judges.
    """
    counts = counted(outcomes)
    noun = "outcome" if len(outcomes) == 1 else "outcomes"
    yield (
        f"{len(outcomes)} {noun}: {counts['people']} decided by people, {counts['judge']} by a "
        "judge"
    )
    for component in ratings.components:
        yield ""
        yield from table(list(_rows(ratings, component)), left={1})
    yield ""
    yield "win rate of the model in a row over the one in a column, in % (outcomes):"
    yield from table(list(_matrix(ratings)), left={1})
    remarks = [*ratings.notes, *notes]
    if agreement is not None:
        remarks.append(_agreement(agreement))
    if remarks:
        yield ""
        yield from (_folded(note) for note in remarks)
    if unscored:
        yield ""
        yield f"without an outcome ({len(unscored)}):"
        for one in unscored[:_SHOWN]:
            yield f"  {_folded(one.file)}: {_folded(one.id)}: {one_line(one.cause, _LONGEST_CAUSE)}"
        if len(unscored) > _SHOWN:
            yield f"  and {len(unscored) - _SHOWN} more"


def _rows(ratings: Ratings, component: Sequence[str]) -> Iterator[tuple[str, ...]]:
    yield "rank", "model", "rating", "95 % interval", "Elo", "outcomes"
    members = [one for one in ratings.ratings if one.model in component]
    for rank, one in enumerate(members, 1):
        yield (
            str(rank),
            _folded(one.model),
            f"{one.rating:.1f}",
            _interval(one),
            f"{one.elo:.1f}",
            str(one.outcomes),
        )


def _interval(rating: Rating) -> str:
    if rating.interval is None:
        return "-"
    low, high = rating.interval
    return f"{low:.1f} to {high:.1f}"


def _matrix(ratings: Ratings) -> Iterator[list[str]]:
    """Yield a row for each model; columns have the numbers that rows begin with."""
    models = [one.model for one in ratings.ratings]
    cells = {(one.model, one.against): one for one in ratings.matrix}
    numbers = [str(number) for number, _ in enumerate(models, 1)]
    yield ["", "", *numbers]
    for number, model in zip(numbers, models, strict=True):
        row = [number, _folded(model)]
        for against in models:
            one = cells.get((model, against))
            row.append("-" if one is None else f"{100 * one.win_rate:.1f} ({one.outcomes})")
        yield row


def _agreement(agreement: PeopleAgreement) -> str:
    kappa = (
        "none, since both gave all pairs the same winner"
        if agreement.kappa is None
        else f"{agreement.kappa:.2f}"
    )
    return (
        f"people and the judge prefer the same in {100 * agreement.agreed:.1f} % of "
        f"{agreement.count} pairs that both decided (Cohen's kappa: {kappa})"
    )


def _folded(text: str) -> str:
    return one_line(text, 600)
