"""The machines of a cluster: which take part, with how many actors, and what is installed there."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Node"]


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster that takes part.

    Attributes:
        key: Ray's name of it.
        address: Its IP address.
        actors: How many actors it has room for.
        gpus: How many GPUs they use, one each.
        threads: How many cores each of them uses.
    """

    key: str
    address: str
    actors: int
    gpus: int
    threads: int
