"""Error messages: their form, whatever goes into them."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.errors import LlmJudgeError, RecordsError, one_line, printable, printable_json


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
def test_a_message_is_one_printable_line(where: str, problem: str, hint: str) -> None:
    """No text a user's file may hold breaks the line or hides a control character in it."""
    (line,) = LlmJudgeError(where, problem, hint).lines

    assert "\n" not in line
    assert line.isprintable()


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_one_line_keeps_to_its_limit(text: str, limit: int) -> None:
    """A long text is cut, and the cut can be seen."""
    line = one_line(text, limit)

    assert len(line) <= limit
    assert line.isprintable()
    assert line == one_line(line, limit)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error::forged", r"\x3a:error::forged"),
        ("one\n\t ::stop-commands::x", "one\n\t \\x3a:stop-commands::x"),
        ("::error file=a.py,line=1::x", r"\x3a:error file=a.py,line=1::x"),
        ("see ##[error]x", r"see \x23#[error]x"),
        ("##vso[task.complete]", r"\x23#vso[task.complete]"),
        ("##teamcity[x]", r"\x23#teamcity[x]"),
        ("std::vector and a::b::c", "std::vector and a::b::c"),
        ("::1 is an address", "::1 is an address"),
        ("## heading [x](y)", "## heading [x](y)"),
        ("\x1b[31m\u202e", r"\x1b[31m\u202e"),
    ],
)
def test_what_a_terminal_or_a_runner_would_obey(text: str, shown: str) -> None:
    """It is shown as an escape, and nothing else is changed."""
    assert shown == printable(text)


@given(st.text(), st.sampled_from(["::error::", "::add-mask::x", "##[group]", "##vso[x]"]))
def test_nothing_is_left_to_obey(text: str, command: str) -> None:
    """Wherever it stands, and a second time changes nothing."""
    for line in printable(f"{text}{command}{text}\n {command}").split("\n"):
        assert not re.match(r"\s*::[\w-]+[^\n]*::", line, re.ASCII)
        assert not re.search(r"##[a-z]*\[", line)
        assert line == printable(line)


@pytest.mark.parametrize("text", ["::a", "::", "::a ", "\t:", "##a", "#", " \n", "\n::a:"])
def test_the_time_grows_with_the_length_alone(text: str) -> None:
    """A text made to be hard takes about as long as any other one of its length."""
    hard = text[:2] + text[2:] * 100_000 if len(text) > 2 else text * 50_000
    plain = "x" * len(hard)

    assert _seconds(hard) < 10 * _seconds(plain) + 0.05


def _seconds(text: str) -> float:
    """Return the processor time that it takes, at best of three."""
    times = []
    for _ in range(3):
        start = time.process_time()
        printable(text)
        printable_json(text)
        times.append(time.process_time() - start)
    return min(times)
