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
    from pytest_llmjudge.storage.results_reader import SavedRun

__all__ = ["entries_before", "run_pages", "run_summary"]


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


def entries_before(baseline: SavedRun | None, run: RunResult) -> dict[str, dict[str, Entry]]:
    """Return the baseline's entries by suite and id, of what pairs up with this run's."""
    if baseline is None:
        return {}
    by_suite = (
        (result.name, kind_named(result.kind).entries_before(baseline, result))
        for result in run.results
    )
    return {name: entries for name, entries in by_suite if entries is not None}
