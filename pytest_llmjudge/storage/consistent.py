"""Whether a results file agrees with itself: its figures are those of its own records."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import one_line
from pytest_llmjudge.stats.groups import count_groups, group_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["SHOWN_NAME", "counted", "differs", "inconsistency", "repeated"]

SHOWN_NAME = 200
"""Characters of a name or an id, behind which stands more."""

_ROUNDED = 0.5e-4 + 1e-9
"""How far a figure that was written with four decimals may be from the whole one."""


def inconsistency(
    document: Mapping[str, Any], checks: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]]
) -> str | None:
    """Say in what a results file that follows its schema contradicts itself; ``None`` if nowhere.

    A file that was written in one piece does not; one that was edited or joined may.

    Args:
        document: All that the file holds.
        checks: Yields what is wrong with a suite, by its kind; suites of other kinds are left
            alone.
    """
    names = [suite["name"] for suite in document["suites"]]
    twice = _twice(names)
    if twice is not None:
        return f"it has two suites named {one_line(twice, SHOWN_NAME)}"
    for suite in document["suites"]:
        check = checks.get(suite["kind"])
        problem = None if check is None else next(check(suite), None)
        if problem is not None:
            return f"{one_line(suite['name'], SHOWN_NAME)}: {problem}"
    return None


def counted(suite: Mapping[str, Any], listed: int, scored: int) -> Iterator[str]:
    """Yield which counts of a suite are not those of its records.

    Args:
        suite: Its part of the file.
        listed: How many records it lists.
        scored: How many of those have a score.
    """
    # A file may leave out records that were not run.
    yield from differs(suite, "total", max(listed, suite["total"]))
    yield from differs(suite, "scored", scored)
    yield from differs(suite, "unscored", suite["total"] - scored)
    if listed == suite["total"]:
        groups = group_numbers(record.get("group") for record in suite["records"])
        number = None if groups is None else count_groups(groups)
        yield from differs({"groups": suite.get("groups")}, "groups", number)


def differs(
    figures: Mapping[str, Any], name: str, actual: float | None, *, within: float = 0.0
) -> Iterator[str]:
    """Say so when a figure is not the one that its records have.

    Args:
        figures: Has it by name.
        name: Of the figure.
        actual: As the records have it.
        within: By how much the two may differ, beside what rounding to four decimals takes.
    """
    given = figures[name]
    if given is None and actual is None:
        return
    if given is None or actual is None or abs(given - actual) > _ROUNDED + within:
        shown = "none" if actual is None else f"{actual:.4f}".rstrip("0").rstrip(".")
        yield f'its "{name}" is {"null" if given is None else given}, and by its records {shown}'


def repeated(noun: str, ids: Sequence[str]) -> Iterator[str]:
    """Say so when two things have one id."""
    twice = _twice(ids)
    if twice is not None:
        yield f"two of its {noun} have the id {one_line(twice, SHOWN_NAME)}"


def _twice(names: Sequence[str]) -> str | None:
    return next((name for name, number in Counter(names).items() if number > 1), None)
