"""Lets nothing pass that stands on a model which changed during the run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.decisions.gates import with_break
from pytest_llmjudge.kinds import kind_named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmjudge.data import AnyResult, RunResult

__all__ = ["without_pass", "without_passes"]


def without_passes(run: RunResult, changed: Mapping[str, str]) -> RunResult:
    """Let nothing pass that stands on a model which changed.

    Args:
        run: The results.
        changed: For each model, by its name in the results, a line that says so.
    """
    if not changed:
        return run
    results = tuple(
        without_pass(result, [changed[name] for name in _models(result) if name in changed])
        for result in run.results
    )
    return replace(run, results=results)


def _models(result: AnyResult) -> tuple[str, ...]:
    return kind_named(result.kind).models(result)


def without_pass(result: Any, lines: Sequence[str]) -> Any:  # noqa: ANN401  # of any kind
    """Let nothing of a suite pass of which a model changed.

    Args:
        result: Of the suite.
        lines: That say so, of which the first is shown; none where no model changed.
    """
    if not lines:
        return result
    gates = tuple(
        with_break(gate, gate.name, lines[0]) if gate.outcome == "passed" else gate
        for gate in result.gates
    )
    outcome = "failed" if result.outcome == "passed" else result.outcome
    return replace(result, gates=gates, outcome=outcome)
