"""What the tokens of several texts begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["shared_prefix"]


def shared_prefix(rows: Collection[list[int]]) -> list[int]:
    """Return what all rows begin with, short enough to leave each a token of its own.

    Args:
        rows: At least one, and none is empty.
    """
    # Of sorted rows the first and the last differ at least as early as any other two.
    first, last = min(rows), max(rows)
    most = min(map(len, rows)) - 1
    same = next((at for at in range(most) if first[at] != last[at]), most)
    return first[:same]
