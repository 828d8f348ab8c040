"""Near misses: right answers with one thing changed, so that they are wrong."""

from __future__ import annotations

from typing import Final

__all__ = ["LOOKED_AT", "no_near_misses"]

LOOKED_AT: Final = 1000
"""Records of a suite that are read for near misses, so that a large suite takes no longer."""


def no_near_misses(records: int) -> str:
    """Say that no record has a near miss, of all of a suite or of those that are looked at."""
    looked_at = min(records, LOOKED_AT)
    return f"0 of {looked_at} records have a number, name or the like to change"
