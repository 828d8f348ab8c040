"""A run's results as plain data, of which each kind writes its part."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import Rule, RunResult
from pytest_llmjudge.errors import BaselineError
from pytest_llmjudge.keys import make_key
from pytest_llmjudge.kinds import all_kinds, kind_named
from pytest_llmjudge.kinds.plain import plain_judge
from pytest_llmjudge.storage.results_reader import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmjudge.storage.results_reader import SavedRun

__all__ = [
    "records_with_responses",
    "results_document",
    "saved_result",
    "shard_digest",
    "with_status",
]


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
        "status": run.status,
    }
    if run.rules:
        document["rules"] = {name: asdict(rule) for name, rule in run.rules.items()}
    document["suites"] = [kind.document(result, judge) for kind, result in results]
    if shard is not None:
        document["shard"] = {**shard, "digest": shard_digest({**document, "shard": shard})}
    return document


def with_status(path: Path, status: int) -> dict[str, Any]:
    """Return what a results file holds, with another exit status of its run.

    Args:
        path: The file, as this process has written it.
        status: With which the run ends.
    """
    document: dict[str, Any] = {**json.loads(path.read_text("utf-8")), "status": status}
    if "shard" in document:
        document["shard"]["status"] = status
        document["shard"]["digest"] = shard_digest(document)
    return document


def saved_result(saved: SavedRun) -> RunResult:
    """Return the results that a file holds, as the run had them that wrote it.

    Files of versions that did not write the exit status count as those of runs that ended as their
    suites did, held to their baselines by the default rule.

    Args:
        saved: The file.

    Raises:
        BaselineError: It has suites of a kind that this version does not know.
    """
    document = saved.document
    kinds = {kind.name: kind for kind in all_kinds()}
    results: list[Any] = []
    for suite in document["suites"]:
        kind = kinds.get(suite["kind"])
        if kind is None:
            problem = f'{suite["name"]} is a suite of the kind "{suite["kind"]}"'
            hint = "update pytest-llmjudge, which does not know it yet"
            raise BaselineError(str(saved.path), problem, hint)
        results.append(kind.from_document(suite, document["judge"]))
    known = {field.name for field in fields(Rule)}
    rules = {
        name: Rule(**{key: rule[key] for key in known & rule.keys()})
        for name, rule in document.get("rules", {}).items()
    }
    status = document.get("status", 0)
    return RunResult(
        document["created"], tuple(results), tuple(document.get("notes", ())), rules, status
    )


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
