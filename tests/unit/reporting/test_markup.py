"""Texts in Markdown beside an independent renderer, and documents that are cut."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pytest_llmjudge.errors import printable
from pytest_llmjudge.reporting.markup import (
    Section,
    fenced,
    fitted,
    head,
    inline,
    joined,
    row,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from markdown_it.token import Token

RENDERER = MarkdownIt("commonmark").enable("table")
HOSTILE = [
    "`code` and ``more``",
    "a|b\\|c",
    "<script>alert(1)</script>",
    "</details><details open>",
    "[link](http://example.org) ![image](http://example.org/a.png)",
    "<http://example.org>",
    "see http://example.org or www.example.org or me@example.org",
    "@somebody look at #12",
    "**bold** _it_ ~~gone~~",
    "# heading",
    "- one",
    "1. one",
    "2)",
    "===",
    "---",
    "> quoted",
    "line\nbreak\r\n\r\nand ```\nfence\n```",
    "bell \x07 escape \x1b[31m nul \x00",
    "\u202eright to left\u202c",
    "half \ud800 a pair",
    "[a]: http://example.org",
    "&lt; &#60; &amp;",
    "$x$ :tada:",
    "| a |\n| --- |\n| b |",
    "    indented",
    "~~~\nfence",
    "<!-- hidden -->",
    "\\",
]
TEXTS = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=60),
    st.lists(st.sampled_from([*"`|<>[]()!*_~#-+=\\\n :/@$&;1.a", "www", "http"])).map("".join),
)


def tokens(document: str) -> Iterator[Token]:
    for token in RENDERER.parse(document):
        yield token
        yield from token.children or ()


def read(document: str) -> tuple[list[str], str]:
    """Return the elements of a document, and its text, as a renderer sees them."""
    elements, texts = [], []
    for token in tokens(document):
        if token.type in {"text", "code_inline", "text_special", "fence", "code_block"}:
            texts.append(token.content)
        elif token.type in {"html_inline", "html_block"} and token.content != "<!-- -->":
            elements.append(token.content)
        if token.tag and token.nesting >= 0 and token.type != "html_inline":
            elements.append(token.tag)
    return elements, "".join(texts)


def folded(text: str) -> str:
    return " ".join(printable(text).split())


@given(TEXTS)
def test_an_inline_text_is_shown_letter_by_letter(text: str) -> None:
    """No element comes out of it, at the beginning of a paragraph, in a list or in a table."""
    shown = inline(text)
    if not shown:
        return

    assert read(shown) == (["p"], folded(text))
    assert read(f"- {shown}") == (["ul", "li", "p"], folded(text))
    elements, content = read("\n".join([*head(["a", "b"]), row([shown, "x"])]))
    assert elements == ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td"]
    assert content == f"ab{folded(text)}x"


@given(TEXTS)
def test_a_fence_is_closed_by_its_own_end_only(text: str) -> None:
    """All of the text is code, each line as it was."""
    document = "\n".join([*fenced(text), "", "after"])

    elements, content = read(document)

    assert elements == ["code", "p"]
    assert content == f"{printable(text or '(empty)')}\nafter"


@given(TEXTS)
def test_nothing_is_left_for_github_to_link(text: str) -> None:
    """Addresses, mentions, issues, emoji and formulas are found in runs of text: they are broken."""
    runs = [token.content for token in tokens(inline(text)) if token.type == "text"]

    for run in runs:
        assert not re.search(r"://|@\w|#\d|\bwww\.|:[\w+-]+:", run, re.IGNORECASE)
    assert "$" not in inline(text)


def sections(sizes: Sequence[int]) -> list[Section]:
    made = [Section("rows", ("# top", "", *head(["a"])), tuple(row(["é" * 9]) for _ in range(50)))]
    return made + [
        Section(
            f"texts of {place}",
            ("<details><summary>more</summary>", ""),
            tuple("\n".join(fenced("x" * size)) for _ in range(10)),
            ("", "</details>"),
        )
        for place, size in enumerate(sizes)
    ]


def test_a_document_that_fits_is_whole() -> None:
    """Then there is no note."""
    made = sections([10])

    assert fitted(made, 100_000, "it is full", "There.") == joined(made)


@given(st.lists(st.integers(0, 9000), max_size=4), st.integers(16_384, 200_000))
def test_a_document_that_is_cut_is_whole_by_itself(sizes: list[int], room: int) -> None:
    """In bytes it fits, and fences and details are closed."""
    text = fitted(sections(sizes), room, "it is full", "All of it is elsewhere.")

    assert len(text.encode()) <= room
    assert text.count("<details>") == text.count("</details>")
    assert text.startswith("# top")
    marks = re.findall("^```$", text, re.MULTILINE)
    assert [token.type for token in RENDERER.parse(text)].count("fence") == len(marks) / 2
    if text != joined(sections(sizes)):
        assert text.rstrip().endswith("All of it is elsewhere.")


def test_the_note_says_what_was_left_out() -> None:
    """How many of what, and where it is."""
    text = fitted(sections([9000, 100]), 70_000, "a step may have 1 MiB", "All of it is in a.md.")

    assert text.splitlines()[-1] == (
        "**Left out, because a step may have 1 MiB:** 4 of 10 texts of 0. All of it is in a.md."
    )
    assert text.count("x" * 9000) == 6


def test_what_is_folded_away_takes_the_room_that_is_left() -> None:
    """A long comparison does not push out a short table that comes after it."""
    long, table = sections([9000])[1], sections([])[0]

    text = fitted([long, table], 40_000, "it is full", "There.")

    assert text.count("é" * 9) == 50
    assert text.index("<details>") < text.index("# top")
