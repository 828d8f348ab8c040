"""Where a sentence ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.judging.sentences import first_sentences


@pytest.mark.parametrize(
    ("text", "first_two"),
    [
        ("", ""),
        ("One", "One"),
        ("One. Two", "One. Two"),
        ("One. Two. Three.", "One. Two."),
        ("One! Two? Three.", "One! Two?"),
        ("It is 3.5 and not 4. It has v1.2.3 in a.b. Three.", "It is 3.5 and not 4. It has v1.2.3 in a.b."),
        ("It names e.g. Paris, i.e. no river. Two. Three.", "It names e.g. Paris, i.e. no river. Two."),
        ("Dr. Smith vs. Mr. Li lost. Two. Three.", "Dr. Smith vs. Mr. Li lost. Two."),
        ("J. R. R. Tolkien of the U.S. Army wrote it. Two. Three.", "J. R. R. Tolkien of the U.S. Army wrote it. Two."),
        ("It was I. Two. Three.", "It was I. Two."),
        ("1. The answer is 5. It is 6. Three.", "1. The answer is 5. It is 6."),
        ('He said "no." Two (as well.) Three.', 'He said "no." Two (as well.)'),
        ("**It is wrong.** Two. Three.", "**It is wrong.** Two."),
        ("Well... it is wrong... Two. Three.", "Well... it is wrong... Two."),
        ("Well\u2026 it is wrong. Two. Three.", "Well\u2026 it is wrong. Two."),
        ("One\n\n two.\t Two.\nThree.", "One two. Two."),
        ("\u4e00\u3002\u4e8c\uff01\u4e09\u3002", "\u4e00\u3002\u4e8c\uff01"),
        ("It uses etc. and more. Two. Three.", "It uses etc. and more. Two."),
        ("What?! Two. Three.", "What?! Two."),
    ],
)  # fmt: skip
def test_the_first_two(text: str, first_two: str) -> None:
    """Neither abbreviations nor numbers end one."""
    assert first_sentences(text, 2) == first_two


@pytest.mark.parametrize(
    ("text", "kept"),
    [("One. Tw", "One."), ("On", "On"), ("One. Two. Thr", "One. Two."), ("", "")],
)
def test_a_text_that_breaks_off(text: str, kept: str) -> None:
    """Its last sentence is left out, unless there is no other."""
    assert first_sentences(text, 2, is_cut=True) == kept


@given(st.text())
def test_any_text(text: str) -> None:
    """The result is the beginning of the text on one line, and stays as it is."""
    kept = first_sentences(text, 2)

    assert " ".join(text.split()).startswith(kept)
    assert first_sentences(kept, 2) == kept


@pytest.mark.parametrize("part", [".", "a.", '."', "a. b", "\u3002", "?\u201d ", "1."])
def test_long_texts_take_linear_time(part: str) -> None:
    """Whatever a server sends; quadratic time would be minutes here."""
    assert len(first_sentences(part * 200_000, 10**9)) <= 200_000 * len(part)
