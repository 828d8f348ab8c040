"""Ratings, beside scikit-learn's logistic regression."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from pytest_llmjudge.data import Outcome, Standing
from pytest_llmjudge.stats.rating import elo, rate, standings

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = 400 * math.log10(3)
OUTCOMES = st.lists(
    st.builds(
        lambda pair, score: Outcome(pair[0], pair[1], score),
        st.sampled_from([(a, b) for a in "pqrst" for b in "pqrst" if a != b]),
        st.sampled_from([0.0, 0.5, 1.0]),
    ),
    min_size=1,
    max_size=30,
)


def many(
    wins: int, losses: int, ties: int = 0, pair: tuple[str, str] = ("x", "y")
) -> list[Outcome]:
    """Return outcomes of one pair of models."""
    scores = [1.0] * wins + [0.0] * losses + [0.5] * ties
    return [Outcome(*pair, score) for score in scores]


def points(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the ratings alone."""
    return {one.model: one.rating for one in rate(outcomes, resamples=0).ratings}


def voted(models: int, votes: int, seed: int) -> list[Outcome]:
    """Return outcomes of models of random strength, a tenth of them ties."""
    numbers = np.random.default_rng(seed)
    strengths = numbers.normal(0, 1, models)
    first = numbers.integers(0, models, votes)
    second = (first + numbers.integers(1, models, votes)) % models
    likely = 1 / (1 + np.exp(strengths[second] - strengths[first]))
    scores = (numbers.random(votes) < likely).astype(float)
    scores[numbers.random(votes) < 0.1] = 0.5
    return [
        Outcome(f"m{a}", f"m{b}", score)
        for a, b, score in zip(first, second, scores.tolist(), strict=True)
    ]


def test_three_to_one() -> None:
    """75 wins and 25 losses are a gap of 400 log10(3) = 190.85 points, around 1000."""
    assert points(many(75, 25)) == pytest.approx({"x": 1000 + GAP / 2, "y": 1000 - GAP / 2})
    assert pytest.approx(190.85, abs=0.005) == GAP


def test_ties_alone() -> None:
    """Equal models have equal ratings."""
    assert points(many(0, 0, 7)) == {"x": 1000, "y": 1000}


@pytest.mark.parametrize("seed", range(3))
def test_bradley_terry_is_a_logistic_regression(seed: int) -> None:
    """As scikit-learn fits it without penalty, each tie half a win of either, around the mean."""
    outcomes = voted(5, 2000, seed)
    names = sorted({one.model_a for one in outcomes})
    design = np.zeros((len(outcomes), 5))
    for row, one in zip(design, outcomes, strict=True):
        row[names.index(one.model_a)], row[names.index(one.model_b)] = 1, -1
    scores = np.array([one.score for one in outcomes])
    # The last model is where the others are measured from.
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-8, max_iter=1000)
    model.fit(
        np.vstack([design, design])[:, :-1],
        np.repeat([1, 0], len(outcomes)),
        sample_weight=np.concatenate([scores, 1 - scores]),
    )
    strengths = np.append(model.coef_[0], 0) * 400 / math.log(10)
    expected = dict(zip(names, strengths - strengths.mean() + 1000, strict=True))

    fitted = points(outcomes)

    assert fitted == pytest.approx(expected, abs=0.5)


@given(OUTCOMES)
def test_turning_all_outcomes_negates(outcomes: list[Outcome]) -> None:
    """Who lost by so much now wins by it, also where ties had to be added."""
    turned = [Outcome(one.model_a, one.model_b, 1 - one.score) for one in outcomes]

    expected = {name: 2000 - value for name, value in points(outcomes).items()}

    assert points(turned) == pytest.approx(expected, abs=1e-3)


@given(OUTCOMES)
def test_neither_order_nor_sides_matter(outcomes: list[Outcome]) -> None:
    """Nor, with the same seed, do they to the intervals."""
    turned = [Outcome(one.model_b, one.model_a, 1 - one.score) for one in reversed(outcomes)]

    before, after = (rate(some, resamples=20) for some in (outcomes, turned))

    assert [(one.model, one.rating, one.interval, one.component) for one in before.ratings] == [
        (one.model, one.rating, one.interval, one.component) for one in after.ratings
    ]
    assert (before.matrix, before.components) == (after.matrix, after.components)


@given(OUTCOMES)
def test_ratings_explain_the_wins(outcomes: list[Outcome]) -> None:
    """Expected and counted wins of each model are the same."""
    # With a tie for each pair nobody has won everything, and no tie is added that is not counted.
    met = {(one.model_a, one.model_b) for one in outcomes}
    outcomes += [Outcome(first, second, 0.5) for first, second in met]
    result = rate(outcomes, resamples=0)
    ratings = {one.model: one.rating for one in result.ratings}
    assert not any("one tie more" in note for note in result.notes)
    surplus = dict.fromkeys(ratings, 0.0)
    for one in outcomes:
        gap = ratings[one.model_b] - ratings[one.model_a]
        expected = 1 / (1 + 10 ** (gap / 400))
        surplus[one.model_a] += one.score - expected
        surplus[one.model_b] -= one.score - expected

    assert surplus == pytest.approx(dict.fromkeys(ratings, 0), abs=1e-5)


