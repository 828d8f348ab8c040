"""Samples made of a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.data import Label
from pytest_llmjudge.kinds import all_kinds
from pytest_llmjudge.labelling.sample import Wanted, make_sample
from pytest_llmjudge.storage.results_reader import read_results
from tests.support.ballots import record, suite_of, write_results

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_llmjudge.data import Design
    from pytest_llmjudge.labelling.sample import Item, Sample

WHEN = "2026-01-02T03:04:05+00:00"


def write_responses(path: Path, responses: Sequence[str | None]) -> Path:
    """Write a results file with the responses to r0, r1, …."""
    records = [
        record(number, text) if text is not None else unanswered(number)
        for number, text in enumerate(responses)
    ]
    return write_results(path, suite_of("model.pth", records))


def unanswered(number: int) -> dict[str, object]:
    """Return a record to which the model gave no response."""
    return record(number, None, score=None, error="it took too long")


def sample_of(
    path: Path,
    *,
    known: Design | None = None,
    labeler: str = "ann",
    suite: str | None = None,
    size: int | None = None,
    seed: int | None = None,
) -> Sample:
    """Make a sample of a results file."""
    run = read_results(path, all_kinds())
    return make_sample(run, known, Wanted(suite, size, seed), labeler=labeler, out="labels.jsonl")


def label_on(item: Item, score: int, *, labeler: str = "ann", replaces: str = "") -> Label:
    """Return a label of a response."""
    return Label(item.record, item.digest, score, labeler, WHEN, replaces=replaces)
