"""The warnings that stand in the place of a failed gate, where the user has asked for that."""

from __future__ import annotations

import warnings

import pytest

__all__ = ["InconclusiveWarning", "JudgeCheckWarning", "is_raised", "warns"]


class JudgeCheckWarning(pytest.PytestWarning):
    """A judge that failed known answers decides all the same: ``--llm-judge-check=warn``."""


class InconclusiveWarning(pytest.PytestWarning):
    """A suite passes that was not proved to be not worse: ``--llm-judge-inconclusive=warn``."""


def warns(item: pytest.Item, warning: pytest.PytestWarning) -> bool:
    """Warn; say whether that is enough, which ``-W error`` denies."""
    try:
        item.warn(warning)
    except type(warning):
        return False
    return True


def is_raised(category: type[pytest.PytestWarning]) -> bool:
    """Say whether ``-W error`` denies warnings of a class, and give none."""
    with warnings.catch_warnings(record=True):
        try:
            warnings.warn(category(""), stacklevel=2)
        except category:
            return True
    return False
