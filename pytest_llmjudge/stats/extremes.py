"""The most that a comparison can show: the smallest p there is, and how many records that takes."""

from __future__ import annotations

from itertools import count

from pytest_llmjudge.data.comparison import SIGNIFICANCE
from pytest_llmjudge.stats.basics import LEAST_RESAMPLED, MOST_ENUMERATED

__all__ = ["fewest_falls", "least_p"]


def least_p(falls: int, pairs: int, *, is_binary: bool) -> float:
    """Return the p of the test of a comparison where ``falls`` records get worse, none better.

    No outcome of a suite with so many records that can get worse has a smaller one. Chance makes
    all of n fall in one of 2^n cases; a test that resamples has a least p of its own.

    Args:
        falls: How many records get worse.
        pairs: How many there are with those that stay as they are.
        is_binary: Whether a record scores all or nothing.
    """
    exact = 0.5**falls
    return exact if is_binary or pairs <= MOST_ENUMERATED else max(exact, LEAST_RESAMPLED)


def fewest_falls(alpha: float = SIGNIFICANCE) -> int:
    """Return how many records have to get worse before that can be shown at ``alpha``."""
    return next(falls for falls in count(1) if 0.5**falls < alpha)
