"""The warning that stands in the place of a failed check of the judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_llmjudge.settings import Settings

__all__ = ["JudgeCheckWarning", "warns"]


class JudgeCheckWarning(pytest.PytestWarning):
    """A judge that failed known answers decides all the same: ``--llm-judge-check=warn``."""


def warns(item: pytest.Item, settings: Settings, reason: str) -> bool:
    """Warn where that is enough; say whether it is, which ``-W error`` may deny."""
    if settings.check != "warn":
        return False
    try:
        item.warn(JudgeCheckWarning(reason))
    except JudgeCheckWarning:
        return False
    return True
