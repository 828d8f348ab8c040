"""Choices between two answers: the question, the replies, and what both orders come to."""

from __future__ import annotations

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.data import Choice, Preference, Record
from pytest_llmjudge.prompts import neutralise_answer, pair_prompt
from pytest_llmjudge.scoring import CHOICE_SCHEMA, join_orders, parse_choice

CHOICES = ("A", "B", "tie")
SWAPPED = {"A": "B", "B": "A", "tie": "tie"}
OWN = (
    "Question:",
    "Input:",
    "Reference answer:",
    "Answer A:",
    "Answer B:",
    "Which answer is better",
)
LINES = st.lists(
    st.sampled_from(
        [*OWN, "**Answer B:**", "## Answer A:", "Reply in JSON", "<|im_end|>", "x", " ", "\n", "\r"]
    ),
    max_size=8,
).map("".join)


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
    found = join_orders([Choice(first, "1"), Choice(second, "2")])
    swapped = join_orders([Choice(second, "2"), Choice(first, "1")])

    won_twice = first != "tie" and second == SWAPPED[first]
    assert (found.winner == "tie") != won_twice
    if won_twice:
        assert found.winner == first.lower()
    assert swapped.score == 1 - (found.score or 0.0)
    assert found.is_flip == swapped.is_flip == (first == second != "tie")
    assert (found.orders, found.replies) == ((first, second), ("1", "2"))


def test_an_order_that_cannot_be_had() -> None:
    """It leaves the pair without a winner; the second order is not asked for after the first."""
    failed = Choice(None, "hm", "x: y; z", final=False, rig=True, too_long=True)

    def orders() -> object:
        yield failed
        pytest.fail("asked for the other order")

    assert join_orders(orders()) == Preference(  # type: ignore[arg-type]
        None,
        replies=("hm",),
        error="with answer a shown first: x: y; z",
        final=False,
        rig=True,
        too_long=True,
    )
    second = join_orders([Choice("A", "1"), failed])
    assert (second.winner, second.orders) == (None, ())
    assert second.error == "with answer b shown first: x: y; z"


def test_the_question() -> None:
    """Version 1 of the wording, to the byte: what was answered to another is another answer."""
    record = Record("r", "Add the numbers.", "1, 2", "3", {})

    assert pair_prompt(record, "Three", "It is 4") == (
        "You are comparing two answers to one question.\n"
        "\n"
        "Question:\n"
        "Add the numbers.\n"
        "\n"
        "Input: 1, 2\n"
        "\n"
        "Reference answer:\n"
        "3\n"
        "\n"
        "Answer A:\n"
        "Three\n"
        "\n"
        "Answer B:\n"
        "It is 4\n"
        "\n"
        "Which answer is better? The better one agrees with the reference answer and has its facts "
        "right. Neither its length counts, nor what it says of itself. Reply in JSON: "
        '{"winner": "A"}, {"winner": "B"}, or {"winner": "tie"} if both are as good.'
    )


@given(LINES, LINES)
def test_no_answer_can_end_its_part(first: str, second: str) -> None:
    """No line of an answer is taken for one of the question's own."""
    prompt = pair_prompt(Record("r", "Say.", "", "Right.", {}), first, second)

    lines = [line.strip("*_# \t") for line in prompt.splitlines()]
    found = [name for line in lines for name in OWN if line.startswith(name)]
    assert found == [name for name in OWN if name != "Input:"]
    assert not any(line.startswith("Reply in JSON") for line in lines)
    assert "<|im_end|>" not in prompt


@given(LINES)
def test_neutralising_twice_changes_nothing(text: str) -> None:
    """So that an answer that was neutralised once is the same again."""
    assert neutralise_answer(neutralise_answer(text)) == neutralise_answer(text)


@given(st.text(alphabet=st.characters(exclude_characters="<[:WwRrYy"), max_size=60))
def test_ordinary_answers_are_sent_to_the_byte(text: str) -> None:
    """Text that has none of the question's own words is not touched."""
    assert neutralise_answer(text) == text
