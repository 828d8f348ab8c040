"""Proof that the models of a run are still what they were, before a gate passes and at the end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pytest_llmjudge.data import ExamResult, PreferenceResult, RunResult, SuiteResult
from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.base import LocalModel
from pytest_llmjudge.generation.files.contents import Content, Stamp, known_among, remember
from pytest_llmjudge.plugin.ledger import with_break

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmjudge.plugin.session import LlmSession

__all__ = ["changed_models", "watch", "without_passes"]

_KEY = "watched "
Result = TypeVar("Result", SuiteResult, PreferenceResult, ExamResult)


def watch(session: LlmSession, model: object) -> None:
    """Let a model be looked at when the run ends; a served one has no files.

    Raises:
        CheckpointError: It is not there, or cannot be used.
    """
    if not isinstance(model, LocalModel):
        return
    told = {
        "path": str(model.path),
        "fingerprint": model.fingerprint,
        "contents": known_among(model.info.contents.values()),
    }
    session.store.agree({f"{_KEY}{session.shown_path(model.info.path)}": json.dumps(told)})


def changed_models(session: LlmSession) -> dict[str, str]:
    """Return the models of all processes that are other ones now, each with its one line."""
    changed: dict[str, str] = {}
    for key, text in session.store.agreed().items():
        if not key.startswith(_KEY):
            continue
        told = json.loads(text)
        # What a worker has read need not be read again here.
        remember(Content(Stamp(*stamp), digest) for stamp, digest in told["contents"])
        model = session.model(Path(told["path"]))
        try:
            if isinstance(model, LocalModel):
                model.check_still_has(told["fingerprint"])
        except CheckpointError as error:
            # Results name the file of the weights, or the folder that it lies in.
            names = key.removeprefix(_KEY), session.shown_path(Path(told["path"]))
            changed |= dict.fromkeys(names, str(error))
    return changed


def without_passes(run: RunResult, changed: Mapping[str, str]) -> RunResult:
    """Let nothing pass that stands on a model which changed.

    Args:
        run: The results.
        changed: For each model, by its name in the results, a line that says so.
    """

    def corrected(result: Result, *models: str | None) -> Result:
        lines = [changed[name] for name in models if name is not None and name in changed]
        if not lines:
            return result
        gates = tuple(
            with_break(gate, gate.name, lines[0]) if gate.outcome == "passed" else gate
            for gate in result.gates
        )
        outcome = "failed" if result.outcome == "passed" else result.outcome
        return replace(result, gates=gates, outcome=outcome)

    if not changed:
        return run
    return replace(
        run,
        suites=tuple(corrected(suite, _name(suite)) for suite in run.suites),
        exams=tuple(corrected(exam, _name(exam)) for exam in run.exams),
        preferences=tuple(
            corrected(pairs, _name(pairs), pairs.against.name) for pairs in run.preferences
        ),
    )


def _name(result: SuiteResult | PreferenceResult | ExamResult) -> str | None:
    return None if result.checkpoint is None else result.checkpoint.path
