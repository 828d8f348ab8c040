"""Several answers as one response: joined, taken apart, shown, and set behind their questions."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.data import FollowUp, Record, Turn
from pytest_llmjudge.records.answers import (
    answered_turns,
    final_turn,
    join_answers,
    show_references,
    show_response,
    split_answers,
)

SINGLE = Record("r", "a", "i", "b", {})
SEVERAL = replace(
    SINGLE, input="", turns=(Turn("user", "x"),), follow_ups=(FollowUp("c", "d"), FollowUp("e", ""))
)


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=3, max_size=3))
def test_answers_come_back_as_they_were(answers: list[str]) -> None:
    """Whatever they hold."""
    assert split_answers(SEVERAL, join_answers(answers)) == answers


def test_a_response_of_one_turn_is_the_answer() -> None:
    """It may look like several."""
    assert split_answers(SINGLE, '["a", "b"]') == ['["a", "b"]']
    assert show_response(SINGLE, '["a", "b"]') == '["a", "b"]'
    assert show_references(SINGLE) == "b"


def test_several_are_shown_under_headings() -> None:
    """References only where there are any."""
    response = join_answers(["1", "", "3"])
    assert show_response(SEVERAL, response) == "Turn 1:\n1\n\nTurn 2:\n\n\nTurn 3:\n3"
    assert show_references(SEVERAL) == "Turn 1:\nb\n\nTurn 2:\nd\n\nTurn 3:\n"
    bare = replace(SEVERAL, output="", follow_ups=(FollowUp("c", ""),))
    assert show_references(bare) == ""


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_each_question_has_what_was_said_before_it(count: int) -> None:
    """One question more than there are answers, as far as there are questions."""
    questions = list(answered_turns(SEVERAL, ["1", "2", "3"][:count]))

    said = [
        Turn("user", "a"),
        Turn("assistant", "1", is_own=True),
        Turn("user", "c"),
        Turn("assistant", "2", is_own=True),
    ]
    wanted = [
        replace(
            SEVERAL,
            instruction=text,
            output=output,
            turns=(*SEVERAL.turns, *said[:turns]),
            follow_ups=(),
        )
        for text, output, turns in (("a", "b", 0), ("c", "d", 2), ("e", "", 4))
    ]
    assert questions == wanted[: count + 1]


def test_the_last_question() -> None:
    """Alone, with places for all answers; a record of one turn is its own."""
    last = final_turn(SEVERAL)
    roles = [turn.role for turn in last.turns]
    assert (last.instruction, roles) == ("e", ["user", *["user", "assistant"] * 2])
    assert final_turn(SINGLE) is SINGLE
