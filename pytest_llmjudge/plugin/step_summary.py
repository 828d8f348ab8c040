"""Adds a run's report to the summary of its step in GitHub Actions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import StoreError
from pytest_llmjudge.reporting.markup import fitted
from pytest_llmjudge.reporting.run_markdown import run_sections
from pytest_llmjudge.storage.files import append_text, size_of

if TYPE_CHECKING:
    from pytest_llmjudge.data.summary import RunSummary

__all__ = ["add_step_summary", "step_summary"]

_VARIABLE = "GITHUB_STEP_SUMMARY"
_WHERE = f"${_VARIABLE}"
# With a byte more GitHub shows nothing of the whole step.
_MOST = 1024 * 1024
_LEAST = 16_384
_GAP = "\n\n"


def step_summary() -> Path | None:
    """Return the file that GitHub shows on the page of the job; ``None`` elsewhere."""
    name = os.environ.get(_VARIABLE)
    return Path(name) if name else None


def add_step_summary(path: Path, run: RunSummary, whole: str) -> None:
    """Add what became of a run to what earlier commands of the step have written.

    Args:
        path: The step's file.
        run: What became of it.
        whole: Where all of it is, should this be cut.

    Raises:
        StoreError: The file cannot be written, or is full.
    """
    there = size_of(_WHERE, path)
    room = _MOST - there - len(_GAP)
    if room < _LEAST:
        problem = f"{path} has {there} bytes, and no room for a report: a step may have {_MOST}"
        raise StoreError(_WHERE, problem, "run pytest in a step of its own")
    text = fitted(list(run_sections(run)), room, "the summary of a step may have 1 MiB", whole)
    append_text(_WHERE, path, f"{_GAP if there else ''}{text}")
