"""Failures as workflow commands, beside a reader that does what GitHub's runner does."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.errors import printable
from pytest_llmjudge.reporting.annotations import Failure, annotation_lines

TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from([*"%:,\n\r=; ", "%0A", "%25", "::", "::error::", "##[x]"])).map(
        "".join
    ),
)


def obeyed(line: str) -> tuple[str, dict[str, str], str] | None:
    """Return the command, properties and text that the runner takes from a line, if any."""
    match = re.match(r"\s*::([^ ]*?)(?: (.*?))?::(.*)", line, re.DOTALL)
    if match is None:
        return None
    pairs = (pair.split("=", 1) for pair in (match[2] or "").split(",") if pair)
    return match[1], {name: unescaped(value) for name, value in pairs}, unescaped(match[3])


def unescaped(text: str) -> str:
    for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, char)
    return text


@given(TEXTS, TEXTS.filter(bool), TEXTS.filter(bool))
def test_the_runner_reads_what_was_meant(message: str, title: str, file: str) -> None:
    """Nothing in a text ends its line, its property or its command."""
    (line,) = annotation_lines([Failure(title, message, file, 7)])

    assert len(line.splitlines()) == 1
    properties = {"file": printable(file), "line": "7", "title": printable(title)}
    assert obeyed(line) == ("error", properties, printable(message))


def test_the_form_of_a_command() -> None:
    """Letter by letter, as GitHub documents it."""
    lines = annotation_lines(
        [
            Failure("test_a[average]", "50 % is low:\nsee, there", "tests/a,b.py", 12),
            Failure("test_a[r1]", "worker 'gw0' crashed", "test_a.py", None),
        ]
    )

    assert list(lines) == [
        "::error file=tests/a%2Cb.py,line=12,title=test_a[average]::50 %25 is low:%0Asee, there",
        "::error file=test_a.py,title=test_a[r1]::worker 'gw0' crashed",
    ]


def test_ten_at_most() -> None:
    """GitHub shows no more of a step; the last one counts the others."""
    failures = [Failure(f"r{number}", "low", "a.py", 1) for number in range(25)]

    lines = list(annotation_lines(failures))

    assert len(list(annotation_lines(failures[:10]))) == len(lines) == 10
    assert "title=r8::" in lines[8]
    assert lines[9] == "::error title=llm-judge::and 16 more, see the log"


def test_a_long_message_is_cut() -> None:
    """A response of 100 kB is no annotation."""
    (line,) = annotation_lines([Failure("r0", "x" * 100_000, "a.py", 1)])

    assert line.endswith("x…")
    assert len(line) < 1100
