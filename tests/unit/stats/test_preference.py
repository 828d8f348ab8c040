"""Numbers about pairs, beside scikit-learn's and scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score

from pytest_llmjudge.data import PeopleAgreement, Vote
from pytest_llmjudge.stats.preference import (
    kappa,
    latest,
    length_controlled,
    majority,
    standard_error,
    win_rate,
    win_rate_interval,
)

SCORES = st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=40)
PAIRS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 2000), st.integers(0, 2000)),
    min_size=1,
    max_size=40,
)
WINNERS = st.sampled_from(["a", "b", "tie"])


def test_win_rate() -> None:
    """A tie is half a win; of no pairs there is no rate."""
    assert win_rate([1, 1, 0.5, 0]) == 0.625
    assert win_rate([]) is None
    assert win_rate_interval([]) is None


@given(SCORES.filter(lambda scores: 0.5 not in scores))
def test_the_interval_is_wilsons(scores: list[float]) -> None:
    """As scipy has it, where no pair is a tie."""
    wins = scipy_stats.binomtest(int(sum(scores)), len(scores))
    expected = wins.proportion_ci(method="wilson")

    assert win_rate_interval(scores) == pytest.approx(tuple(expected), abs=1e-9)


@given(SCORES)
def test_the_interval_holds_the_rate(scores: list[float]) -> None:
    """Also with ties; two ties are as good as a win and a loss."""
    low, high = win_rate_interval(scores) or (1, 0)

    assert 0 <= low <= (win_rate(scores) or 0) + 1e-12
    assert (win_rate(scores) or 0) - 1e-12 <= high <= 1
    assert win_rate_interval([*scores, 0.5, 0.5]) == win_rate_interval([*scores, 1, 0])


@given(SCORES.filter(lambda scores: len(scores) > 1))
def test_the_standard_error_is_scipys(scores: list[float]) -> None:
    """With n - 1 in the denominator."""
    assert standard_error(scores) == pytest.approx(scipy_stats.sem(scores), abs=1e-12)


def test_few_pairs_have_no_standard_error() -> None:
    """As nothing is known of their spread."""
    assert standard_error([1]) is None


def noisy_pairs(
    seed: int, *, quality: float, length: float, count: int
) -> tuple[list[float], list[int], list[int]]:
    """Return scores and lengths of a judge who likes one model, and long answers."""
    numbers = np.random.default_rng(seed)
    mine, theirs = numbers.integers(1, 2000, (2, count))
    differences = (theirs - mine) / (theirs - mine).std(ddof=1)
    likely = 1 / (1 + np.exp(-(quality - length * np.tanh(differences))))
    scores = (numbers.random(count) < likely).astype(float)
    scores[numbers.random(count) < 0.1] = 0.5
    return scores.tolist(), mine.tolist(), theirs.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_length_control_is_a_logistic_regression(seed: int) -> None:
    """As scikit-learn fits it without penalty and intercept, each row with both labels."""
    scores, mine, theirs = noisy_pairs(seed, quality=0.7, length=1.2, count=300)
    differences = np.subtract(theirs, mine)
    terms = np.tanh(differences / differences.std(ddof=1))
    design = np.column_stack([terms, np.ones(300)])
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=1000)
    model.fit(
        np.vstack([design, design]),
        np.repeat([1, 0], 300),
        sample_weight=np.concatenate([scores, 1 - np.asarray(scores)]),
    )
    expected = model.predict_proba([[0, 1]])[0, 1]

    assert length_controlled(scores, mine, theirs) == pytest.approx(expected, abs=1e-5)


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=30))
def test_a_model_beside_itself(lengths: list[int]) -> None:
    """All pairs are ties of equal answers: 50 %."""
    assert length_controlled([0.5] * len(lengths), lengths, lengths) == 0.5


@given(PAIRS)
def test_swapping_models(pairs: list[tuple[float, int, int]]) -> None:
    """One minus the rate, for any pairs, also those that no finite weights fit."""
    scores, mine, theirs = map(list, zip(*pairs, strict=True))
    rate = length_controlled(scores, mine, theirs)
    swapped = length_controlled([1 - score for score in scores], theirs, mine)

    assert rate is not None
    assert swapped == pytest.approx(1 - rate, abs=1e-6)
    assert 0 <= rate <= 1


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("strictly", [True, False])
def test_a_pure_length_preference(seed: int, strictly: bool) -> None:  # noqa: FBT001
    """Between equal models it gives 50 %, also where the longer answer always wins."""
    scores, mine, theirs = noisy_pairs(seed, quality=0, length=2, count=4000)
    if strictly:
        scores = [
            0.5 * (one > other) + 0.5 * (one >= other)
            for one, other in zip(mine, theirs, strict=True)
        ]

    assert length_controlled(scores, mine, theirs) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("seed", range(5))
def test_padding_hardly_matters(seed: int) -> None:
    """A judge who likes length gives padded answers a higher raw rate, not a controlled one."""
    padding = 800
    numbers = np.random.default_rng(seed)
    mine, theirs = numbers.integers(1, 2000, (2, 4000))

    def judged(mine: np.ndarray) -> list[float]:
        likely = 1 / (1 + np.exp(-(0.4 + 1.5 * np.tanh((mine - theirs) / 800))))
        drawn = np.random.default_rng(seed + 100).random(4000)
        return [float(one) for one in drawn < likely]

    plain, padded = judged(mine), judged(mine + padding)
    before = length_controlled(plain, mine.tolist(), theirs.tolist())
    after = length_controlled(padded, (mine + padding).tolist(), theirs.tolist())

    assert (win_rate(padded) or 0) - (win_rate(plain) or 0) > 0.1
    assert after == pytest.approx(before, abs=0.04)


@pytest.mark.parametrize("lengths", [[5, 900, 30], [7, 7, 7]])
def test_one_sided_pairs(lengths: list[int]) -> None:
    """All wins are 100 %, all losses 0 %: no fit, no warning."""
    assert length_controlled([1, 1, 1], lengths, [9, 8, 2000]) == 1
    assert length_controlled([0, 0, 0], lengths, [9, 8, 2000]) == 0


@pytest.mark.parametrize("lengths", [[10, 20, 30], [1010, 1020, 1030]])
def test_length_that_cannot_be_told_from_quality(lengths: list[int]) -> None:
    """Where all pairs differ by the same length, the raw rate stands."""
    assert length_controlled([1, 0.5, 1], lengths, [10, 20, 30]) == pytest.approx(2.5 / 3)


def test_length_control_of_nothing() -> None:
    """No pairs have no rate."""
    assert length_controlled([], [], []) is None


@given(st.lists(st.tuples(WINNERS, WINNERS), min_size=1, max_size=40))
def test_kappa_is_scikit_learns(pairs: list[tuple[str, str]]) -> None:
    """Where chance alone would not agree on all."""
    first, second = [one for one, _ in pairs], [other for _, other in pairs]

    agreement = kappa(first, second)

    assert agreement is not None
    assert agreement.count == len(pairs)
    assert agreement.agreed == pytest.approx(np.mean([one == other for one, other in pairs]))
    if len({*first, *second}) == 1:
        assert agreement.kappa is None
    else:
        expected = cohen_kappa_score(first, second, labels=["a", "b", "tie"])
        assert agreement.kappa == pytest.approx(expected, abs=1e-9)


def test_kappa_of_nothing() -> None:
    """No pairs have none; one winner throughout is what chance would give."""
    assert kappa([], []) is None
    assert kappa(["a"] * 3, ["a"] * 3) == PeopleAgreement(3, 1.0, None)


@pytest.mark.parametrize(
    ("winners", "expected"),
    [
        (["a"], "a"),
        (["b", "a", "b"], "b"),
        (["a", "b"], "tie"),
        (["a", "tie", "tie", "both_bad"], "a"),
        (["both_bad"], "tie"),
        ([], "tie"),
    ],
)
def test_majority(winners: list[str], expected: str) -> None:
    """More for one than for the other; those who prefer neither take no side."""
    assert majority(winners) == expected


def test_one_voter_has_one_vote() -> None:
    """The last; votes that nobody signed are anybody's, and all count."""
    signed = [Vote("r", "p", "q", winner, voter, "") for winner, voter in ("aA", "bB", "bA")]
    unsigned = [Vote("r", "p", "q", "a", "", "")] * 2

    assert latest([*signed[:2], *unsigned, signed[2]]) == [signed[1], *unsigned, signed[2]]
    assert latest([]) == []
