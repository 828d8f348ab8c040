"""Parts of the scores of records, such as criteria or turns: what they average."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pytest_llmjudge.data import CategoryResult
from pytest_llmjudge.kinds.categories import contradictions_of, plain_average

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_llmjudge.data import RecordResult

__all__ = ["average_by_part", "nouns_of", "part_contradictions", "plain_parts"]

_TURN: Final = re.compile(r"turn \d+(?P<criterion>: .*)?", re.DOTALL)


def average_by_part(results: Sequence[RecordResult], total: int) -> tuple[CategoryResult, ...]:
    """Return what became of each part of the scores.

    Args:
        results: Of the records, as far as anything is known of them.
        total: How many records the suite has; one without a score may have any part.
    """
    scores = _by_part(result.parts for result in results)
    unscored = total - sum(result.score is not None for result in results)
    return tuple(
        CategoryResult(name, len(found) + unscored, tuple(found), None)
        for name, found in scores.items()
    )


def nouns_of(parts: Sequence[CategoryResult]) -> tuple[str, str]:
    """Return what one of these parts and several are called.

    Their names are those of criteria, such as ``polite``, of turns, such as ``turn 1``, or of both,
    such as ``turn 1: polite``.
    """
    turns = [_TURN.fullmatch(part.name) for part in parts]
    if not any(turns):
        return "criterion", "criteria"
    if all(turn is not None and turn["criterion"] is None for turn in turns):
        return "turn", "turns"
    return "part", "parts"


def plain_parts(parts: Sequence[CategoryResult]) -> dict[str, Any]:
    """Return the parts as a results file has them."""
    return {part.name: plain_average(part) for part in parts}


def part_contradictions(suite: Mapping[str, Any]) -> Iterator[str]:
    """Yield which figures of a results file's parts are not those of its records."""
    parts: Mapping[str, Any] = suite.get("parts", {})
    saved = (record.get("parts", ()) for record in suite["records"])
    scores = _by_part([(part["name"], part["score"]) for part in one] for one in saved)
    unscored = suite["total"] - suite["scored"]
    yield from contradictions_of(
        "part",
        parts,
        {name: scores.get(name, []) for name in parts},
        {name: len(scores.get(name, [])) + unscored for name in parts},
    )


def _by_part(scored: Iterable[Iterable[tuple[str, int]]]) -> dict[str, list[int]]:
    scores: dict[str, list[int]] = {}
    for parts in scored:
        for name, score in parts:
            scores.setdefault(name, []).append(score)
    return scores
