"""A judge's reply becomes a score from 0 to 100, or nothing: it is never guessed or clamped."""

from __future__ import annotations

import json
import re
from typing import Final

__all__ = ["SCORE_SCHEMA", "parse_integer", "parse_schema_reply"]

SCORE_SCHEMA: Final[dict[str, object]] = {
    "type": "object",
    "properties": {"score": {"type": "integer", "minimum": 0, "maximum": 100}},
    "required": ["score"],
}
"""JSON Schema of the reply when a judge is asked again; it is checked here all the same."""

# Runs of emphasis are bounded, so that a reply of a million asterisks costs no time.
_INTEGER: Final = re.compile(
    r"""
    (?P<open>[*_]{0,4})
    (?P<score>100|[1-9]?[0-9])
    (?P<inner>[*_]{0,4})
    (?:\s*/\s*100|\s+out\s+of\s+100)?
    (?P<dot>\.?)
    (?P<outer>[*_]{0,4})
    (?P<last>\.?)
    """,
    re.VERBOSE,
)


def parse_integer(reply: str) -> int | None:
    """Read a reply that is one integer from 0 to 100 and nothing else.

    Around it may stand whitespace, pairs of Markdown emphasis (``*``, ``_``), ``/100`` or
    ``out of 100`` behind it, and one final dot.

    Returns:
        The score, or ``None`` for every other reply. ASCII digits only, no sign, no leading
        zero, no fraction; a number out of range is no score.
    """
    found = _INTEGER.fullmatch(reply.strip())
    if found is None or (found["dot"] and found["last"]):
        return None
    if found["inner"] + found["outer"] != found["open"][::-1]:
        return None
    return int(found["score"])


def parse_schema_reply(text: str) -> int | None:
    """Read a JSON object with an integer ``score`` from 0 to 100.

    Returns:
        The score, or ``None`` when the text is anything else: cut off, ``85.0``, ``"85"``,
        ``true``, out of range, or with more than one ``score``.
    """
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return None
    if not isinstance(pairs, _Pairs):
        return None
    scores = [value for name, value in pairs if name == "score"]
    if len(scores) != 1:
        return None
    score = scores[0]
    return score if type(score) is int and 0 <= score <= 100 else None


class _Pairs(list[tuple[str, object]]):
    """A JSON object as it was written, so that a name given twice is seen."""
