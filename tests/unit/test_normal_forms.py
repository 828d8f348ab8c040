"""Unicode's normal forms: those of the standard library, without its quadratic time."""

from __future__ import annotations

import random
import time
import unicodedata
from typing import TYPE_CHECKING, Literal

import pytest

from pytest_llmjudge.judging.folding import fold
from pytest_llmjudge.normal_forms import normal_form
from pytest_llmjudge.questions.extraction import make_extraction
from pytest_llmjudge.records.loading import content_id
from pytest_llmjudge.records.overlap import normalised

if TYPE_CHECKING:
    from collections.abc import Callable

# Marks of many classes, some of which are decomposed into others, and some that are letters.
MARKS = "\u0301\u0316\u0344\u0345\u0f73\u0f81\uff9e\uff9f\u3099\u05b0\U0001d165\u20dd"
LETTERS = "aé한가ﾊ\U0001f600-"


@pytest.mark.parametrize("form", ["NFC", "NFKC", "NFKD"])
def test_the_form_is_the_standards(form: Literal["NFC", "NFKC", "NFKD"]) -> None:
    """Whatever marks a text has, and however many in a row."""
    numbers = random.Random(7)  # noqa: S311  # no secret
    for length in (0, 1, 63, 64, 65, 300):
        for _ in range(50):
            marks = "".join(numbers.choices(MARKS, k=length))
            text = numbers.choice(LETTERS) + marks + "".join(numbers.choices(LETTERS + MARKS, k=9))
            assert normal_form(form, text) == unicodedata.normalize(form, text)


def grade(extraction: str) -> Callable[[str], object]:
    def grade(text: str) -> object:
        made = make_extraction("extract", extraction)
        return made.grade(text, made.expected("extract", {"a": "Bern"})["a"])

    return grade


@pytest.mark.parametrize("marks", ["\u0301\u0316", "\u0f73", "\uff9e\u0316"])
@pytest.mark.parametrize(
    "read",
    [fold, normalised, lambda text: content_id(text, text), grade("exact"), grade("contains")],
    ids=["fold", "overlap", "id", "exact", "contains"],
)
def test_many_marks_in_a_row(read: Callable[[str], object], marks: str) -> None:
    """As a model repeats them, or a file has them: a few seconds would be hours for ten times."""
    begun = time.process_time()

    read(f"a{marks * 60_000}")

    assert time.process_time() - begun < 2
