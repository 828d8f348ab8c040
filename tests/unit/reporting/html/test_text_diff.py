"""Which words of two texts differ."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.reporting.html.text_diff import MOST_STEPS, Budget, Span, differences

WORDS = st.lists(st.sampled_from(["the", "The", "car", " is", "  ", "\n", ".", "é", "車", "🚗"]))
TEXTS = st.text() | WORDS.map(" ".join) | WORDS.map("".join)


@given(TEXTS, TEXTS)
def test_both_texts_can_be_rebuilt(before: str, after: str) -> None:
    """Nothing is lost and nothing is added, whatever the texts hold."""
    spans = differences(before, after)

    assert spans is not None
    assert before == "".join(span.text for span in spans if span.kind != "ins")
    assert after == "".join(span.text for span in spans if span.kind != "del")
    assert all(span.text for span in spans)


@given(TEXTS)
def test_equal_texts_differ_in_nothing(text: str) -> None:
    """All of it is shared."""
    spans = differences(text, text)

    assert spans is not None
    assert {span.kind for span in spans} <= {"same"}


def test_words_are_marked_whole() -> None:
    """A word that changed a letter is another word, and what follows is found again."""
    assert differences("It is a small car.", "It is a smart, red car.") == (
        Span("same", "It is a"),
        Span("del", " small"),
        Span("ins", " smart, red"),
        Span("same", " car."),
    )


def test_a_text_that_goes_on_keeps_its_words() -> None:
    """The end of the shorter text is not marked as changed."""
    spans = differences("one two", "one two three")

    assert spans == (Span("same", "one two"), Span("ins", " three"))


def test_endless_texts_are_not_compared() -> None:
    """100 kB of one word would take minutes, so at once there is no answer."""
    start = time.process_time()

    assert differences("x " * 50_000, "y " + "x " * 49_000 + "z") is None
    assert time.process_time() - start < 5


def test_long_texts_that_share_much_are_compared() -> None:
    """What both begin and end with costs nothing, however long it is."""
    words = " ".join(str(number % 7) for number in range(50_000))
    assert len(words) > 2 * MOST_STEPS**0.5

    assert differences(f"{words} a {words}", f"{words} b {words}") == (
        Span("same", words),
        Span("del", " a"),
        Span("ins", " b"),
        Span("same", f" {words}"),
    )


def test_many_pairs_have_one_budget() -> None:
    """When it is used up, only what costs nothing is compared."""
    texts = "the a of to " * 10, "the a to of " * 10
    budget = Budget(left=1000)

    within_budget = [differences(*texts, budget) is not None for _ in range(10)]

    assert within_budget == sorted(within_budget, reverse=True)
    assert True in within_budget
    assert False in within_budget
    assert differences("same", "same", budget) == (Span("same", "same"),)
    assert 0 <= budget.left < 1000
