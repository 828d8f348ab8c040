"""Results files read back, of the kinds of suites that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.kinds import all_kinds
from pytest_llmjudge.storage import outcomes, results_reader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_llmjudge.storage.outcomes import Gathered
    from pytest_llmjudge.storage.results_reader import SavedRun

__all__ = ["gather", "read_results"]


def read_results(path: Path, *, named_by: str = "") -> SavedRun:
    """Read a results file."""
    return results_reader.read_results(path, all_kinds(), named_by=named_by)


def gather(paths: Sequence[Path]) -> Gathered:
    """Read files, and return the outcomes of all pairs of models in them."""
    return outcomes.gather(paths, all_kinds())
