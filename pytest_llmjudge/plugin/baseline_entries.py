"""What the baseline made of the samples of a run, for a reader who compares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.kinds import kind_named

if TYPE_CHECKING:
    from pytest_llmjudge.data import Entry, RunResult
    from pytest_llmjudge.storage.results_reader import SavedRun

__all__ = ["entries_before"]


def entries_before(baseline: SavedRun | None, run: RunResult) -> dict[str, dict[str, Entry]]:
    """Return the baseline's entries by suite and id, of what pairs up with this run's."""
    if baseline is None:
        return {}
    by_suite = (
        (result.name, kind_named(result.kind).entries_before(baseline, result))
        for result in run.results
    )
    return {name: entries for name, entries in by_suite if entries is not None}
