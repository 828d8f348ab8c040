"""Numbers of options and keywords that are too large, or not to be printed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.kinds import choices, loss, pairing
from pytest_llmjudge.mmlu import exam
from pytest_llmjudge.settings import _KEYWORDS, OPTIONS
from pytest_llmjudge.values import (
    parse_port,
    parse_power,
    parse_resamples,
    parse_seed,
    parse_some_drop,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Callable

TEXTS = "parse_text", "parse_texts", "parse_stop", "parse_renamed"
"""What takes any text."""
PARSERS = {option.name: option.parse for option in OPTIONS if option.parse.__name__ not in TEXTS}
PARSERS |= {
    "port": parse_port,
    "power": parse_power,
    "resamples": parse_resamples,
    "drop": parse_some_drop,
}
KEYWORDS = {
    f"{kind}-{name}": check
    for kind, checks in (
        ("judge", _KEYWORDS),
        ("loss", loss._KEYWORDS),
        ("choices", choices._KEYWORDS),
        ("pairs", pairing.KEYWORDS),
        ("mmlu", exam._KEYWORDS),
    )
    for name, check in checks.items()
}


VALUES = {
    "large": 10**400,
    "low": -(10**400),
    "unprintable": 10**5000,
    "nested": [10**5000],
    "text": "x" * 500,
}


def line_of(refused: Callable[[], object]) -> str:
    """Return the line of what is refused."""
    with pytest.raises(SettingsError) as raised:
        refused()
    return str(raised.value)


@pytest.mark.parametrize("digits", [19, 400, 5000])
@pytest.mark.parametrize("name", PARSERS)
def test_long_numbers_of_options(name: str, digits: int) -> None:
    """None is taken, and none is shown in full; Python itself reads no 5,000 digits."""
    for text in ("9" * digits, "-" + "9" * digits):
        line = line_of(partial(PARSERS[name], "where", text))

        assert len(line) < 250
        assert "\n" not in line


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("name", KEYWORDS)
def test_long_values_of_keywords(name: str, value: object) -> None:
    """The same of what a marker says; a long text may be a path or a name."""
    if isinstance(value, str) and name.split("-")[1] in {
        *("checkpoint", "prompt", "system", "responses", "against", "votes", "subjects"),
        *("by", "labels", "criteria", "group", "split", "training", "shots_from"),
    }:
        return
    line = line_of(partial(KEYWORDS[name], "where", value))

    assert len(line) < 250


def test_a_float_that_an_integer_exceeds() -> None:
    """It is refused, and not an error of Python's."""
    for name, wanted in (
        ("max_perplexity", "a number of 1 or more"),
        ("max_loss", "a number of nats above 0"),
    ):
        line = line_of(partial(loss._KEYWORDS[name], f"t: {name}", 10**400))

        problem = "an integer of more than 18 digits is too large"
        assert line == f"t: {name}: {problem}; give {wanted} and fewer digits"


def test_large_numbers_that_are_meant() -> None:
    """A perplexity may be as large as a float, a count as a billion."""
    assert loss._KEYWORDS["max_perplexity"]("where", 1e308) == 1e308
    assert loss._KEYWORDS["max_perplexity"]("where", 10**17) == 1e17
    assert loss._KEYWORDS["stride"]("where", 10**9) == 10**9
    assert parse_seed("where", str(2**63 - 1)) == 2**63 - 1


def test_values_in_messages() -> None:
    """Short ones as they are."""
    assert (shown(-3), shown("a"), shown(1.5)) == ("-3", "'a'", "1.5")
    assert shown([10**5000]) == "a list that cannot be shown"
    assert shown("a" * 100) == f"'{'a' * 58}…"
