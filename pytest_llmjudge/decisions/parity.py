"""How far two releases give the same texts, whatever their scores."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_llmjudge.data import Side

__all__ = ["Parity", "compare_texts"]


@dataclass(frozen=True, slots=True)
class Parity:
    """What two releases answered to the same records.

    Attributes:
        paired: Records that have a response on both sides.
        identical: How many of them have the same on both, to the character.
        common_beginning: Median length, in characters, of what two responses that differ begin
            with together; ``None`` where none differ, and for answers that are one letter.
    """

    paired: int
    identical: int
    common_beginning: float | None


def compare_texts(before: Side, after: Side) -> Parity | None:
    """Compare the responses of two sides, those without a score too.

    Records pair up as in a comparison of scores: by id and content.

    Returns:
        ``None`` where no record has a response on both sides.
    """
    old = {(entry.id, entry.content): entry.response for entry in before.entries}
    pairs = [
        (was, entry.response)
        for entry in after.entries
        if (was := old.get((entry.id, entry.content))) is not None and entry.response is not None
    ]
    if not pairs:
        return None
    common = [_common_length(was, now) for was, now in pairs if was != now]
    has_texts = not after.measure.is_binary
    return Parity(
        paired=len(pairs),
        identical=len(pairs) - len(common),
        common_beginning=median(common) if common and has_texts else None,
    )


def _common_length(first: str, second: str) -> int:
    shorter = min(len(first), len(second))
    return next((at for at in range(shorter) if first[at] != second[at]), shorter)
