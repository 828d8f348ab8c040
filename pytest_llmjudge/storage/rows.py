"""What a row of the store has to hold to count as a response, a verdict or an explanation."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_llmjudge.data import Explanation, Verdict

__all__ = ["StoredResponse", "read_explanation", "read_response", "read_verdict"]

# p(yes) + p(no) is a sum of rounded numbers.
_MOST_COVERED = 1.001


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response as the store keeps it.

    Attributes:
        text: ``None`` for none.
        error: Why there is no text.
        thoughts: What the model thought before it answered; empty for nothing.
    """

    text: str | None
    error: str | None
    thoughts: str = ""


def read_response(text: object, error: object, thoughts: object) -> StoredResponse:
    """Return the response that a row holds.

    Raises:
        ValueError: It holds none.
    """
    if isinstance(thoughts, str):
        if isinstance(text, str) and error is None:
            return StoredResponse(text, None, thoughts)
        if text is None and isinstance(error, str) and error:
            return StoredResponse(None, error, thoughts)
    raise ValueError


def read_verdict(  # noqa: PLR0917  # the columns of a row
    score: object,
    reply: object,
    error: object,
    covered: object,
    too_long: object,
    seconds: object,
    tokens: object,
) -> Verdict:
    """Return the verdict that a row holds.

    Raises:
        ValueError: It holds none.
    """
    if score is not None and not (type(score) is int and 0 <= score <= 100):
        raise ValueError
    if not isinstance(reply, str) or not (error is None or isinstance(error, str)):
        raise ValueError
    if score is None and not error:
        raise ValueError
    if covered is not None and not (isinstance(covered, float) and 0 <= covered <= _MOST_COVERED):
        raise ValueError
    if too_long not in (0, 1):
        raise ValueError
    if seconds is not None and not (isinstance(seconds, float) and 0 <= seconds < math.inf):
        raise ValueError
    if tokens is not None and not (type(tokens) is int and tokens >= 0):
        raise ValueError
    return Verdict(
        score,
        reply,
        error,
        covered=covered,
        too_long=bool(too_long),
        seconds=seconds,
        tokens=tokens,
    )


def read_explanation(text: object, error: object) -> Explanation:
    """Return the explanation that a row holds.

    Raises:
        ValueError: It holds none.
    """
    if isinstance(text, str) and (error is None if text else isinstance(error, str) and error):
        return Explanation(text, None if error is None else str(error))
    raise ValueError
