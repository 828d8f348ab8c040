"""Which options of a run may change what it decides, for those who look back at it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge.settings import DECIDING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_llmjudge.settings import Settings

__all__ = ["deciding_options"]


def deciding_options(settings: Settings, shown: Callable[[Path], str]) -> dict[str, str]:
    """Return the options that decide, as text, by name; those that are not set are left out.

    Args:
        settings: Of the run.
        shown: Writes a path as it is shown.
    """
    values = {name: getattr(settings, name) for name in DECIDING}
    return {
        name: _text(value, shown) for name, value in values.items() if value not in (None, (), "")
    }


def _text(value: object, shown: Callable[[Path], str]) -> str:
    if isinstance(value, Path):
        return shown(value)
    return value if isinstance(value, str) else json.dumps(value)
