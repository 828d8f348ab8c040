"""Results files of several runs, written as runs write them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_llmjudge.data import CheckpointReference, RunResult
from pytest_llmjudge.kinds.document import results_document
from pytest_llmjudge.storage.results import write_results
from tests.support import results

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from pytest_llmjudge.data import AnyResult, SuiteResult

__all__ = ["NAME", "checkpoint", "judged", "write_run"]

NAME = "test_a.py::test_a"


def checkpoint(name: str) -> CheckpointReference:
    """Make a model of its own for each name."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return CheckpointReference(name, digest, 124_000_000)


def judged(
    scores: Sequence[int | None],
    model: str = "new.pth",
    *,
    name: str = NAME,
    judge: str = "abc",
    edited: Collection[int] = (),
    prefix: str = "r",
    min_score: int | None = 50,
) -> SuiteResult:
    """Make a judged suite.

    Args:
        scores: Of its records ``r0``, ``r1`` and so on.
        model: Path of its checkpoint.
        name: Of the suite.
        judge: Digest of the judge's weights.
        edited: Places of records whose reference is another.
        prefix: Of the records' ids.
        min_score: What passes.
    """
    records = []
    for place, score in enumerate(scores):
        one = results.scored(f"{prefix}{place}", score, "error" if score is None else "passed")
        if place in edited:
            one = replace(one, record=replace(one.record, output="Something else."))
        records.append(one)
    return results.suite(
        records,
        name=name,
        checkpoint=checkpoint(model),
        judge=replace(results.JUDGE, digest=judge),
        min_score=min_score,
    )


def write_run(path: Path, month: int, *suites: AnyResult, version: str = "0.1.0") -> Path:
    """Write the results file of a run that began on the first day of a month of 2026."""
    run = RunResult(f"2026-{month:02}-01T09:00:00+00:00", suites)
    write_results(path, results_document(run, version))
    return path
