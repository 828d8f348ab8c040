"""What reports show of a run, of which each kind says its part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.data import Rule
from pytest_llmjudge.data.summary import RunSummary
from pytest_llmjudge.kinds import kind_named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmjudge.data import Entry, RunResult
    from pytest_llmjudge.data.page import SuitePage

__all__ = ["run_pages", "run_summary"]


def run_summary(run: RunResult) -> RunSummary:
    """Return what reports show of a run."""
    summaries = tuple(
        kind_named(result.kind).summary(result, run.rules.get(result.name, Rule()))
        for result in run.results
    )
    return RunSummary(run.created, summaries, run.notes, run.status)


def run_pages(
    run: RunResult, summary: RunSummary, before: Mapping[str, Mapping[str, Entry]]
) -> list[SuitePage]:
    """Return what the HTML page shows of each suite beside its summary.

    Args:
        run: The results, with all texts of the records.
        summary: Of the run.
        before: What the baseline has of the samples: by suite, then by id. An entry whose score
            does not compare has none.
    """
    return [
        kind_named(result.kind).page(result, one, before.get(result.name, {}))
        for result, one in zip(run.results, summary.summaries, strict=True)
    ]
