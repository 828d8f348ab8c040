"""Parts of the scores of records, such as criteria or turns: what they average."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pytest_llmjudge.kinds.categories import averaged, contradictions_of, plain_average

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_llmjudge.data import CategoryResult, RecordResult

__all__ = ["average_by_part", "nouns_of", "part_contradictions", "plain_parts"]

_TURN: Final = re.compile(r"turn \d+(?P<criterion>: .*)?", re.DOTALL)


def average_by_part(results: Sequence[RecordResult], total: int) -> tuple[CategoryResult, ...]:
    """Return what became of each part of the scores.

    Args:
        results: Of the records, as far as anything is known of them.
        total: How many records the suite has; one without a score may have any part.
    """
    scores = _by_part((result.parts, result.record.group) for result in results)
    unscored = total - sum(result.score is not None for result in results)
    return tuple(
        averaged(name, len(found) + unscored, found, None) for name, found in scores.items()
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
    found = _by_part(([(part["name"], part["score"]) for part in one], None) for one in saved)
    scores = {name: [score for score, _ in scored] for name, scored in found.items()}
    unscored = suite["total"] - suite["scored"]
    yield from contradictions_of(
        "part",
        parts,
        {name: scores.get(name, []) for name in parts},
        {name: len(scores.get(name, [])) + unscored for name in parts},
    )


def _by_part(
    records: Iterable[tuple[Iterable[tuple[str, int]], str | None]],
) -> dict[str, list[tuple[int, str | None]]]:
    """Return the scores of each part, each with the group of its record.

    Args:
        records: The parts of each, and its group.
    """
    scores: dict[str, list[tuple[int, str | None]]] = {}
    for parts, group in records:
        for name, score in parts:
            scores.setdefault(name, []).append((score, group))
    return scores
