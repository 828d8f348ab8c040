"""A records file and what decides over it, joined into a suite."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import RecordsError, SettingsError
from pytest_llmjudge.records import draw_sample, load_records
from pytest_llmjudge.settings import BUILT_IN_PROMPTS, Settings, SuiteSettings, resolve_suite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmjudge.data import Record

__all__ = ["Suite", "file_digest", "load_suite"]


@dataclass(frozen=True, slots=True, eq=False)
class Suite:
    """The records of one file, judged by one test function.

    Attributes:
        name: Node id of the test function.
        path: The records file.
        digest: SHA-256 of the records file, in hex.
        records: Those to judge, in file order.
        settings: Gates and the rest.
        template: Name of a built-in prompt, or the text of a template.
    """

    name: str
    path: Path
    digest: str
    records: tuple[Record, ...]
    settings: SuiteSettings
    template: str


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
    chosen = resolve_suite(name, keywords, base, settings)
    path = base / file
    # os.path answers no, where pathlib raises: names too long, folders that are closed.
    if not os.path.isfile(path):  # noqa: PTH113
        kind = "a folder" if os.path.isdir(path) else "not there"  # noqa: PTH112
        raise RecordsError(name, f'records file "{file}" is {kind}', f"expected it at {path}")
    records = load_records(path, response_field=chosen.responses)
    return Suite(
        name=name,
        path=path,
        digest=file_digest(path),
        records=draw_sample(records, chosen.sample),
        settings=chosen,
        template=_template(name, chosen.prompt),
    )


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex; empty when it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _template(name: str, prompt: str) -> str:
    if prompt in BUILT_IN_PROMPTS:
        return prompt
    where = f"{name}: prompt {Path(prompt).name}"
    try:
        text = Path(prompt).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise SettingsError(where, f"it cannot be read ({reason})", "correct the file") from None
    if "{instruction}" not in text:
        found = "it has no {instruction}"
        raise SettingsError(where, found, "write {instruction} and {input} where they belong")
    return text
