"""Guesses how a text goes on, so that one pass can check several tokens of it.

A small model that goes on long repeats itself, and many answers repeat words of their prompt. What
followed the newest tokens when they were seen before is therefore often what follows now. Guesses
change no text: only tokens that the model itself takes are kept. The method is known as prompt
lookup (Saxena, 2023, https://github.com/apoorvumang/prompt-lookup-decoding), a form of speculative
decoding (Leviathan et al., 2023, arXiv 2211.17192).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["guess"]

LONGEST_MATCH = 3
"""How many of the newest tokens are looked for at most."""


def guess(ids: Sequence[int], count: int) -> list[int]:
    """Return ``count`` tokens that may follow ``ids``, which are not empty.

    They are copied from behind the latest earlier place where up to three of the newest tokens
    stand; a copy that reaches the end goes on in what it has copied, as a loop does.
    """
    newest = len(ids)
    for size in range(min(LONGEST_MATCH, newest - 1), 0, -1):
        tail = ids[newest - size :]
        for start in range(newest - size - 1, -1, -1):
            if ids[start + size - 1] == tail[-1] and ids[start : start + size] == tail:
                return _copy(ids, start + size, count)
    return _copy(ids, newest - 1, count)


def _copy(ids: Sequence[int], start: int, count: int) -> list[int]:
    copied = list(ids[start:])
    while len(copied) < count:
        copied += copied[: count - len(copied)]
    return copied[:count]
