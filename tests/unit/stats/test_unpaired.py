"""Records that did not pair up: that they fell is seen, and that they are others is no alarm."""

from __future__ import annotations

import itertools
import random
import statistics

import pytest

from pytest_llmjudge.stats.unpaired import unpaired_test


def exact(paired: list[tuple[float, float]], before: list[float], after: list[float]) -> float:
    """Return the p of all draws there are, by the standard library alone."""

    def apart(pool: list[float], chosen: tuple[int, ...]) -> float:
        others = [score for place, score in enumerate(pool) if place not in chosen]
        return statistics.fmean(pool[place] for place in chosen) - statistics.fmean(others)

    old, new = [*before, *(was for was, _ in paired)], [*after, *(now for _, now in paired)]
    ways = [
        [apart(pool, chosen) for chosen in itertools.combinations(range(len(pool)), size)]
        for pool, size in ((old, len(before)), (new, len(after)))
    ]
    seen = ways[1][0] - ways[0][0]
    draws = [now - was for was in ways[0] for now in ways[1]]
    return sum(draw <= seen + 1e-9 for draw in draws) / len(draws)


@pytest.mark.parametrize("seed", range(8))
def test_beside_all_draws_there_are(seed: int) -> None:
    """The drawn p is the enumerated one, within what 10,000 draws allow."""
    lots = random.Random(seed)  # noqa: S311  # for numbers that repeat
    paired = [(float(lots.randint(0, 100)), float(lots.randint(0, 100))) for _ in range(8)]
    before = [float(lots.randint(0, 100)) for _ in range(lots.randint(1, 2))]
    after = [float(lots.randint(0, 100)) for _ in range(lots.randint(1, 2))]

    assert unpaired_test(paired, before, after) == pytest.approx(
        exact(paired, before, after), abs=0.025
    )


@pytest.mark.parametrize(("pairs", "edited"), [(12, 3), (40, 10), (88, 22)])
def test_an_edited_fifth_that_fell_to_nothing(pairs: int, edited: int) -> None:
    """It is seen in small suites too, beside pairs that stay as they are."""
    lots = random.Random(pairs)  # noqa: S311  # for numbers that repeat
    paired = [(float(score), float(score)) for score in lots.choices(range(60, 101), k=pairs)]
    before = [float(score) for score in lots.choices(range(60, 101), k=edited)]

    p = unpaired_test(paired, before, [0.0] * edited)

    assert p is not None
    assert p < 0.01


@pytest.mark.parametrize("sides", [([], [1.0]), ([1.0], []), ([], [])])
def test_one_side_alone_tells_nothing(sides: tuple[list[float], list[float]]) -> None:
    """Records that were only added, or only removed, have nothing to fall from."""
    assert unpaired_test([(1.0, 1.0)], *sides) is None


@pytest.mark.parametrize("shape", [(85, 95), (0, 100), tuple(range(101))])
def test_false_alarms(shape: tuple[int, ...]) -> None:
    """Equal models on records that were replaced at random: at most 5 % and what chance adds."""
    lots = random.Random(123)  # noqa: S311  # for numbers that repeat

    def score() -> float:
        return float(lots.choice(shape))

    alarms = 0
    for _ in range(80):
        paired = [
            (was, was if lots.random() < 0.5 else score()) for was in (score() for _ in range(24))
        ]
        p = unpaired_test(paired, [score() for _ in range(6)], [score() for _ in range(6)])
        alarms += p is not None and p < 0.05

    # Three standard deviations of a binomial above 5 % of 80.
    assert alarms <= 9
