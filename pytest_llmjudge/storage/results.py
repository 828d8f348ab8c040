"""The files a run leaves: all results as JSON, and each suite's records with their responses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import StoreError
from pytest_llmjudge.paths import real_path
from pytest_llmjudge.storage.files import write_text
from pytest_llmjudge.storage.results_reader import first_problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = [
    "check_document",
    "is_responses_file",
    "responses_files",
    "write_responses",
    "write_results",
]

_WITH_RESPONSE = "-with-response.json"


def write_results(path: Path, document: Mapping[str, Any]) -> None:
    """Write all results of a run to ``path``, whole or not at all.

    Raises:
        StoreError: The file cannot be written.
    """
    check_document(str(path), document)
    _write_json(path, document)


def check_document(where: str, document: Mapping[str, Any]) -> None:
    """Prove that a results file may hold what it is to hold.

    Args:
        where: What is to be written.
        document: What it is to hold.

    Raises:
        StoreError: A judge or model of the user's own gave what no results file holds.
    """
    problem = first_problem(document)
    if problem is not None:
        hint = "correct what gave this; all verdicts are kept in the cache"
        raise StoreError(where, f"it was not written: {problem}", hint)


def write_responses(folder: Path, suites: Sequence[tuple[str, Sequence[object]]]) -> bool:
    """Write ``<stem>-with-response.json`` for each suite; suites of one stem are numbered.

    Args:
        folder: Where to.
        suites: The stem of each suite's records file, and its records.

    Returns:
        Whether there was any such suite.

    Raises:
        StoreError: A file cannot be written.
    """
    paths = responses_files(folder, [stem for stem, _ in suites])
    for (_, records), path in zip(suites, paths, strict=True):
        _write_json(path, records)
    return bool(paths)


def responses_files(folder: Path, stems: Sequence[str]) -> list[Path]:
    """Return where :func:`write_responses` writes suites whose records files have these stems."""
    paths: list[Path] = []
    for stem in stems:
        path = folder / f"{stem}{_WITH_RESPONSE}"
        number = 2
        while path in paths:
            path = folder / f"{stem}-{number}{_WITH_RESPONSE}"
            number += 1
        paths.append(path)
    return paths


def is_responses_file(folder: Path, path: Path) -> bool:
    """Whether :func:`write_responses` might write to ``path``."""
    return real_path(path.parent) == real_path(folder) and path.name.endswith(_WITH_RESPONSE)


def _write_json(path: Path, document: object) -> None:
    # ASCII escapes keep what other tools put into a record, half surrogates included.
    write_text(path, json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n")
