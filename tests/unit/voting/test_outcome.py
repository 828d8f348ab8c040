"""What people preferred, and how far the judge agrees."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.local_page.box import Progress
from pytest_llmjudge.stats.basics import proportion_interval
from pytest_llmjudge.voting.ballots import make_ballots
from pytest_llmjudge.voting.messages import end_lines, ending, opening_lines
from pytest_llmjudge.voting.outcome import pair_outcomes
from tests.unit.voting.making import answer, ballots_of, source, vote_on

WINNERS = st.lists(st.sampled_from(["a", "b", "tie", "both_bad"]), min_size=1, max_size=30)


@given(WINNERS, st.integers(min_value=0, max_value=3))
def test_a_win_rate_counts_a_tie_half(winners: list[str], alike: int) -> None:
    """Both bad is a tie; identical answers are ties that are counted beside."""
    count = len(winners)
    texts = [f"p{number}" for number in range(count)] + ["same"] * alike
    made = ballots_of({"p": texts, "q": ["q"] * count + ["same"] * alike})
    votes = [
        vote_on(f"r{number}", winner, (f"p{number}", "q")) for number, winner in enumerate(winners)
    ]
    (outcome,) = pair_outcomes(made, votes)

    half_points = 2 * winners.count("a") + winners.count("tie") + winners.count("both_bad")
    assert outcome.rate == pytest.approx(half_points / 2 / count)
    assert (outcome.won, outcome.lost) == (winners.count("a"), winners.count("b"))
    assert outcome.both_bad == winners.count("both_bad")
    assert outcome.tied == winners.count("tie") + outcome.both_bad
    assert outcome.identical == alike
    if alike:
        whole = (half_points + alike) / 2 / (count + alike)
        assert outcome.rate_with_identical == pytest.approx(whole)
    else:
        assert outcome.rate_with_identical is None


def test_open_ballots() -> None:
    """Before all are voted on, identical answers would draw the rate towards one half."""
    made = ballots_of({"p": ["1", "2", "same"], "q": ["3", "4", "same"]})
    (none,) = pair_outcomes(made, [])
    (some,) = pair_outcomes(made, [vote_on("r0", "a", ("1", "3"))])

    assert (none.rate, none.interval, none.agreement) == (None, None, None)
    assert some.rate == 1
    assert some.interval == pytest.approx(proportion_interval(1, 1))
    assert some.rate_with_identical is None


def test_several_voters() -> None:
    """Most decide, a later vote of one voter replaces their first, and other answers count not."""
    made = ballots_of({"p": ["1", "2"], "q": ["3", "4"]})
    votes = [
        vote_on("r0", "b", ("1", "3"), voter="ann"),
        vote_on("r0", "a", ("1", "3"), voter="ann"),
        vote_on("r0", "b", ("3", "1"), voter="bob", models="qp"),
        vote_on("r0", "b", ("1", "3"), voter="cleo"),
        vote_on("r1", "b", ("2", "something else"), voter="dan"),
    ]
    (outcome,) = pair_outcomes(made, votes)

    assert (outcome.won, outcome.tied, outcome.lost, outcome.voters) == (1, 0, 0, 3)


def test_the_judge_has_a_winner_too() -> None:
    """The higher score; equal ones are a tie, and a record without a score has none."""
    scores = [(90, 10), (50, 50), (10, 90), (90, 10), (None, 10)]
    made = make_ballots(
        [
            source(
                model, [answer(f"r{n}", f"{model}{n}", score=s[k]) for n, s in enumerate(scores)]
            )
            for k, model in enumerate("pq")
        ],
        "ann",
    )
    people = ["a", "both_bad", "b", "b", "a"]
    votes = [vote_on(f"r{n}", who, (f"p{n}", f"q{n}")) for n, who in enumerate(people)]
    (outcome,) = pair_outcomes(made, votes)

    assert outcome.agreement is not None
    assert (outcome.agreement.count, outcome.agreement.agreed) == (4, 0.75)
    # By hand: chance agrees on 1/4 * 1/2 + 1/4 * 1/4 + 1/2 * 1/4 = 5/16.
    assert outcome.agreement.kappa == pytest.approx((3 / 4 - 5 / 16) / (1 - 5 / 16))
    assert list(end_lines(made, [outcome], Progress(5, 0, 5), now=5, path="v.jsonl")) == [
        "5 votes cast, 5 of 5 ballots voted on; votes are in v.jsonl",
        "p against q: win rate 50.0 % (95 % CI 17.0 to 83.0)",
        "  p is better: 2",
        "  q is better: 2",
        "  tie: 1 (1 of them both bad)",
        "  judge llama3 agrees: 75.0 % of 4 pairs, kappa 0.64",
    ]


def test_each_pair_of_models_by_itself() -> None:
    """Three files are three pairs."""
    made = ballots_of({"p": ["1"], "q": ["2"], "s": ["3"]})
    outcomes = pair_outcomes(made, [vote_on("r0", "b", ("1", "2"))])

    assert [(one.models, one.rate) for one in outcomes] == [
        (("p", "q"), 0),
        (("p", "s"), None),
        (("q", "s"), None),
    ]


def test_all_that_is_told() -> None:
    """At the start what is left out, at the end what became of the rest."""
    texts: list[str | None] = [None] * 12
    made = ballots_of({"p": [*texts, "same", "1", "2"], "q": [*["x"] * 12, "same", "3", "4"]})
    opening = list(opening_lines(made, Progress(1, 0, 2), "ann"))
    votes = [vote_on("r13", "a", ("1", "3")), vote_on("r14", "tie", ("2", "4"), voter="bob")]
    summary = ending(made, pair_outcomes(made, votes), "ann", "v.jsonl")

    assert opening == [
        *(
            f"p.json: test_a.py::test_a: r{number} has no response; it is left out"
            for number in range(10)
        ),
        "and 2 more without a response",
        "1 pair of identical answers: ties, not shown",
        "2 ballots for ann, 1 voted on before",
    ]
    assert summary.headline == "2 votes of ann in v.jsonl."
    assert summary.remarks == ("12 responses missing: these records could not be voted on",)
    (pair,) = summary.pairs
    assert pair.rate == "win rate 75.0 % (95 % CI 19.8 to 97.3)"
    assert pair.rows == (
        ("p is better", "1"),
        ("q is better", "0"),
        ("tie", "1"),
        ("identical answers, not shown", "1"),
        ("win rate with these as ties", "66.7 %"),
        ("voters, of whom most decide", "2"),
    )


def test_a_reason_why_there_is_no_response() -> None:
    """In one line, and harmless to a terminal."""
    made = make_ballots(
        [
            source("p", [answer("r0", None, error="broke\n\x1b[31m")]),
            source("q", [answer("r0", "x")]),
        ],
        "ann",
    )

    assert list(opening_lines(made, Progress(0, 0, 0), "ann")) == [
        ("p.json: test_a.py::test_a: r0 has no response (broke \\x1b[31m); it is left out"),
        "0 ballots for ann",
    ]
