"""The keys that verdicts are kept under: all that decides a verdict, and nothing else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from pytest_llmjudge.data import JudgeIdentity, Record
from pytest_llmjudge.judging.judge import make_judge
from pytest_llmjudge.judging.questions import integer_prompt
from tests.support.fake_ollama import DIGEST

RECORD = Record("r", "Name the author of 'Emma'.", "", "Jane Austen.", {})
OPTIONS = {"seed": 123, "temperature": 0, "num_ctx": 2048}
KNOWN = JudgeIdentity("llama3", "ollama", "0.24.0", DIGEST, OPTIONS)


def key(
    record: Record = RECORD, response: str = "Jane.", *, sample: int = 0, **known: object
) -> str:
    """Give the key of a judge whose identity is ``KNOWN``, with other values where given."""
    judge = make_judge("llama3", "", 5.0, known=replace(KNOWN, **known))  # type: ignore[arg-type]
    return judge.key(record, response, sample=sample)


def test_key_is_stable() -> None:
    """The key is the hash of all that decides, the same in every process and version."""
    text = (
        f'["verdict/2",{{"ask":"integer/1","digest":"{DIGEST}",'
        '"options":{"num_ctx":2048,"seed":123,"temperature":0},'
        f'"prompt":{json.dumps(integer_prompt(RECORD, "Jane."))},"sample":0,"version":"0.24.0"}}]'
    )

    assert key() == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        key(response="Jane"),
        key(replace(RECORD, instruction="Name her.")),
        key(replace(RECORD, input="x")),
        key(replace(RECORD, output="Austen.")),
        key(digest="abc"),
        key(version="0.24.1"),
        key(options={**OPTIONS, "seed": 124}),
        key(sample=1),
    ],
)
def test_key_depends_on_all_that_decides(other: str) -> None:
    """Whatever can change a verdict changes its key."""
    assert key() != other


@pytest.mark.parametrize(
    "same",
    [
        key(replace(RECORD, id="other", fields={"x": 1})),
        key(model="llama3:latest"),
        key(options=dict(reversed(OPTIONS.items()))),
    ],
)
def test_key_depends_on_nothing_else(same: str) -> None:
    """The model's name, the record's id and further fields do not decide a verdict."""
    assert key() == same
