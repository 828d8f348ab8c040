"""Text in a terminal's columns, as wide letters, long names and tables need it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcswidth

from pytest_llmjudge.reporting.layout import Table, cut, fold, lay_out, shown, width_of

COLUMNS = st.integers(20, 200)
WORDS = st.lists(
    st.one_of(
        st.sampled_from(
            ["the", "judge", "日本語の答え", "e\u0301te\u0301", "👍", "::error::x", "-"]
        ),
        st.text("abc日é👩", min_size=1, max_size=12),
        st.integers(40, 90).map(lambda size: "/" * size),
    ),
    max_size=12,
)
TEXTS = WORDS.map(" ".join)


@pytest.mark.parametrize(
    ("text", "columns"),
    [("abc", 3), ("日本", 4), ("e\u0301", 1), ("👍", 2), ("", 0), ("한국어", 6), ("ﾊﾝｶｸ", 4)],
)
def test_width_is_what_a_terminal_takes(text: str, columns: int) -> None:
    """East Asian letters and emoji take two columns, marks none."""
    assert width_of(text) == columns


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
        ("abc", 0, "…"),
    ],
)
def test_cutting_counts_columns(text: str, columns: int, expected: str) -> None:
    """A letter that takes two does not stick out, and keeps its marks."""
    assert cut(text, columns) == expected


@given(TEXTS, COLUMNS)
def test_a_cut_text_fits(text: str, columns: int) -> None:
    """Whatever it is written in."""
    shortened = cut(text, columns)

    assert wcswidth(shortened) <= columns
    assert shortened == text or text.startswith(shortened[:-1])


def can_be_folded(line: str, columns: int) -> bool:
    """Say whether a line is too wide although none of its words is too long for a line."""
    hang = len(line) - len(line.lstrip()) + 2
    return wcswidth(line) > columns and all(
        hang + wcswidth(word) <= columns for word in line.split()
    )


@given(st.integers(0, 8), TEXTS, COLUMNS)
def test_folding_loses_nothing_and_fits(indent: int, text: str, columns: int) -> None:
    """No line is wider than the terminal but where a word is too long for any line."""
    lines = list(fold(" " * indent + text, columns))

    assert " ".join(lines).split() == text.split()
    assert not any(can_be_folded(line, columns) for line in lines)
    assert all(line.startswith(" " * (indent + 2)) for line in lines[1:])


def test_a_text_keeps_its_form() -> None:
    """The first line's indent and gaps stay; what follows is indented by two more."""
    assert list(fold("    3  r1  a reason that is long", 20)) == [
        "    3  r1  a reason",
        "      that is long",
    ]


@given(TEXTS, COLUMNS)
def test_no_line_becomes_a_command(text: str, columns: int) -> None:
    """Wherever a text is folded, GitHub's runner finds nothing to obey."""
    for line in lay_out(text, columns):
        assert not re.match(r"\s*::[\w-]", line.text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb\tc", "a b c"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\u202eabc", "\\u202eabc"),
        ("see ::stop-commands::x", "see \\x3a:stop-commands::x"),
        ("x ##[error]y", "x \\x23#[error]y"),
        ("std::vector a::b", "std::vector a::b"),
    ],
)
def test_what_would_be_obeyed_is_shown(text: str, expected: str) -> None:
    """On one line."""
    assert shown(text) == expected


HEADINGS = ("suite", "records", "average", "outcome")
ROWS = [
    ("日本.py::test_a", "5", "80.00", "passed (average >= 50)"),
    ("b", "110", "-", "incomplete"),
]
TABLE = Table(HEADINGS, ROWS, ("passed", "incomplete"))


def rendered(columns: int, table: Table = TABLE) -> list[str]:
    return [f"{line.text}[{line.result}]" for line in lay_out(table, columns)]


def test_a_table_that_fits() -> None:
    """Columns are aligned by what a terminal shows, and the outcome stands apart."""
    assert rendered(60) == [
        "suite            records  average  [outcome]",
        "日本.py::test_a        5    80.00  [passed (average >= 50)]",
        "b                    110        -  [incomplete]",
    ]


def test_a_table_that_is_a_little_too_wide() -> None:
    """Its outcomes are folded below each other."""
    assert rendered(55) == [
        "suite            records  average  [outcome]",
        "日本.py::test_a        5    80.00  [passed (average >=]",
        "                                   [  50)]",
        "b                    110        -  [incomplete]",
    ]


def test_a_table_that_is_too_wide() -> None:
    """Each row is stacked: the name with its outcome where both fit, then the figures."""
    assert rendered(40) == [
        "日本.py::test_a  [passed (average >= 50)]",
        "  records 5, average 80.00[]",
        "b  [incomplete]",
        "  records 110, average -[]",
    ]
    assert rendered(25) == [
        "日本.py::test_a[]",
        "  [passed (average >= 50)]",
        "  records 5,[]",
        "  average 80.00[]",
        "b  [incomplete]",
        "  records 110, average -[]",
    ]


def test_an_outcome_of_many_words() -> None:
    """It is not folded into a narrow column."""
    asked = "passed: score >= 20, average >= 50 (within noise), average:prose >= 40, baseline"
    table = Table(HEADINGS, [("a.py::test_a", "5", "80.00", asked)], ("passed",))

    assert rendered(55, table) == [
        "a.py::test_a[]",
        "  [passed: score >= 20, average >= 50 (within noise),]",
        "  [  average:prose >= 40, baseline]",
        "  records 5, average 80.00[]",
    ]


@given(
    st.lists(st.tuples(TEXTS, TEXTS, TEXTS, TEXTS), min_size=1, max_size=4),
    COLUMNS,
)
def test_no_table_loses_anything(rows: list[tuple[str, ...]], columns: int) -> None:
    """Stacked or not, every cell and every outcome is there."""
    table = Table(HEADINGS, rows, ["failed"] * len(rows))

    lines = list(lay_out(table, columns))

    words = " ".join(f"{line.text}{line.result}" for line in lines).replace(",", " ").split()
    for row in rows:
        for cell in row:
            assert set(shown(cell).replace(",", " ").split()) <= set(words)
