"""What models are rated by, and their ratings."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Outcome", "Rating", "Ratings", "Standing", "Unscored"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one pair of answers.

    Attributes:
        model_a: Name of one model.
        model_b: Name of the other.
        score: 1 where ``model_a`` won, 0.5 for a tie, 0 where ``model_b`` won.
        by: Who decided: ``people`` or ``judge``.
    """

    model_a: str
    model_b: str
    score: float
    by: str = "people"


@dataclass(frozen=True, slots=True)
class Unscored:
    """A record or pair that gave no outcome: its id, the file that holds it, and why."""

    id: str
    file: str
    cause: str


@dataclass(frozen=True, slots=True)
class Rating:
    """How strong a model is.

    Attributes:
        model: Its name.
        rating: Bradley-Terry, 400 points being ten to one in odds.
        interval: 95 % bootstrap interval of the rating; ``None`` where none was asked for.
        elo: Online Elo rating after the last outcome.
        outcomes: How many outcomes it took part in.
        component: Number of the group of models it is connected with, from 1; ratings of different
            groups do not compare.
    """

    model: str
    rating: float
    interval: tuple[float, float] | None
    elo: float
    outcomes: int
    component: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How one model did against another: its win rate, 0 to 1, and in how many outcomes."""

    model: str
    against: str
    win_rate: float
    outcomes: int


@dataclass(frozen=True, slots=True)
class Ratings:
    """Ratings of all models, and what a reader should know of them.

    Attributes:
        ratings: By component, the best first.
        components: The models of each component, in the same order.
        matrix: Both ways for all pairs of models that met, in the same order.
        notes: Finished sentences.
    """

    ratings: tuple[Rating, ...]
    components: tuple[tuple[str, ...], ...]
    matrix: tuple[Standing, ...]
    notes: tuple[str, ...]
