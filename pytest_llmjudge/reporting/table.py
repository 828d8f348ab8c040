"""Rows of cells as lines whose columns are aligned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wcwidth import wcswidth

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

__all__ = ["table"]


def table(rows: Sequence[Sequence[str]], left: Collection[int]) -> Iterator[str]:
    """Yield a line for each row; columns are aligned to the right but those in ``left``."""
    widths = [max(map(wcswidth, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            _padded(cell, width, is_left=column in left)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _padded(cell: str, width: int, *, is_left: bool) -> str:
    # A terminal gives some letters two columns and some marks none.
    gap = " " * (width - wcswidth(cell))
    return f"{cell}{gap}" if is_left else f"{gap}{cell}"
