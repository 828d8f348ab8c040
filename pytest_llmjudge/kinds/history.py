"""A results file as a history takes it, whatever the kinds of its suites."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import CheckpointReference
from pytest_llmjudge.data.history import HistoryRun, SavedSuite
from pytest_llmjudge.errors import BaselineError
from pytest_llmjudge.kinds import all_kinds
from pytest_llmjudge.storage.results_reader import judge_of, read_results

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_llmjudge.kinds.base import Kind
    from pytest_llmjudge.storage.results_reader import SavedRun

__all__ = ["read_run"]


def read_run(path: Path) -> HistoryRun:
    """Read a results file.

    Raises:
        BaselineError: It is not there, or no results file that this version can read.
    """
    run = read_results(path, all_kinds())
    document = run.document
    kinds = {kind.name: kind for kind in all_kinds()}
    known = [(kinds.get(suite["kind"]), suite) for suite in document["suites"]]
    return HistoryRun(
        file=str(path),
        created=_time(path, document["created"]),
        version=document["pytest_llmjudge"],
        suites=tuple(_suite(kind, suite, run) for kind, suite in known if kind is not None),
        unknown=tuple(suite["name"] for kind, suite in known if kind is None),
    )


def _time(path: Path, text: str) -> datetime:
    try:
        # Python 3.10 does not read the letter.
        time = datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith("Z") else text)
        return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        problem = f'its "created" is no time: {text}'
        raise BaselineError(str(path), problem, "write it like 2026-01-31T23:59:00+00:00") from None


def _suite(kind: Kind[Any], suite: Mapping[str, Any], run: SavedRun) -> SavedSuite:
    samples = kind.saved_samples(suite)
    value = suite[kind.figure.name.replace(" ", "_")]
    model = suite.get("checkpoint")
    return SavedSuite(
        name=suite["name"],
        kind=kind.name,
        title=kind.title,
        figure=kind.figure,
        value=value,
        interval=None if value is None else kind.saved_interval(suite),
        total=suite["total"] or len(samples),
        outcome=suite["outcome"],
        model=None
        if model is None
        else CheckpointReference(model["path"], model["fingerprint"], model.get("parameters")),
        judge=judge_of(suite, run.document["judge"]) if kind.asks_judge else None,
        settings={name: suite.get(name) for name in kind.settings},
        terms=kind.terms,
        samples=samples,
        side=run.sides.get(suite["name"]),
    )
