"""A message shows of each name what it has room for."""

from __future__ import annotations

import pytest

from pytest_llmjudge.generation.files.names import name_some, shorten, shorten_json


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        ([], "nothing"),
        (["a", "b"], "a, b"),
        (["a", "b", "c", "d"], "a, b, c and 1 more"),
        ([1, 2.5, True], "1, 2.5, True"),
        ([("a",), None], "a key that is no text, a key that is no text"),
        (["n" * 81, "a"], "n" * 79 + "…, a"),
    ],
)
def test_some_names(names: list[object], shown: str) -> None:
    """The first few, each cut; the text of what is no name is not even made."""
    assert name_some(names) == shown


def test_cut_names_and_values() -> None:
    """At 80 characters, one line."""
    assert shorten("n" * 80) == "n" * 80
    assert shorten("a\nb") == "a b"
    assert shorten_json({"a": [1]}) == '{"a": [1]}'
    assert len(shorten_json("x" * 3_000_000)) == 80
