"""What a run came to, in the few words that a report begins with."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_llmjudge.data.summary import RunSummary

__all__ = ["Digest", "digest"]


@dataclass(frozen=True, slots=True)
class Digest:
    """A run in a few words.

    Attributes:
        outcome: ``failed`` when a suite failed, else ``incomplete`` when one is, else ``passed``;
            that only where the run ended with status 0.
        headline: The same as a sentence that counts the suites.
    """

    outcome: str
    headline: str


def digest(run: RunSummary) -> Digest:
    """Say in a few words what a run came to."""
    counted = Counter(suite.outcome for suite in run.summaries)
    outcome = next((name for name in ("failed", "incomplete") if counted[name]), "passed")
    if not run.summaries:
        return Digest("incomplete", "no suite came to a result")
    headline = _headline(outcome, counted)
    if outcome == "passed" and run.status:
        # Something else failed, or the run did not come to its end.
        outcome = "failed" if run.status == 1 else "incomplete"
        headline = f"{headline}, but the run ended with status {run.status}"
    return Digest(outcome, headline)


def _headline(outcome: str, counted: Counter[str]) -> str:
    total = counted.total()
    if total == 1:
        return f"the suite {'is ' if outcome == 'incomplete' else ''}{outcome}"
    if outcome == "passed":
        return f"all {total} suites passed"
    parts = [f"{counted[name]} {name}" for name in ("failed", "incomplete") if counted[name]]
    return f"of {total} suites {' and '.join(parts)}"
