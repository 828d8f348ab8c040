"""Which shard of a run a sample belongs to, whatever else its file holds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

__all__ = ["MERGED", "MOST_SHARDS", "Shard", "shard_of"]

MOST_SHARDS = 1000
"""More jobs than a CI system starts for one pipeline."""
MERGED = "decided by the merge"
"""Why a gate over the whole suite is skipped in a shard."""
_BYTES = 8


def shard_of(name: str, count: int) -> int:
    """Return the number of the shard that a sample belongs to, from 1 to ``count``.

    It is the first eight bytes of the SHA-256 of the id in UTF-8, as an integer with the most
    significant byte first, modulo ``count``, plus 1: the same on all machines, and the same while
    other samples are added and removed.

    Args:
        name: Id of the sample.
        count: How many shards there are.
    """
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:_BYTES], "big") % count + 1


@dataclass(frozen=True, slots=True)
class Shard:
    """One part of a run.

    Attributes:
        number: From 1 to ``count``.
        count: How many parts there are.
    """

    number: int
    count: int

    def __contains__(self, name: str) -> bool:
        return shard_of(name, self.count) == self.number

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def shown(self) -> str:
        """In a sentence, such as ``shard 2 of 5``."""
        return f"shard {self.number} of {self.count}"
