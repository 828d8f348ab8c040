"""Which of several judges agrees best with people, beside independent implementations."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from pytest_llmjudge.data.judges import AGREEMENT, ERROR
from pytest_llmjudge.stats.judge_choice import choose_judge, holm
from tests.support.judged_labels import labelled

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]


def scores(count: int, *noises: float, seed: int = 1) -> tuple[list[int], list[list[int]]]:
    """Return scores of people, who give many their best, and of judges with so much noise."""
    random = np.random.default_rng(seed)
    people = np.where(random.random(count) < 0.4, 100, random.integers(0, 20, count) * 5)
    judges = [np.clip(people + random.normal(0, noise, count), 0, 100) for noise in noises]
    return people.tolist(), [np.round(one).astype(int).tolist() for one in judges]


def drawn_again(count: int) -> npt.NDArray[np.int64]:
    """Return the places that each resample draws, as the plain bootstrap draws them."""
    return np.random.default_rng(123).integers(0, count, (10_000, count))


def error(judge: Floats, people: Floats) -> Floats:
    mean: Floats = np.abs(judge - people).mean(axis=-1)
    return mean


def rank(judge: Floats, people: Floats) -> Floats:
    first, second = (
        stats.zscore(stats.rankdata(side, axis=-1), axis=-1) for side in (judge, people)
    )
    correlation: Floats = (first * second).mean(axis=-1)
    return correlation


@pytest.mark.parametrize(("by", "figure"), [(ERROR, error), (AGREEMENT, rank)])
def test_differences_are_those_of_resampled_pairs(
    by: str, figure: Callable[[Floats, Floats], Floats]
) -> None:
    """Interval and p of a difference, drawn place by place and expanded as Hesterberg says."""
    count = 25
    people, judges = scores(count, 8, 14)
    first, second, truth = (np.array(one, float) for one in (*judges, people))
    drawn = drawn_again(count)
    resampled = figure(first[drawn], truth[drawn]) - figure(second[drawn], truth[drawn])
    # Equal figures are to be equal, in whatever order they were summed.
    resampled = resampled.round(12)

    (one,) = choose_judge(labelled(people, *judges), by).differences

    assert one.difference == pytest.approx(figure(first, truth) - figure(second, truth))
    wider = (count / (count - 1)) ** 0.5
    tail = stats.norm.cdf(wider * stats.t.ppf(0.025, count - 1))
    assert one.interval == pytest.approx(np.quantile(resampled, [tail, 1 - tail]), abs=1e-9)
    share = (1 + min((resampled <= 0).sum(), (resampled >= 0).sum())) / (len(drawn) + 1)
    assert one.p == pytest.approx(
        2 * stats.t.cdf(stats.norm.ppf(min(0.5, share)) / wider, count - 1), abs=1e-9
    )


def test_p_and_interval_say_the_same() -> None:
    """The p is below 0.05 where the interval of one comparison does not hold 0."""
    told = set()
    for seed in range(16):
        people, judges = scores(30, 8, 13, seed=seed)
        (one,) = choose_judge(labelled(people, *judges)).differences
        assert one.interval is not None
        low, high = one.interval
        told.add(one.p < 0.05)
        assert (one.p < 0.05) == (not low <= 0 <= high) or abs(one.p - 0.05) < 0.002
    assert told == {True, False}


def test_equal_judges_are_seldom_told_apart() -> None:
    """In about one of twenty draws, as a level of 0.05 says, of as few labels as may be."""
    told = 0
    for seed in range(40):
        people, judges = scores(20, 15, 15, seed=seed)
        (one,) = choose_judge(labelled(people, *judges)).differences
        told += one.p < 0.05
    # 6 of 40 or fewer in 99 % of all cases.
    assert told <= 6


def test_holm() -> None:
    """Each p times the number of comparisons that are left, never falling, at most 1."""
    assert holm([0.01, 0.04, 0.03, 0.9]) == pytest.approx([0.04, 0.09, 0.09, 0.9])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_best_judge_is_taken() -> None:
    """It has no rivals, and the comparisons are those of each two, in the order of the files."""
    people, judges = scores(80, 30, 4, 20)

    choice = choose_judge(labelled(people, *judges))

    assert (choice.best, choice.rivals) == (1, ())
    pairs = [(one.first, one.second) for one in choice.differences]
    assert pairs == list(combinations(range(3), 2))
    assert [one.needed for one in choice.differences if one.p < 0.05].count(None) >= 2


def test_judges_that_cannot_be_told_apart() -> None:
    """About as many labels would tell as make the difference so many standard errors large."""
    people, judges = scores(40, 15, 17, 60)

    choice = choose_judge(labelled(people, *judges))

    assert choice.best in {0, 1}
    assert choice.rivals == (1 - (choice.best or 0),)
    one = choice.differences[0]
    first, second, truth = (np.array(one, float) for one in (*judges[:2], people))
    differences = np.abs(first - truth) - np.abs(second - truth)
    # Of three comparisons, with a power of 80 %.
    wanted = stats.norm.isf(0.025 / 3) + stats.norm.isf(0.2)
    expected = (wanted * differences.std(ddof=1) / differences.mean()) ** 2
    assert one.needed == pytest.approx(expected, rel=0.03)


def test_the_same_scores_twice() -> None:
    """No number of labels tells two judges that say the same."""
    people, (judge,) = scores(40, 10)

    choice = choose_judge(labelled(people, judge, judge))

    (one,) = choice.differences
    assert (one.difference, one.interval, one.p, one.needed) == (0, (0, 0), 1, None)
    assert (choice.best, choice.rivals) == (0, (1,))


def test_a_judge_that_gives_all_the_same() -> None:
    """It has an error and no rank correlation, so that by agreement it is compared with nobody."""
    people, (judge,) = scores(40, 10)
    constant = [85] * 40

    by_error = choose_judge(labelled(people, constant, judge))
    by_agreement = choose_judge(labelled(people, constant, judge), AGREEMENT)

    assert (by_error.best, by_error.rivals) == (1, ())
    (one,) = by_agreement.differences
    assert (one.difference, one.interval, one.p, one.needed) == (None, None, 1, None)
    assert (by_agreement.best, by_agreement.rivals) == (1, ())


@pytest.mark.parametrize(
    ("count", "groups", "compared"),
    [(19, None, False), (20, None, True), (20, 2, False), (21, 3, True)],
)
def test_what_is_too_little_to_compare(count: int, groups: int | None, compared: bool) -> None:  # noqa: FBT001  # a case
    """Fewer than 20 labels, or than 3 groups, tell nothing; the figures are there all the same."""
    people, judges = scores(count, 5, 25)
    names = None if groups is None else [f"g{place % groups}" for place in range(count)]

    choice = choose_judge(labelled(people, *judges, groups=names))

    assert bool(choice.differences) == compared
    assert [one.agreement.count for one in choice.standings] == [count, count]


def test_groups_are_drawn_whole() -> None:
    """Paraphrases that are scored alike are worth one response, so that less is certain."""
    people, judges = scores(10, 5, 20)
    several = people * 4, [one * 4 for one in judges]
    names = [f"g{place}" for place in range(10)] * 4

    alone = choose_judge(labelled(several[0], *several[1])).differences[0]
    grouped = choose_judge(labelled(several[0], *several[1], groups=names)).differences[0]

    assert alone.interval is not None
    assert grouped.interval is not None
    assert grouped.interval[0] < alone.interval[0]
    assert grouped.interval[1] > alone.interval[1]
    assert grouped.p > alone.p
