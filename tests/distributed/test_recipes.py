"""Recipes of the documentation for trackers of experiments, each run as it stands."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import pytest

from tests.support.pages import DOCS, blocks
from tests.support.project import Project, records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RECIPES = {
    word: block.text
    for block in blocks(DOCS / "results-elsewhere.md", "python")
    for word in ("wandb", "tensorboard", "trackio")
    if f"import {word}" in block.text or f"torch.utils.{word}" in block.text
}
AVERAGE = "test_suite.py/test_instructions/average"


def _has_tensorboard(folder: Path) -> bool:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (run,) = (folder / "runs").iterdir()
    events = EventAccumulator(str(run))
    events.Reload()
    return [one.value for one in events.Scalars(AVERAGE)] == [100.0]


def _has_wandb(folder: Path) -> bool:
    (run,) = (folder / "wandb").glob("offline-run-*/run-*.wandb")
    return AVERAGE.encode() in run.read_bytes()


def _has_trackio(folder: Path) -> bool:
    with sqlite3.connect(folder / "trackio" / "releases.db") as store:
        logged = store.execute("SELECT metrics FROM metrics").fetchall()
    store.close()
    return [json.loads(text)[AVERAGE] for (text,) in logged] == [100.0]


@pytest.mark.parametrize(
    ("name", "has_average"),
    [("tensorboard", _has_tensorboard), ("wandb", _has_wandb), ("trackio", _has_trackio)],
)
def test_a_recipe(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    has_average: Callable[[Path], bool],
) -> None:
    """The tracker has the average of the run."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setenv("TRACKIO_DIR", str(project.path / "trackio"))
    project.write("conftest.py", RECIPES[name])
    project.suite(records(2), 'responses="model_response", min_score=50, min_average=90')

    result = project.run_subprocess()

    assert result.ret == pytest.ExitCode.OK
    assert has_average(project.path)
