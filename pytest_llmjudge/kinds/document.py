"""A run's results as plain data, of which each kind writes its part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.kinds import kind_named
from pytest_llmjudge.kinds.plain import plain_judge
from pytest_llmjudge.storage.results_reader import SCHEMA_VERSION

if TYPE_CHECKING:
    from pytest_llmjudge.data import RunResult

__all__ = ["records_with_responses", "results_document"]


def results_document(run: RunResult, version: str) -> dict[str, Any]:
    """Return what a results file holds.

    Args:
        run: The results.
        version: Of this package.
    """
    results = [(kind_named(result.kind), result) for result in run.results]
    judges = (kind.judge(result) for kind, result in results)
    judge = next((plain_judge(one) for one in judges if one is not None), None)
    return {
        "schema": SCHEMA_VERSION,
        "created": run.created,
        "pytest_llmjudge": version,
        "judge": judge,
        "notes": list(run.notes),
        "suites": [kind.document(result, judge) for kind, result in results],
    }


def records_with_responses(run: RunResult) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return for each suite of records the stem of its file, and its records with responses."""
    suites = ((kind_named(result.kind).with_responses(result), result) for result in run.results)
    return [(Path(result.path).stem, records) for records, result in suites if records is not None]
