"""The context that a judge's longest question needs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.judging.context import context_for, text_size


@pytest.mark.parametrize(
    ("size", "expected"), [(0, 2048), (2560, 2048), (2562, 4096), (14_848, 8192), (14_850, 16_384)]
)
def test_powers_of_two(size: int, expected: int) -> None:
    """Two bytes are a token; 1,024 bytes of wording and 256 tokens come to the texts."""
    assert context_for(size) == expected


@given(st.integers(0, 10**9))
def test_it_is_the_smallest_that_holds(size: int) -> None:
    """Half of it would be too small, unless it is the lecture's."""
    context = context_for(size)
    needed = (size + 1024) / 2 + 256

    assert context & (context - 1) == 0
    assert needed < context + 1
    assert context == 2048 or context / 2 < needed


@given(st.text())
def test_the_size_of_a_text(text: str) -> None:
    """Its bytes, and a mark before each line where lines are quoted."""
    quoted = "\n".join(f"> {line}" for line in text.split("\n"))

    assert text_size(text) == len(quoted.encode("utf-8", "surrogatepass"))
