"""Groups of records that are not independent of each other, such as paraphrases of one question."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

__all__ = ["count_groups", "group_numbers", "have_groups", "in_groups", "totals"]


def group_numbers(names: Iterable[str | None]) -> list[int] | None:
    """Number the groups of records from 0, in the order of their first appearance.

    Args:
        names: The group of each record; ``None`` for a record that is alone.

    Returns:
        The number of each record's group; ``None`` when every record is alone in its group.
    """
    places: dict[str, int] = {}
    numbers: list[int] = []
    groups = 0
    for name in names:
        number = groups if name is None else places.setdefault(name, groups)
        groups += number == groups
        numbers.append(number)
    return numbers if groups < len(numbers) else None


def have_groups(groups: Sequence[Hashable] | None) -> bool:
    """Say whether any two records are in one group.

    Args:
        groups: Of each record; ``None`` where each is alone.
    """
    return groups is not None and count_groups(groups) < len(groups)


def count_groups(groups: Sequence[Hashable]) -> int:
    """Return how many groups there are."""
    return len(set(groups))


def totals(
    values: Sequence[float], groups: Sequence[Hashable] | None
) -> tuple[list[float], list[int]]:
    """Return the sum of each group's values, and how many it has, in the order of the groups.

    Args:
        values: Of each record.
        groups: Of each record; ``None`` where each is alone.
    """
    if groups is None:
        return list(values), [1] * len(values)
    members: dict[Hashable, list[float]] = {}
    for value, group in zip(values, groups, strict=True):
        members.setdefault(group, []).append(value)
    return [math.fsum(own) for own in members.values()], list(map(len, members.values()))


def in_groups(groups: Sequence[Hashable] | int | None) -> str:
    """Return what follows the number of records, such as `` in 37 groups``; empty without groups.

    Args:
        groups: Of each record, or how many there are; ``None`` where each record is alone.
    """
    if groups is None:
        return ""
    number = groups if isinstance(groups, int) else count_groups(groups)
    return f" in {number} group" if number == 1 else f" in {number} groups"
