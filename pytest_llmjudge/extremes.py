"""The most that a comparison can show: the smallest p there is, and how many records that takes."""

from __future__ import annotations

from functools import cache
from itertools import count

from pytest_llmjudge.stats import SIGNIFICANCE, mcnemar_test, sign_flip_test

__all__ = ["fewest_falls", "least_p"]


def least_p(kind: str, falls: int) -> float:
    """Return the p of the test of a comparison where ``falls`` records fall and none rises.

    No outcome of a suite with so many records that can fall has a smaller one.

    Args:
        kind: Of the comparison, ``judge`` or ``mmlu``.
        falls: How many records fall.
    """
    return mcnemar_test(falls, 0) if kind == "mmlu" else sign_flip_test([-1.0] * falls)


@cache
def fewest_falls(kind: str) -> int:
    """Return how many records have to fall before a drop can be shown at all."""
    return next(number for number in count(1) if least_p(kind, number) < SIGNIFICANCE)
