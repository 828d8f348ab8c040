"""Which pairs of answers a voter is asked about: all there are, each once, in a stable order."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.data import Turn
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.voting.ballots import CHOICES, Source, key_of, make_ballots
from tests.unit.voting.making import JUDGE, answer, ballots_of, source, vote_on

TEXTS = st.one_of(st.none(), st.sampled_from(["yes", " yes\n", "no", ""]), st.text(max_size=5))
RESPONSES = st.integers(min_value=1, max_value=12).flatmap(
    lambda count: st.fixed_dictionaries(
        {model: st.lists(TEXTS, min_size=count, max_size=count) for model in ("p", "q", "s")}
    )
)


@given(RESPONSES, st.text(min_size=1, max_size=5))
def test_no_pair_is_lost(responses: dict[str, list[str | None]], voter: str) -> None:
    """Each record and pair of models is one ballot, a tie of identical answers, or unanswered."""
    made = ballots_of(responses, voter)

    ballots, identical, unanswered = set(), 0, set()
    for first, second in itertools.combinations(responses, 2):
        for number, (one, other) in enumerate(
            zip(responses[first], responses[second], strict=True)
        ):
            if one is None or other is None:
                names = [name for name, text in ((first, one), (second, other)) if text is None]
                unanswered |= {(f"{name}.json", f"r{number}") for name in names}
            elif one.strip() == other.strip():
                identical += 1
            else:
                ballots.add((f"r{number}", (first, second), (one, other)))
    asked = [(ballot.id, ballot.models, ballot.responses) for ballot in made.ballots]
    assert len(asked) == len(set(asked))
    assert set(asked) == ballots
    assert sum(made.identical.values()) == identical
    assert {(one.path, one.id) for one in made.unanswered} == unanswered
    assert len({ballot.token for ballot in made.ballots}) == len(ballots)


@given(RESPONSES)
def test_order_and_sides_stay(responses: dict[str, list[str | None]]) -> None:
    """A restart shows the same, also when the files come in another order or have grown."""
    made = ballots_of(responses)
    more = {model: [*texts, f"{model} has more"] for model, texts in responses.items()}
    grown = [one for one in ballots_of(more).ballots if one.id != f"r{len(responses['p'])}"]

    assert made == ballots_of(responses)
    assert list(made.ballots) == grown
    turned = ballots_of(dict(reversed(responses.items())))
    assert [one.token for one in made.ballots] == [one.token for one in turned.ballots]
    assert [one.shown for one in made.ballots] == [one.shown for one in turned.ballots]


def test_each_voter_has_an_order_of_their_own() -> None:
    """Which evens out what comes first, or stands on the left."""
    responses = {"p": [f"p{number}" for number in range(64)], "q": ["q"] * 64}
    ann, bob = ballots_of(responses, "ann"), ballots_of(responses, "bob")

    assert {one.key for one in ann.ballots} == {one.key for one in bob.ballots}
    assert [one.id for one in ann.ballots] != [one.id for one in bob.ballots]
    assert [one.id for one in ann.ballots] != [f"r{number}" for number in range(64)]
    sides = {one.id: one.is_swapped for one in bob.ballots}
    assert [one.is_swapped for one in ann.ballots] != [sides[one.id] for one in ann.ballots]
    # Of 64 fair coins fewer than 16 show the same side once in 100,000 times; these are fixed.
    assert 16 <= sum(sides.values()) <= 48


def test_a_choice_is_of_what_is_shown() -> None:
    """Left and right lead back to the models; the other choices know no side."""
    made = ballots_of({"p": [f"p{number}" for number in range(16)], "q": ["q"] * 16})

    assert {one.is_swapped for one in made.ballots} == {True, False}
    for ballot in made.ballots:
        left, right = ballot.shown
        owners = dict(zip(ballot.responses, "ab", strict=True))
        assert [ballot.winner(choice) for choice in CHOICES] == [
            owners[left],
            owners[right],
            "tie",
            "both_bad",
        ]


def test_a_vote_is_known_by_either_side() -> None:
    """Record, models and answers decide; which is called a does not, and its winner is turned."""
    (ballot,) = ballots_of({"p": ["one"], "q": ["two"]}).ballots

    straight = vote_on("r0", "a", ("one ", "two"))
    turned = vote_on("r0", "b", ("two", "one"), models="qp")
    assert key_of(straight) == key_of(turned) == ballot.key
    assert (ballot.winner_in(straight), ballot.winner_in(turned)) == ("a", "a")
    for other in (
        replace(straight, id="r1"),
        replace(straight, model_a="x"),
        replace(straight, response_b=""),
        vote_on("r0", "a", ("two", "one")),
    ):
        assert key_of(other) != ballot.key


def test_what_does_not_pair_up_is_told() -> None:
    """One line for each pair of suites, with the counts."""
    made = make_ballots(
        [
            source("p", [answer("r0", "x"), answer("r1", "x"), answer("r2", "x")]),
            source(
                "q", [answer("r0", "y"), answer("r1", "y", instruction="Else."), answer("r3", "y")]
            ),
        ],
        "ann",
    )

    assert [one.id for one in made.ballots] == ["r0"]
    assert made.notes == (
        (
            "p.json, q.json: test_a.py::test_a: left out are records 1 in p.json alone, "
            "1 in q.json alone, 1 with another instruction, input, reference or conversation"
        ),
    )


def test_conversations_pair_up_by_their_turns() -> None:
    """What stands before the question is part of what people see and vote on."""
    turns = (Turn("user", "Hello?"),)
    talks = [replace(answer(f"r{number}", "x"), system="S", turns=turns) for number in range(3)]
    others = [
        replace(talks[0], response="y"),
        replace(talks[1], response="y", system=""),
        replace(talks[2], response="y", turns=()),
    ]

    made = make_ballots([source("p", talks), source("q", others)], "ann")

    (ballot,) = made.ballots
    assert (ballot.id, ballot.system, ballot.turns) == ("r0", "S", turns)
    assert ballot.content != ballots_of({"p": ["x"], "q": ["y"]}).ballots[0].content
    assert "2 with another instruction, input, reference or conversation" in made.notes[0]


def test_suites_pair_up_by_name() -> None:
    """One that only one file has is named."""
    both = [source(model, [answer("r0", model)], suite="both").suites for model in "pq"]
    alone = source("p", [answer("r0", "p")], suite="alone").suites
    made = make_ballots([Source("p.json", both[0] + alone), Source("q.json", both[1])], "ann")

    assert len(made.ballots) == 1
    assert made.notes == ("p.json: alone: no other file has a suite of that name; it is left out",)


def test_the_same_pair_in_two_suites() -> None:
    """It is shown once, unless the suites ask different things under one id."""
    sources = [
        Source(
            f"{model}.json",
            (
                *source(model, [answer("r0", model), answer("r1", model)], suite="one").suites,
                *source(
                    model, [answer("r0", model), answer("r1", model, instruction="?")], suite="two"
                ).suites,
            ),
        )
        for model in "pq"
    ]
    made = make_ballots(sources, "ann")

    assert sorted((one.id, one.instruction) for one in made.ballots) == [
        ("r0", "Do r0."),
        ("r1", "?"),
        ("r1", "Do r1."),
    ]
    assert len({one.key for one in made.ballots}) == 3
    assert made.notes == (
        "p.json, q.json: two: 1 pairs of answers are those of another suite, and shown once",
    )


def test_a_suite_of_pairs_beside_one_of_scores() -> None:
    """The ballot has the scores, whichever suite comes first; what is missing is named once."""
    judged, pairs = (
        [
            source(
                model,
                [answer("r0", model, score=score), answer("r1", None), answer("r2", "same")],
                suite=suite,
                judge=judge,
            ).suites
            for model in "pq"
        ]
        for suite, score, judge in (("judged", 50, JUDGE), ("pairs", None, None))
    )
    for suites in (zip(judged, pairs, strict=True), zip(pairs, judged, strict=True)):
        sources = [
            Source(f"{model}.json", one + other)
            for model, (one, other) in zip("pq", suites, strict=True)
        ]
        made = make_ballots(sources, "ann")

        assert [(one.id, one.scores) for one in made.ballots] == [("r0", (50, 50))]
        assert made.judges == {("p", "q"): "llama3"}
        assert made.identical == {("p", "q"): 1}
        assert [(one.path, one.id) for one in made.unanswered] == [
            ("p.json", "r1"),
            ("q.json", "r1"),
        ]


def test_scores_of_two_judges_are_not_compared() -> None:
    """A higher score says something only where one judge gave both."""
    answers = [[answer("r0", model, score=50)] for model in "pq"]
    other = replace(JUDGE, digest="other")
    same = make_ballots([source("p", answers[0]), source("q", answers[1])], "ann")
    two = make_ballots([source("p", answers[0]), source("q", answers[1], judge=other)], "ann")
    none = make_ballots([source("p", answers[0]), source("q", answers[1], judge=None)], "ann")

    assert (same.ballots[0].scores, dict(same.judges)) == ((50, 50), {("p", "q"): "llama3"})
    for made in (two, none):
        assert (made.ballots[0].scores, made.judges) == ((None, None), {})


def test_one_model_in_two_files() -> None:
    """Votes between a model and itself say nothing."""
    with pytest.raises(SettingsError) as caught:
        make_ballots([source("p", []), replace(source("p", []), path="again.json")], "ann")

    assert str(caught.value) == (
        "p.json, again.json: both have answers of p; tell the models apart with --name for each file"
    )


def test_a_record_twice() -> None:
    """Which of its answers would be asked about?"""
    with pytest.raises(SettingsError) as caught:
        make_ballots(
            [source("p", [answer("r0", "x"), answer("r0", "y")]), source("q", [answer("r0", "z")])],
            "ann",
        )

    assert str(caught.value) == (
        'p.json: test_a.py::test_a: it has the record "r0" twice; name a file that '
        "--llm-judge-report wrote, as it was written"
    )
