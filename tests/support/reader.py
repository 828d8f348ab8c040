"""What one reader gave 40 of the lecture's published responses, as ``docs/trust.md`` has it."""

from __future__ import annotations

import math
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Design, Label
from pytest_llmjudge.keys import content_digest
from pytest_llmjudge.records.loading import load_records
from pytest_llmjudge.stats.labels import draw, records_digest, response_digest
from pytest_llmjudge.storage.labels import append_design, append_label
from tests.support.fake_ollama import Answer, ChatRequest, FakeOllama, Replay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["ASKED", "JUDGE", "SUITE", "recorded_judge", "write_labelled"]

SUITE = "test_quality.py::test_instructions"
JUDGE = "qwen2.5-coder:1.5b"
ASKED = {
    "integer": "recorded-judge/qwen2.5-coder-1.5b.jsonl",
    "weighted": "recorded-judge/qwen2.5-coder-1.5b-weighted2.jsonl",
}
"""The ways of asking of which the judge's replies were recorded."""

_DATA = "instructions/instruction-data-with-response.json"
_TEST = '''
import pytest


@pytest.mark.llm_judge("data.json", responses="model_response", min_average=30)
def test_instructions(verdict):
    """The responses that the lecture published."""
'''
# In the order in which the seed draws the records.
_SCORES = (
    *(40, 100, 100, 0, 0, 70, 100, 0, 0, 0, 0, 0, 40, 0, 0, 0, 30, 0, 20, 0),
    *(0, 0, 100, 100, 0, 30, 0, 100, 0, 10, 100, 100, 100, 100, 20, 40, 20, 0, 100, 100),
)


def write_labelled(folder: Path, real_data: Path) -> None:
    """Write the suite and ``labels.jsonl`` into a folder."""
    shutil.copy(real_data / _DATA, folder / "data.json")
    (folder / "test_quality.py").write_text(_TEST, "utf-8")
    records = {
        one.id: one for one in load_records(folder / "data.json", response_field="model_response")
    }
    size, seed, labels = len(_SCORES), 123, folder / "labels.jsonl"
    contents = [(one.id, content_digest(one)) for one in records.values()]
    append_design(labels, Design(SUITE, len(records), size, seed, records_digest(contents)))
    for name, score in zip(draw(records, size, seed), _SCORES, strict=True):
        # Empty text around a response is no part of it.
        response = str(records[name].fields["model_response"]).strip()
        append_label(labels, Label(name, response_digest(response), score, "ann"))


@contextmanager
def recorded_judge(real_data: Path, ask: str) -> Iterator[FakeOllama]:
    """Serve the replies of the real judge, asked in one of the ways of :data:`ASKED`."""
    replay = Replay(real_data / ASKED[ask], then=_says_no)
    with FakeOllama(replay, models={JUDGE: "d7372fd82851" * 6}) as server:
        yield server


def _says_no(_: ChatRequest) -> Answer:
    """Answer a decoy question as a judge does that no response speaks to."""
    return Answer("No", candidates=[("No", math.log(0.98)), ("Yes", math.log(0.01))])
