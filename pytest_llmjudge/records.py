"""Records file to records: read, check, name."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import Record
from pytest_llmjudge.errors import RecordsError
from pytest_llmjudge.recordsfile import read_content
from pytest_llmjudge.validation import check

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

__all__ = ["draw_sample", "load_records", "record_id"]


def load_records(
    path: Path,
    *,
    response_field: str | None = None,
    against_field: str | None = None,
    gates: Collection[str] = (),
) -> tuple[Record, ...]:
    """Read a records file: a JSON list, or JSON Lines.

    Args:
        path: The file, UTF-8 with or without a byte order mark.
        response_field: A field that must hold a string in every record, named by ``responses=``.
        against_field: The same, named by ``against=``.
        gates: Names that no record may have as its id.

    Raises:
        RecordsError: With every cause for which records of the file are refused, the first 20 in
            full.
    """
    content = read_content(path)
    if not content.values:
        raise RecordsError(path.name, "it holds no record", "add records or name another file")
    named = {"responses": response_field, "against": against_field}
    needed = {keyword: field for keyword, field in named.items() if field is not None}
    check(path.name, content, needed, gates)
    return tuple(_named(content.values))


def draw_sample(records: Sequence[Record], size: int | None) -> tuple[Record, ...]:
    """Draw ``size`` records that stay the same when other records come or go, in file order."""
    if size is None or size >= len(records):
        return tuple(records)
    ranked = sorted(records, key=lambda record: _digest(f"sample {record.id}"))
    drawn = {record.id for record in ranked[:size]}
    return tuple(record for record in records if record.id in drawn)


def record_id(instruction: str, context: str, output: str) -> str:
    """Name a record after its content: a slug of the instruction and a hash of all three."""
    text = instruction
    if not text.isascii():
        # Each by itself: many marks in a row would be put in order, in quadratic time.
        parts = (unicodedata.normalize("NFKD", char) for char in text)
        text = "".join(parts).encode("ascii", "ignore").decode()
    slug = _NO_SLUG.sub("-", text.lower()).strip("-")[:40].strip("-")
    digest = _digest(_CANONICAL.encode([instruction, context, output]))[:8]
    return f"{slug}-{digest}" if slug else digest


_NO_SLUG = re.compile(r"[^a-z0-9]+")
_CANONICAL = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _named(values: Sequence[dict[str, Any]]) -> Iterator[Record]:
    taken = {value["id"] for value in values if value.get("id") is not None}
    counts: dict[str, int] = {}
    for value in values:
        texts = (value["instruction"], value.get("input") or "", value["output"])
        identifier = value.get("id")
        if identifier is None:
            base = record_id(*texts)
            while identifier is None or identifier in taken:
                counts[base] = counts.get(base, 0) + 1
                identifier = base if counts[base] == 1 else f"{base}-{counts[base]}"
        yield Record(identifier, *texts, fields=value)