def test_an_anchor_keeps_its_rating() -> None:
    """The others move with it, and its interval is a point."""
    first, second = rate(many(75, 25), anchor=("y", 1200)).ratings

    assert (second.model, second.rating, second.interval) == ("y", 1200, (1200, 1200))
    assert first.rating == pytest.approx(1200 + GAP)


def test_who_won_everything() -> None:
    """One tie more makes ten wins odds of 10.5 to 0.5, and a note says so."""
    result = rate(many(10, 0))
    first, second = result.ratings

    assert first.rating - second.rating == pytest.approx(400 * math.log10(21))
    (note,) = result.notes
    assert note == (
        "x won everything and y lost everything, which no finite rating fits: each pair of models "
        "that met there was given one tie more, and the true ratings may lie outside of the "
        "intervals"
    )


def test_some_who_won_everything() -> None:
    """No single model did, yet no finite rating fits either."""
    above, below = many(3, 2, pair=("p", "q")), many(2, 3, pair=("r", "s"))
    result = rate([*above, *below, *many(4, 0, pair=("p", "r"))], resamples=0)

    assert [one.model for one in result.ratings] == ["p", "q", "s", "r"]
    assert result.notes[0].startswith(
        "a part of p, q, r, s won everything against the others, which"
    )


def test_resamples_that_are_one_sided() -> None:
    """They are given ties as well, and counted: (0.9 ** 10 + 0.1 ** 10) of them, here."""
    result = rate(many(9, 1), resamples=1000)

    (note,) = result.notes
    count = int(note.split()[1])
    assert 300 < count < 400
    assert note == (
        f"in {count} of 1000 resamples of the outcomes of x, y a part of these models scored "
        "nothing against the others: there each pair that met was given one tie more"
    )


def test_models_that_never_met() -> None:
    """Each group is rated by itself, the larger first, and a note says so."""
    result = rate([*many(3, 1), *many(1, 1, pair=("p", "q")), *many(2, 1, pair=("q", "r"))])

    assert [set(part) for part in result.components] == [{"p", "q", "r"}, {"x", "y"}]
    assert [one.component for one in result.ratings] == [1, 1, 1, 2, 2]
    assert {one.model: one.rating for one in result.ratings if one.component == 2} == points(
        many(3, 1)
    )
    assert result.notes[0] == (
        "not connected: the models are 2 groups that no outcome joins; each group is rated by "
        "itself, and ratings of different groups do not compare"
    )


@pytest.mark.parametrize("seed", range(3))
def test_intervals_are_as_wide_as_theory_says(seed: int) -> None:
    """Of one pair the standard error of the gap is 400 / ln 10 / sqrt(n p (1 - p))."""
    result = rate(many(600 + seed, 400), resamples=2000, anchor=("y", 1000))
    interval = result.ratings[0].interval
    share = (600 + seed) / (1000 + seed)
    error = 400 / math.log(10) / math.sqrt((1000 + seed) * share * (1 - share))

    assert interval is not None
    assert interval[1] - interval[0] == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert result == rate(many(600 + seed, 400), resamples=2000, anchor=("y", 1000))


def test_no_intervals() -> None:
    """Where none are asked for."""
    assert [one.interval for one in rate(many(3, 1), resamples=0).ratings] == [None, None]


def test_resamples_in_batches_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many are fitted together changes nothing."""
    outcomes = voted(4, 60, 1)
    expected = rate(outcomes, resamples=50)

    monkeypatch.setattr("pytest_llmjudge.stats.rating._LARGEST_BATCH", 100)

    for one, other in zip(rate(outcomes, resamples=50).ratings, expected.ratings, strict=True):
        assert one.model == other.model
        assert one.interval == pytest.approx(other.interval)


def test_elo() -> None:
    """K = 4 from 1000: a win of equals moves 2 points, the next one less."""
    ratings = elo(many(2, 0))

    second = 4 * (1 - 1 / (1 + 10 ** (-4 / 400)))
    assert ratings == pytest.approx({"x": 1002 + second, "y": 998 - second})
    assert elo(many(1, 1))["x"] < 1000 < elo(many(1, 1)[::-1])["x"]


def test_standings() -> None:
    """Both ways, ties half; those who never met have none."""
    outcomes = [*many(1, 0, 1), *many(0, 1, pair=("z", "x"))]

    assert list(standings(outcomes, ["x", "y", "z"])) == [
        Standing("x", "y", 0.75, 2),
        Standing("x", "z", 1.0, 1),
        Standing("y", "x", 0.25, 2),
        Standing("z", "x", 0.0, 1),
    ]
