"""Error messages: their form, whatever goes into them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.errors import LlmJudgeError, RecordsError, one_line


def test_a_message_says_where_what_and_what_to_do() -> None:
    """The three parts stand in one line."""
    error = LlmJudgeError("model.pth", "it is empty", "save it again")

    assert str(error) == "model.pth: it is empty; save it again"
    assert error.lines == ("model.pth: it is empty; save it again",)


def test_problems_of_a_file_are_lines() -> None:
    """A records file tells several problems, and how many are left."""
    second = RecordsError("a.json: record 2", "it is null", "a record is an object")
    error = RecordsError("a.json: record 1", "it is null", "x", more=(second,), left=3)

    assert error.lines == (
        "a.json: record 1: it is null; x",
        "a.json: record 2: it is null; a record is an object",
        "a.json: and 3 more problems",
    )


@given(st.text(), st.text(), st.text())
def test_a_message_is_one_printable_line(where: str, found: str, todo: str) -> None:
    """No text a user's file may hold breaks the line or hides a control character in it."""
    (line,) = LlmJudgeError(where, found, todo).lines

    assert "\n" not in line
    assert line.isprintable()


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_one_line_keeps_to_its_limit(text: str, limit: int) -> None:
    """A long text is cut, and the cut can be seen."""
    line = one_line(text, limit)

    assert len(line) <= limit
    assert line.isprintable()
    assert line == one_line(line, limit)
