"""A records file and what decides over it, joined into a suite."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import RecordsError, SettingsError
from pytest_llmjudge.paths import POINTER, PULL, instead_of_file, is_pointer
from pytest_llmjudge.prompts import is_blank
from pytest_llmjudge.reading import DATA_LIMIT, SETTINGS_LIMIT, read_file, why_unreadable
from pytest_llmjudge.records import draw_sample, load_records
from pytest_llmjudge.settings import (
    BUILT_IN_PROMPTS,
    Settings,
    SuiteSettings,
    checkpoint_of,
    resolve_pairs,
    resolve_suite,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmjudge.data import Record

__all__ = ["Pairing", "Suite", "file_digest", "load_pairs", "load_suite"]


@dataclass(frozen=True, slots=True, eq=False)
class Suite:
    """The records of one file, judged by one test function.

    Attributes:
        name: Node id of the test function.
        path: The records file.
        digest: SHA-256 of the records file, in hex.
        records: Those to judge, in file order.
        settings: Gates and the rest.
        pairing: What a suite of pairs has besides; ``None`` for one of scored responses.
        template: Name of a built-in prompt, or the text of a template.
    """

    name: str
    path: Path
    digest: str
    records: tuple[Record, ...]
    settings: SuiteSettings
    template: str
    pairing: Pairing | None = None


@dataclass(frozen=True, slots=True)
class Pairing:
    """What the responses of a suite of pairs are compared with, and what decides.

    Attributes:
        kind: ``checkpoint``, ``field`` or ``results``.
        against: The checkpoint, the name of the records' field, or the path of the results file.
        min_win_rate: Least win rate, 0 to 1.
        votes: File of the votes that decide in the place of the judge.
    """

    kind: str
    against: Path | str
    min_win_rate: float
    votes: Path | None


def load_suite(
    name: str, file: str, keywords: Mapping[str, object], base: Path, settings: Settings
) -> Suite:
    """Read a suite's records and settle its settings.

    Args:
        name: Node id of the test function, also used in messages.
        file: Records file, relative to ``base``.
        keywords: What the marker says besides the file.
        base: Folder of the test file.
        settings: The run's options.

    Raises:
        SettingsError: The marker cannot be used.
        RecordsError: The records file cannot be used.
    """
    return _load(name, file, base, resolve_suite(name, keywords, base, settings), None)


def load_pairs(
    name: str, file: str, keywords: Mapping[str, object], base: Path, settings: Settings
) -> Suite:
    """Read the records of a suite of pairs and settle what is compared; see :func:`load_suite`.

    What is compared with is a served model where its name says so, else the file or folder of that
    name, a results file where it ends with ``.json``, else the records' field of that name.
    """
    chosen, pairs = resolve_pairs(name, keywords, base, settings)
    model = checkpoint_of(pairs.against, base)
    kind, against = "checkpoint", model
    if isinstance(model, Path) and not os.path.lexists(model):
        kind, against = "field", pairs.against
    elif isinstance(model, Path) and model.suffix.lower() == ".json":
        kind = "results"
    pairing = Pairing(kind, against, pairs.min_win_rate, pairs.votes)
    return _load(name, file, base, chosen, pairing)


def _load(
    name: str, file: str, base: Path, chosen: SuiteSettings, pairing: Pairing | None
) -> Suite:
    path = base / file
    instead = instead_of_file(path)
    if instead is not None:
        raise RecordsError(name, f'records file "{file}" is {instead}', f"expected it at {path}")
    records = load_records(path, response_field=chosen.responses)
    if pairing is not None and pairing.kind == "field":
        field = str(pairing.against)
        if not any(field in record.fields for record in records):
            instead = instead_of_file(base / field)
            found = f'against "{field}" is no field of the records, and as a path it is {instead}'
            todo = "give a checkpoint, a results file, or the name of a field"
            raise SettingsError(name, found, todo)
        records = load_records(path, response_field=chosen.responses, against_field=field)
        _check_field(name, field, chosen.responses, records)
    return Suite(
        name=name,
        path=path,
        digest=file_digest(path),
        records=draw_sample(records, chosen.sample),
        settings=chosen,
        template=_template(name, chosen.prompt),
        pairing=pairing,
    )


def _check_field(name: str, field: str, responses: str | None, records: Sequence[Record]) -> None:
    """Refuse what nobody can lose against."""
    if field == responses:
        found, todo = f'against "{field}" holds the responses under test', "name another field"
        raise SettingsError(name, found, todo)
    blank = sum(is_blank(str(record.fields[field])) for record in records)
    if 2 * blank >= len(records):
        found = f'against "{field}" is blank in {blank} of {len(records)} records'
        raise SettingsError(name, found, "name a field that holds a model's responses")


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex; empty when it cannot be read."""
    try:
        return hashlib.sha256(read_file(path, DATA_LIMIT)).hexdigest()
    except OSError:
        return ""


def _template(name: str, prompt: str) -> str:
    if prompt in BUILT_IN_PROMPTS:
        return prompt
    where = f"{name}: prompt {Path(prompt).name}"
    try:
        content = read_file(Path(prompt), SETTINGS_LIMIT)
        text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8").read()
    except OSError as error:
        raise SettingsError(where, why_unreadable(error), "correct the file") from None
    except UnicodeDecodeError:
        found = "it cannot be read (it is not UTF-8)"
        raise SettingsError(where, found, "correct the file") from None
    if is_pointer(content):
        raise SettingsError(where, POINTER, PULL)
    if "{instruction}" not in text:
        found = "it has no {instruction}"
        raise SettingsError(where, found, "write {instruction} and {input} where they belong")
    return text
