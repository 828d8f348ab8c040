"""Choices between two answers: the question, the replies, and what both orders come to."""

from __future__ import annotations

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.data import Choice, Preference
from pytest_llmjudge.scoring import CHOICE_SCHEMA, join_orders, parse_choice

CHOICES = ("A", "B", "tie")
SWAPPED = {"A": "B", "B": "A", "tie": "tie"}


@pytest.mark.parametrize(
    ("reply", "winner"),
    [
        ('{"winner": "A"}', "A"),
        (' {"winner":"B"}\n', "B"),
        ('{"winner": "tie", "why": "both right"}', "tie"),
        ("A", "A"),
        (" tie\n", "tie"),
        ("a", None),
        ("A.", None),
        ("Answer A", None),
        ('"A"', None),
        ('{"winner": "a"}', None),
        ('{"winner": "A "}', None),
        ('{"winner": ["A"]}', None),
        ('{"winner": null}', None),
        ('{"winner": "A", "winner": "B"}', None),
        ('{"winner": "A"', None),
        ('{"Winner": "A"}', None),
        ('[{"winner": "A"}]', None),
        ("", None),
    ],
)
def test_replies(reply: str, winner: str | None) -> None:
    """Only the schema's own words are a choice, and only one of them."""
    assert parse_choice(reply) == winner


@given(st.sampled_from(CHOICES) | st.text(max_size=4))
def test_the_schema_and_the_parser_agree(winner: str) -> None:
    """What a server may send that holds replies to the schema is read, and nothing else."""
    reply = {"winner": winner}
    valid = jsonschema.Draft202012Validator(CHOICE_SCHEMA).is_valid(reply)

    assert (parse_choice(json.dumps(reply)) is not None) == valid == (winner in CHOICES)


@given(st.sampled_from(CHOICES), st.sampled_from(CHOICES))
def test_both_orders(first: str, second: str) -> None:
    """The same answer twice wins; anything else is a tie; the sides can be swapped."""
    joined = join_orders([Choice(first, "1"), Choice(second, "2")])
    swapped = join_orders([Choice(second, "2"), Choice(first, "1")])

    won_twice = first != "tie" and second == SWAPPED[first]
    assert (joined.winner == "tie") != won_twice
    if won_twice:
        assert joined.winner == first.lower()
    assert swapped.score == 1 - (joined.score or 0.0)
    assert joined.is_flip == swapped.is_flip == (first == second != "tie")
    assert (joined.orders, joined.replies) == ((first, second), ("1", "2"))


def test_an_order_that_cannot_be_had() -> None:
    """It leaves the pair without a winner; the second order is not asked for after the first."""
    failed = Choice(None, "hm", "x: y; z", final=False, is_infrastructure=True, too_long=True)

    def orders() -> object:
        yield failed
        pytest.fail("asked for the other order")

    assert join_orders(orders()) == Preference(  # type: ignore[arg-type]
        None,
        replies=("hm",),
        error="with answer a shown first: x: y; z",
        final=False,
        is_infrastructure=True,
        too_long=True,
    )
    second = join_orders([Choice("A", "1"), failed])
    assert (second.winner, second.orders) == (None, ())
    assert second.error == "with answer b shown first: x: y; z"
