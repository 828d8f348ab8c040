"""What has no result, by name and cause, as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import PairResult, RecordResult

__all__ = ["more_lines", "named_lines", "unscored_lines"]

_INDENT = " " * 7
_LONGEST = 10


def unscored_lines(
    name: str, results: Sequence[RecordResult | PairResult], columns: int, most: int | None
) -> Iterator[str]:
    """Yield the records or pairs of a suite without a score: those at fault, then the rig's.

    Args:
        name: Of the suite.
        results: All of it.
        columns: Of the terminal; a cause takes ten lines of it at most.
        most: How many are named for each cause; ``None`` for all.
    """
    for cause, title in (("record", "unscored in"), ("rig", "broken rig in")):
        missing = [result for result in results if result.cause == cause]
        if missing:
            yield f"{title} {name}: {len(missing)}"
        named = [(one.record.id, one_line(str(one.error), _LONGEST * columns)) for one in missing]
        yield from named_lines(named, most)


def named_lines(named: Sequence[tuple[str, str]], most: int | None) -> Iterator[str]:
    """Yield names with what is told of them, and how many more there are."""
    yield from (f"{_INDENT}{name}  {told}" for name, told in named[:most])
    yield from more_lines(len(named), most)


def more_lines(number: int, most: int | None) -> Iterator[str]:
    """Yield how many of ``number`` were not shown; nothing when all were."""
    if most is not None and number > most:
        yield f"{_INDENT}and {number - most} more"
