"""A run's results as plain data, of which each kind writes its part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.keys import make_key
from pytest_llmjudge.kinds import kind_named
from pytest_llmjudge.kinds.plain import plain_judge
from pytest_llmjudge.storage.results_reader import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmjudge.data import RunResult

__all__ = ["records_with_responses", "results_document", "shard_digest"]


def results_document(
    run: RunResult, version: str, shard: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return what a results file holds.

    Args:
        run: The results.
        version: Of this package.
        shard: Which part of a run it is, and what a merge has to know; ``None`` for the whole.
    """
    results = [(kind_named(result.kind), result) for result in run.results]
    judges = (kind.judge(result) for kind, result in results)
    judge = next((plain_judge(one) for one in judges if one is not None), None)
    document: dict[str, Any] = {
        "schema": SCHEMA_VERSION,
        "created": run.created,
        "pytest_llmjudge": version,
        "judge": judge,
        "notes": list(run.notes),
        "suites": [kind.document(result, judge) for kind, result in results],
    }
    if shard is not None:
        document["shard"] = shard
        document["shard"] = {**shard, "digest": shard_digest(document)}
    return document


def shard_digest(document: Mapping[str, Any]) -> str:
    """Return the digest of all that a shard's results file holds beside the digest itself.

    Whoever merges shards decides by what they say of suites, which no schema holds to its kind.
    """
    shard = {key: value for key, value in document["shard"].items() if key != "digest"}
    return make_key({**document, "shard": shard})


def records_with_responses(run: RunResult) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return for each suite of records the stem of its file, and its records with responses."""
    suites = ((kind_named(result.kind).with_responses(result), result) for result in run.results)
    return [(Path(result.path).stem, records) for records, result in suites if records is not None]
