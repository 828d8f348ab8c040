"""Questions with a choice of answers as tokens: what is shared, split and cut."""

from __future__ import annotations

import pytest

from pytest_llmjudge.data import Context
from pytest_llmjudge.errors import PromptError
from pytest_llmjudge.questions.tokens import EncodedChoices, encode_choices

BEGIN = 1


def letters(text: str) -> list[int]:
    """Stand for a tokenizer: a token in front of each text, and one for each character."""
    return [BEGIN, *map(ord, text)]


def pairs_of_letters(text: str) -> list[int]:
    """Stand for a tokenizer that merges across the end of a prompt: a token for two characters."""
    return [sum(map(ord, text[at : at + 2])) for at in range(0, len(text), 2)]


def ids(text: str) -> list[int]:
    return list(map(ord, text))


def encode(pairs: list[tuple[str, str]], context: int = 100) -> EncodedChoices:
    return encode_choices("q1", pairs, encode=letters, context=context)


def test_choices_of_one_prompt_share_it() -> None:
    """It is one context, whose branches are the choices in their order."""
    assert encode([("ab", " c"), ("ab", " de")]) == EncodedChoices(
        (Context([BEGIN, *ids("ab")], (ids(" c"), ids(" de"))),), is_cut=False
    )


def test_choices_behind_different_texts() -> None:
    """Each has a context of its own, also where two that are not neighbours are the same."""
    assert encode([("a", " x"), ("b", " x"), ("a", " y")]).contexts == (
        Context([BEGIN, *ids("a")], (ids(" x"),)),
        Context([BEGIN, *ids("b")], (ids(" x"),)),
        Context([BEGIN, *ids("a")], (ids(" y"),)),
    )


def test_white_space_before_a_choice_is_part_of_it() -> None:
    """Behind it a word would begin with another token than it has in a text."""
    assert encode([("ab \n", "c"), ("ab", "c")]).contexts == (
        Context([BEGIN, *ids("ab")], (ids(" \nc"), ids("c"))),
    )


def test_a_prompt_without_text() -> None:
    """The token for the beginning of a text is enough."""
    assert encode([("", "c")]).contexts == (Context([BEGIN], (ids("c"),)),)


def test_what_is_too_long_loses_its_beginning() -> None:
    """Each prompt keeps what fits beside its choice, the choice's last token not counted."""
    asked = [("abcd", "x"), ("abcd", "y"), ("abcd", "xyz")]

    assert not encode(asked, context=7).is_cut
    assert encode(asked, context=6) == EncodedChoices(
        (
            Context([BEGIN, *ids("abcd")], (ids("x"), ids("y"))),
            Context(ids("abcd"), (ids("xyz"),)),
        ),
        is_cut=True,
    )
    assert encode(asked, context=3).contexts == (
        Context(ids("bcd"), (ids("x"), ids("y"))),
        Context(ids("d"), (ids("xyz"),)),
    )


def test_what_cannot_be_scored() -> None:
    """A choice that never fits, nothing before it, and a choice that its prompt swallows."""
    with pytest.raises(PromptError) as too_long:
        encode([("ab", "x"), ("ab", "xyz")], context=2)
    with pytest.raises(PromptError) as nothing_before:
        encode_choices("q1", [(" ", "x")], encode=pairs_of_letters, context=9)
    with pytest.raises(PromptError) as swallowed:
        encode_choices("q1", [("a", "x")], encode=pairs_of_letters, context=9)

    assert str(too_long.value) == (
        "q1: a choice has 3 tokens and the context 2; leave the question out, or take a larger model"
    )
    assert str(nothing_before.value) == (
        "q1: no token stands before a choice; give the question a text"
    )
    assert str(swallowed.value) == (
        "q1: the tokenizer gives a choice no token of its own behind its prompt; "
        "leave the question out, or correct the tokenizer"
    )
