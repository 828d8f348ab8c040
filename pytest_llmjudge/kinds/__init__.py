"""The kinds of suites there are: a new one is a module here, and a line in the list."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_llmjudge.kinds.base import Kind

__all__ = ["all_kinds", "compared_kinds", "kind_named"]


@functools.cache
def all_kinds() -> tuple[Kind[Any], ...]:
    """Return all kinds, in the order in which their results are reported."""
    # A run without --llm-judge knows the markers alone, and does not wait for these imports.
    from pytest_llmjudge.kinds.choices import CHOICES
    from pytest_llmjudge.kinds.exact import EXACT_ANSWERS
    from pytest_llmjudge.kinds.judged import JUDGED
    from pytest_llmjudge.kinds.loss import LOSS
    from pytest_llmjudge.kinds.mmlu import MMLU
    from pytest_llmjudge.kinds.pairs import PAIRS

    return JUDGED, MMLU, CHOICES, EXACT_ANSWERS, PAIRS, LOSS


def kind_named(name: str) -> Kind[Any]:
    """Return the kind that results files call ``name``."""
    return next(kind for kind in all_kinds() if kind.name == name)


def compared_kinds() -> list[str]:
    """Name the kinds whose suites compare with those of a baseline."""
    return [kind.name for kind in all_kinds() if kind.measure is not None]
