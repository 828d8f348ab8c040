"""Which words of two texts differ."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["MOST_STEPS", "Budget", "Span", "differences"]

MOST_STEPS = 20_000
"""Pairs of equal words that are looked at; ordinary texts of 800 words have as many."""

# Space belongs to the word behind it, so that a text that goes on further keeps its last word.
_WORD = re.compile(r"\s*\w+|\s*[^\w\s]|\s+")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of text.

    Attributes:
        kind: ``same`` for what both texts have, ``del`` for what only the first has, ``ins`` for
            what only the second has.
        text: Never empty.
    """

    kind: str
    text: str


@dataclass(slots=True)
class Budget:
    """What may still be looked at for many pairs of texts, in the unit of :data:`MOST_STEPS`.

    By default it takes about a minute to use up.
    """

    left: int = 1000 * MOST_STEPS

    def allows(self, steps: int) -> bool:
        """Take what one pair of texts needs, where that is there."""
        if steps > min(self.left, MOST_STEPS):
            return False
        self.left -= steps
        return True


def differences(before: str, after: str, budget: Budget | None = None) -> tuple[Span, ...] | None:
    """Return two texts as stretches that they share and stretches that they do not.

    Without those of kind ``ins`` they are ``before``, without those of kind ``del`` they are
    ``after``. The matching is that of Ratcliff and Obershelp, over words.

    Args:
        before: One text.
        after: The other.
        budget: Of all texts that are compared; ``None`` for these two alone.

    Returns:
        The stretches; ``None`` where finding them would take too long.
    """
    old, new = _WORD.findall(before), _WORD.findall(after)
    start = _shared(old, new)
    end = _shared(old[start:][::-1], new[start:][::-1])
    middle_old, middle_new = old[start : len(old) - end], new[start : len(new) - end]
    if not (budget or Budget()).allows(_steps(middle_old, middle_new)):
        return None
    stretches = [
        ("same", old[:start]),
        *_matched(middle_old, middle_new),
        ("same", old[len(old) - end :]),
    ]
    return tuple(Span(kind, "".join(words)) for kind, words in stretches if words)


def _shared(old: Sequence[str], new: Sequence[str]) -> int:
    pairs = zip(old, new, strict=False)
    return next(
        (place for place, (was, now) in enumerate(pairs) if was != now), min(len(old), len(new))
    )


def _steps(old: Sequence[str], new: Sequence[str]) -> int:
    theirs = Counter(new)
    return sum(count * theirs[word] for word, count in Counter(old).items())


def _matched(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for tag, old_start, old_end, new_start, new_end in matcher.get_opcodes():
        if tag == "equal":
            yield "same", old[old_start:old_end]
        else:
            yield "del", old[old_start:old_end]
            yield "ins", new[new_start:new_end]
