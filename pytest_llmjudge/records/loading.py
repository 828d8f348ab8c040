"""Records file to records: read, check, name."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import Record
from pytest_llmjudge.errors import RecordsError
from pytest_llmjudge.normal_forms import normal_form
from pytest_llmjudge.records.conversations import CRITERIA
from pytest_llmjudge.records.files import Source, find_source, read_contents
from pytest_llmjudge.records.formats import ALPACA
from pytest_llmjudge.records.validation import check

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_llmjudge.data import Criterion
    from pytest_llmjudge.records.conversations import Parts
    from pytest_llmjudge.records.validation import Checked

__all__ = ["content_id", "draw_sample", "load_records", "record_id", "unique_ids"]


def load_records(
    source: Path | Source,
    *,
    response_field: str | None = None,
    against_field: str | None = None,
    gates: Collection[str] = (),
    fields: Mapping[str, str] | None = None,
    split: str | None = None,
    criteria: Sequence[Criterion] = (),
) -> tuple[Record, ...]:
    """Read a records file of any format and type.

    Args:
        source: The file, or a folder of a data set, perhaps with its files found already.
        response_field: A field that must hold a string in every record, named by ``responses=``;
            in one of several turns a list of as many strings.
        against_field: The same, named by ``against=``.
        gates: Names that no record may have as its id.
        fields: Which field each part of a record is; none where the content decides.
        split: Which part of the file or folder to read, where it has several; a source has its own.
        criteria: What responses to records without criteria of their own are judged by.

    Raises:
        RecordsError: With every cause for which records of the file are refused, the first 20 in
            full.
    """
    content = read_contents(source if isinstance(source, Source) else find_source(source, split))
    if not content.values:
        raise RecordsError(content.name, "it holds no record", "add records or name another file")
    named = {"responses": response_field, "against": against_field}
    needed = {keyword: field for keyword, field in named.items() if field is not None}
    chosen, checked = check(content, needed, gates, fields, criteria=criteria)
    own = fields or {}
    by_texts = chosen is ALPACA and all(own.get(text, text) == text for text in _TEXTS)
    return tuple(_named(checked, None if by_texts else _ADDED.union(needed.values())))


def draw_sample(records: Sequence[Record], size: int | None) -> tuple[Record, ...]:
    """Draw ``size`` records that stay the same when other records come or go, in file order."""
    if size is None or size >= len(records):
        return tuple(records)
    ranked = sorted(records, key=lambda record: _digest(f"sample {record.id}"))
    drawn = {record.id for record in ranked[:size]}
    return tuple(record for record in records if record.id in drawn)


def record_id(instruction: str, context: str, output: str) -> str:
    """Name a record after its content: a slug of the instruction and a hash of all three."""
    return content_id(instruction, [instruction, context, output])


def _last_question(parts: Parts) -> str:
    return parts.follow_ups[-1].instruction if parts.follow_ups else parts.instruction


def _whole_id(instruction: str, value: Mapping[str, Any], added: Collection[str]) -> str:
    """Name a record after all of it but what runs and people add to it."""
    value = {field: part for field, part in value.items() if field not in added}
    return content_id(instruction, value)


def content_id(instruction: str, content: object) -> str:
    """Name a record after a slug of its instruction and a hash of what tells it from others."""
    text = instruction
    if not text.isascii():
        text = normal_form("NFKD", text).encode("ascii", "ignore").decode()
    slug = _NO_SLUG.sub("-", text.lower()).strip("-")[:40].strip("-")
    digest = _digest(_CANONICAL.encode(content))[:8]
    return f"{slug}-{digest}" if slug else digest


_NO_SLUG = re.compile(r"[^a-z0-9]+")
_CANONICAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
_TEXTS = ("instruction", "input", "output")
_ADDED = frozenset(("model_response", "score", "winner", "human_score", "group"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def unique_ids(ids: Sequence[str | None], bases: Iterable[str]) -> Iterator[str]:
    """Yield the ids of records: their own, or a base, numbered from its second record on.

    Args:
        ids: That the records have of their own, unique where they are not ``None``.
        bases: After which those without are named, in their order.
    """
    taken = {own for own in ids if own is not None}
    counts: dict[str, int] = {}
    rest = iter(bases)
    for own in ids:
        name = own
        if name is None:
            base = next(rest)
            while name is None or name in taken:
                counts[base] = counts.get(base, 0) + 1
                name = base if counts[base] == 1 else f"{base}-{counts[base]}"
        yield name


def _named(checked: Sequence[Checked], added: Collection[str] | None) -> Iterator[Record]:
    """Name the records after all but the fields ``added``; ``None`` for after their texts."""
    names = unique_ids(
        [one.id for one in checked],
        (_base(parts, value, added) for own, parts, value in checked if own is None),
    )
    for name, (_, parts, value) in zip(names, checked, strict=True):
        instruction, context, output, system, turns, is_raw, criteria, follow_ups = parts
        texts = instruction, context, output
        yield Record(name, *texts, value, system, turns, is_raw, criteria, follow_ups)


def _base(parts: Parts, value: Mapping[str, Any], added: Collection[str] | None) -> str:
    if added is None and (parts.output or not value.get(CRITERIA)):
        return record_id(parts.instruction, parts.input, parts.output)
    return _whole_id(_last_question(parts), value, added or _ADDED)
