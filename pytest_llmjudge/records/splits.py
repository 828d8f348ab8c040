"""Chooses a split, where a file or a folder has several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.errors import RecordsError, one_line
from pytest_llmjudge.records.json_values import listed

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["check_no_split", "choose_split"]


def choose_split(name: str, splits: Iterable[str], split: str | None) -> str:
    """Return the split that was asked for, or the only one there is.

    Raises:
        RecordsError: It is not there, or was not named where there are several.
    """
    names = list(splits)
    if split is not None and split not in names:
        problem = f'it has no split "{one_line(split, 40)}"'
        raise RecordsError(name, problem, f"it has {listed(names)}")
    if split is None and len(names) > 1:
        first = one_line(names[0], 40)
        hint = f'choose one, as in split="{first}" or --llm-judge-split={first}'
        raise RecordsError(name, f"it has the splits {listed(names)}", hint)
    return split or names[0]


def check_no_split(name: str, split: str | None) -> None:
    """Refuse a split of what has none.

    Raises:
        RecordsError: One was asked for.
    """
    if split is not None:
        problem = f'it has no splits, and split "{one_line(split, 40)}" was asked for'
        raise RecordsError(name, problem, "leave the split out")
