"""What models answered and which pairs were judged, out of results files."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.data import Record, Turn
from pytest_llmjudge.errors import BaselineError
from pytest_llmjudge.keys import Content, content_digest
from pytest_llmjudge.storage.saved_responses import (
    SavedPair,
    answers_of,
    answers_of_pairs,
    pairs_of,
    responses_of,
)
from tests.support.saved import read_results

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_llmjudge.storage.results_reader import SavedRun

JUDGE = {"model": "j", "backend": "ollama", "version": "1", "digest": "d", "options": {}}
RECORD = {
    "id": "r0",
    "instruction": "Say it.",
    "input": "",
    "output": "It.",
    "model_response": "it ### Response:",
    "score": 85,
    "reply": "85",
    "error": None,
    "outcome": "passed",
}
SUITE: dict[str, Any] = {
    "name": "test_a.py::test_a",
    "kind": "judge",
    "checkpoint": {"path": "a.pth", "fingerprint": "f"},
    "total": 1,
    "scored": 1,
    "unscored": 0,
    "average": 85.0,
    "ci95": None,
    "min_score": 20,
    "min_average": 55.0,
    "outcome": "passed",
    "records": [RECORD],
}
PAIR = {
    "id": "r0",
    "instruction": "Say it.",
    "input": "",
    "output": "It.",
    "model_response": "it",
    "against_response": "that",
    "winner": "a",
    "orders": ["A", "B"],
    "replies": ["", ""],
    "error": None,
    "outcome": "passed",
}
PAIRS: dict[str, Any] = {
    "name": "test_p.py::test_p",
    "kind": "preference",
    "checkpoint": None,
    "against": {"kind": "checkpoint", "name": "old.pth", "fingerprint": "g"},
    "votes": None,
    "total": 2,
    "scored": 1,
    "unscored": 1,
    "wins": 1,
    "ties": 0,
    "losses": 0,
    "win_rate": None,
    "ci95": None,
    "length_controlled": None,
    "flips": 0.0,
    "asked": 1,
    "mean_length": [2.0, 4.0],
    "min_win_rate": 0.5,
    "outcome": "incomplete",
    "records": [
        PAIR,
        {**PAIR, "id": "r1", "winner": None, "orders": [], "error": "x: y; z", "outcome": "error"},
    ],
}


def saved(path: Path, *suites: dict[str, Any]) -> SavedRun:
    document = {
        "schema": 1,
        "created": "2026-01-02T03:04:05+00:00",
        "pytest_llmjudge": "0.1.0",
        "judge": JUDGE,
        "suites": suites,
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    return read_results(path)


def record(id: str = "r0", output: str = "It.") -> Record:  # noqa: A002
    return Record(id, "Say it.", "", output, fields={})


def test_answers(tmp_path: Path) -> None:
    """Each suite of scored records, with the model's name, fingerprint and judge."""
    unnamed = {**SUITE, "name": "test_b.py::test_b", "checkpoint": None}

    first, second = answers_of(saved(tmp_path / "new.json", SUITE, unnamed, PAIRS))

    assert (first.suite, first.model, first.fingerprint) == ("test_a.py::test_a", "a.pth", "f")
    assert first.judge is not None
    assert first.judge.digest == "d"
    assert (first.answers[0].id, first.answers[0].score) == ("r0", 85)
    assert (second.model, second.fingerprint) == ("new", "")


def test_pairs(tmp_path: Path) -> None:
    """Each suite of pairs, those without a winner included."""
    (compared,) = pairs_of(saved(tmp_path / "new.json", SUITE, PAIRS))
    asked = content_digest(Content("Say it.", "", "It."))

    assert (compared.suite, compared.model_a, compared.model_b) == (
        "test_p.py::test_p",
        "new",
        "old.pth",
    )
    assert compared.pairs == (
        SavedPair("r0", asked, "it", "that", "a", None),
        SavedPair("r1", asked, "it", "that", None, "x: y; z"),
    )


def test_responses(tmp_path: Path) -> None:
    """Found by id and content, and cleaned as responses are."""
    run = saved(tmp_path / "new.json", SUITE)

    assert responses_of(run, "x", [record(), record(id="r1")]) == ({"r0": "it"}, {}, "f")
    assert responses_of(run, "x", [record(output="Other.")]) == ({}, {}, "")


def test_a_conversation(tmp_path: Path) -> None:
    """Its system text and turns are read back, and tell it from others with the same question."""
    said = {"system": "S\ud83d", "turns": [{"role": "user", "content": "Hello?\ud83d"}]}
    run = saved(
        tmp_path / "new.json",
        {**SUITE, "records": [{**RECORD, **said}]},
        {**PAIRS, "records": [{**pair, **said} for pair in PAIRS["records"]]},
    )
    turns = (Turn("user", "Hello?\ud83d"),)
    asked = replace(record(), system="S\ud83d", turns=turns)

    (suite,) = answers_of(run)
    (compared,) = pairs_of(run)

    assert (suite.answers[0].system, suite.answers[0].turns) == ("S?", (Turn("user", "Hello??"),))
    assert {pair.content for pair in compared.pairs} == {content_digest(asked)}
    assert responses_of(run, "x", [asked])[0] == {"r0": "it"}
    for other in (replace(asked, system=""), replace(asked, turns=()), record()):
        assert responses_of(run, "x", [other])[0] == {}


def test_responses_of_a_suite_of_pairs(tmp_path: Path) -> None:
    """Where nothing else has the record, what the model under test said there is its response."""
    other = {**SUITE, "records": [{**RECORD, "id": "r9"}]}
    run = saved(tmp_path / "new.json", other, PAIRS)

    assert responses_of(run, "x", [record()]) == ({"r0": "it"}, {}, "")
    (suite,) = answers_of_pairs(run)
    assert (suite.model, suite.judge, suite.answers[0].score) == ("new", None, None)


def test_a_record_without_a_response(tmp_path: Path) -> None:
    """It is there, with its reason."""
    empty = {**RECORD, "model_response": None, "score": None, "error": "x: y; z"}
    figures = {"scored": 0, "unscored": 1, "average": None}
    run = saved(tmp_path / "new.json", {**SUITE, **figures, "records": [empty]})

    assert responses_of(run, "x", [record()]) == ({"r0": None}, {"r0": "x: y; z"}, "f")


def test_two_suites_with_the_same_records(tmp_path: Path) -> None:
    """Nobody knows whose answers are meant."""
    run = saved(tmp_path / "new.json", SUITE, {**SUITE, "name": "test_b.py::test_b"})

    with pytest.raises(BaselineError) as error:
        responses_of(run, "against new.json", [record()])

    assert str(error.value) == (
        "against new.json: both test_a.py::test_a and test_b.py::test_b have these records; keep "
        "one suite in a file of its own"
    )


def test_half_a_surrogate_pair_is_replaced(tmp_path: Path) -> None:
    """No terminal, server or worker could take it."""
    broken = {**RECORD, "model_response": "it \ud83d", "id": "r\ud83d"}

    (suite,) = answers_of(saved(tmp_path / "new.json", {**SUITE, "records": [broken]}))

    assert (suite.answers[0].id, suite.answers[0].response) == ("r?", "it ?")
