"""Texts of two releases: how many are the same, and where the others part."""

from __future__ import annotations

import pytest

from pytest_llmjudge.data import Entry, Measure, Side
from pytest_llmjudge.decisions.parity import Parity, compare_texts
from pytest_llmjudge.reporting.comparison import parity_line

TEXTS = Measure("judge", is_judged=True)
LETTERS = Measure("mmlu", is_binary=True)


def side(*responses: str | None, measure: Measure = TEXTS, content: str = "") -> Side:
    entries = (Entry(f"r{at}", content, None, text) for at, text in enumerate(responses))
    return Side(measure, "suite", tuple(entries))


def test_where_texts_part() -> None:
    """The median is over texts that differ; one that goes on longer parts where the other ends."""
    before = side("same", "a cat", "a dog sat", "", "abc")
    after = side("same", "a bat", "a dog sat there", "x", "abc")

    parity = compare_texts(before, after)

    assert parity == Parity(paired=5, identical=2, common_beginning=2)
    assert parity_line(parity) == (
        "2 of 5 responses are identical (40 %); the others part after 2 characters (median)"
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (side("a", "b"), side("a", "b"), Parity(2, 2, None)),
        (side("a", None), side("b", "c"), Parity(1, 0, 0)),
        (side("A", "B", measure=LETTERS), side("A", "C", measure=LETTERS), Parity(2, 1, None)),
        (side(None), side("a"), None),
        (side("a", content="x"), side("a", content="y"), None),
        (side(), side("a"), None),
    ],
    ids=["all alike", "a response lost", "letters", "none", "another record", "no suite"],
)
def test_what_is_compared(before: Side, after: Side, expected: Parity | None) -> None:
    """Records with a response on both sides, whatever their scores."""
    assert compare_texts(before, after) == expected
