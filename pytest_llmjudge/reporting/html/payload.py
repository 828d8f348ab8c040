"""Rows as the page carries them: a light index to sort and filter by, and packed texts."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.reporting.html.text_diff import Budget, differences

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_llmjudge.data.page import Row

__all__ = ["FLAGS", "Payload", "payload_of"]

FLAGS = {"failed": 1, "lost": 16, "unscored": 2, "got worse": 32, "flipped": 4, "unsure": 8}
"""By what rows can be filtered, as bits."""

# From good to bad, as the table sorts them; other labels follow as they come.
_LABELS = (
    *("passed", "scored", "won", "right", "tied", "lost", "wrong"),
    *("failed", "error", "not run"),
)
_KINDS = ("same", "del", "ins")
_ROWS_OF_CHUNK = 250
_CHARACTERS_OF_CHUNK = 500_000
_SHOWN_START = 96
_SHOWN_INPUT = 64
# Level 6 makes a page 4 % smaller and takes a fifth longer.
_LEVEL = 4


@dataclass(frozen=True, slots=True)
class Payload:
    """What the page's script reads.

    Attributes:
        index: JSON that may stand in HTML: of each row what sorting and filtering need.
        chunks: The rows' texts: JSON, packed with gzip, as base64.
        counts: How many rows each filter of :data:`FLAGS` shows.
        total: How many rows there are.
    """

    index: str
    chunks: tuple[str, ...]
    counts: dict[str, int]
    total: int


def payload_of(rows: Iterable[Row]) -> Payload:
    """Pack rows, in their order."""
    suites: dict[str, int] = {}
    compares: list[bool] = []
    labels = {label: place for place, label in enumerate(_LABELS)}
    columns: dict[str, list[Any]] = {
        name: []
        for name in ("suite", "id", "start", "input", "outcome", "score", "before", "flags")
    }
    starts, chunks = [], []
    budget = Budget()
    for start, chunk in _chunked(rows):
        starts.append(start)
        chunks.append(_packed([_texts(row, budget) for row in chunk]))
        for row in chunk:
            if row.suite not in suites:
                suites[row.suite] = len(suites)
                compares.append(row.compares)
            columns["suite"].append(suites[row.suite])
            columns["id"].append(row.record.id)
            columns["start"].append(row.record.instruction[:_SHOWN_START])
            columns["input"].append(row.record.input[:_SHOWN_INPUT])
            columns["outcome"].append(labels.setdefault(row.label, len(labels)))
            columns["score"].append(_short(row.score))
            columns["before"].append(_short(row.before))
            columns["flags"].append(_flags(row))
    flags = columns["flags"]
    index = {
        "suites": list(suites),
        "pairs": compares,
        "outcomes": list(labels),
        "filters": FLAGS,
        "starts": starts,
        **columns,
    }
    counts = {name: sum(bool(value & bit) for value in flags) for name, bit in FLAGS.items()}
    return Payload(_json(index), tuple(chunks), counts, len(flags))


def _chunked(rows: Iterable[Row]) -> Iterator[tuple[int, Sequence[Row]]]:
    """Yield the rows in parts that a browser unpacks at once, each with the number of its first."""
    start = size = 0
    chunk: list[Row] = []
    for row in rows:
        chunk.append(row)
        size += _size(row)
        if len(chunk) == _ROWS_OF_CHUNK or size > _CHARACTERS_OF_CHUNK:
            yield start, chunk
            start, size, chunk = start + len(chunk), 0, []
    if chunk:
        yield start, chunk


def _size(row: Row) -> int:
    """Return how long the texts of a row are that may be long."""
    record = row.record
    texts = [row.response or "", row.other or "", record.input, row.thoughts, *row.replies]
    texts += [turn.text for turn in record.turns]
    texts += [*row.answers, *(one.instruction + one.output for one in record.follow_ups)]
    texts += [one.text for one in record.criteria]
    return sum(map(len, texts))


def _texts(row: Row, budget: Budget) -> dict[str, Any]:
    record = row.record
    fields: dict[str, Any] = {
        "system": record.system,
        "turns": tuple((turn.role, turn.text) for turn in record.turns),
        "instruction": record.instruction,
        "input": record.input,
        "output": record.output,
        "followUps": tuple((one.instruction, one.output) for one in record.follow_ups),
        "criteria": tuple((one.name, one.text) for one in record.criteria),
        "response": row.response,
        "other": row.other,
        "replies": row.replies,
        "error": row.error,
        "samples": row.samples,
        "orders": row.orders,
        "human": None if row.human_score is None else round(row.human_score, 1),
        "thoughts": row.thoughts,
        "answers": row.answers,
        "parts": row.parts,
        "explanation": row.explanation,
    }
    if row.response is not None and row.other is not None:
        fields["marks"] = _marks(row.other, row.response, budget)
    return {name: value for name, value in fields.items() if value not in (None, "", ())}


def _marks(before: str, after: str, budget: Budget) -> list[int] | str:
    """Return kinds and lengths of stretches by turns; a word where there are none."""
    if before == after:
        return "same"
    spans = differences(before, after, budget)
    if spans is None:
        return "too long"
    return [
        number for span in spans for number in (_KINDS.index(span.kind), _script_length(span.text))
    ]


def _script_length(text: str) -> int:
    """Return how long JavaScript holds a text to be: it counts in UTF-16."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _flags(row: Row) -> int:
    flags = {
        "failed": row.is_failed,
        "lost": row.is_lost,
        "unscored": row.score is None,
        "got worse": row.is_worse,
        "flipped": row.is_flipped,
        "unsure": row.is_unsure,
    }
    return sum(bit for name, bit in FLAGS.items() if flags[name])


def _short(value: float | None) -> float | int | None:
    return int(value) if value is not None and value == int(value) else value


def _packed(texts: list[dict[str, Any]]) -> str:
    # Without the time, so that the same run makes the same file.
    packed = gzip.compress(json.dumps(texts, separators=(",", ":")).encode(), _LEVEL, mtime=0)
    return base64.b64encode(packed).decode()


def _json(value: object) -> str:
    """Write JSON in which nothing ends a script element or begins a comment."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
