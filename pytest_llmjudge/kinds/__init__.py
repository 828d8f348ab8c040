"""The kinds of suites there are: a new one is a module here, its marker, and a line in the list."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pytest_llmjudge.kinds.base import Kind

__all__ = ["INI_OPTIONS", "MARKERS", "MODEL_FIXTURES", "all_kinds", "kind_named"]


class Marker(NamedTuple):
    """A marker that makes a function a suite.

    Attributes:
        name: As users write it.
        arguments: As ``pytest --markers`` shows them.
        purpose: The same.
        fixtures: What the items of its samples have, and those of its gates have not.
    """

    name: str
    arguments: str
    purpose: str
    fixtures: tuple[str, ...]


class IniOption(NamedTuple):
    """An option of ini files that names the data of a kind.

    Attributes:
        name: As users write it.
        key: What :func:`~pytest_llmjudge.settings.read_settings` calls it.
        purpose: As ``pytest --help`` shows it.
    """

    name: str
    key: str
    purpose: str


MARKERS = (
    Marker(
        "llm_judge",
        '"records.json", min_score=, min_average=, ...',
        "judge a model's answers to instruction records",
        ("record", "response", "verdict"),
    ),
    Marker(
        "llm_compare",
        '"records.json", against=, min_win_rate=, votes=, ...',
        "compare a model's answers with another's",
        ("record", "response", "preference"),
    ),
    Marker(
        "llm_mmlu",
        '"mmlu", subjects=, shots=, mode=, min_accuracy=, ...',
        "ask a model the questions of MMLU",
        ("mmlu_result",),
    ),
)
INI_OPTIONS = (
    IniOption(
        "llm_mmlu_data",
        "mmlu_data",
        "Copy of MMLU for llm_mmlu markers and the mmlu fixture that name none",
    ),
)
MODEL_FIXTURES = ("mmlu",)
"""With these a test that is no item of a suite asks the model under test."""


@functools.cache
def all_kinds() -> tuple[Kind[Any], ...]:
    """Return all kinds, in the order in which their results are reported."""
    # A run without --llm-judge knows the markers alone, and does not wait for these imports.
    from pytest_llmjudge.kinds.judged import JUDGED
    from pytest_llmjudge.kinds.mmlu import MMLU
    from pytest_llmjudge.kinds.pairs import PAIRS

    return JUDGED, MMLU, PAIRS


def kind_named(name: str) -> Kind[Any]:
    """Return the kind that results files call ``name``."""
    return next(kind for kind in all_kinds() if kind.name == name)
