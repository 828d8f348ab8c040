"""The most that a comparison can show: the smallest p there is, and how many records that takes."""

from __future__ import annotations

from functools import cache
from itertools import count

from pytest_llmjudge.stats import SIGNIFICANCE, mcnemar_test, sign_flip_test

__all__ = ["fewest_falls", "least_p"]


def least_p(falls: int, *, is_binary: bool) -> float:
    """Return the p of the test of a comparison where ``falls`` records get worse, none better.

    No outcome of a suite with so many records that can get worse has a smaller one.

    Args:
        falls: How many records get worse.
        is_binary: Whether a record scores all or nothing.
    """
    return mcnemar_test(falls, 0) if is_binary else sign_flip_test([-1.0] * falls)


@cache
def fewest_falls(*, is_binary: bool) -> int:
    """Return how many records have to get worse before that can be shown at all."""
    return next(n for n in count(1) if least_p(n, is_binary=is_binary) < SIGNIFICANCE)
