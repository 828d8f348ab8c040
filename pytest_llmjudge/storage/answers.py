"""Answers of models and pairs that were judged, as results files of earlier runs hold them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import storable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmjudge.data import JudgeIdentity
    from pytest_llmjudge.storage.saved import SavedRun

__all__ = ["SavedAnswer", "SavedAnswers", "SavedPair", "SavedPairs", "answers_of", "pairs_of"]


@dataclass(frozen=True, slots=True)
class SavedAnswer:
    """A record and what a model answered to it.

    Attributes:
        response: ``None`` when there is none.
        score: The judge's; ``None`` when the record is unscored.
        error: Why it is unscored.
    """

    id: str
    instruction: str
    input: str
    output: str
    response: str | None
    score: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class SavedAnswers:
    """What one model answered in one suite.

    Attributes:
        suite: Name of the suite.
        model: Of the model: its checkpoint's path, or the file's name without its ending where the
            responses came from the records.
        fingerprint: Of the model; empty where the responses came from the records.
        judge: Who scored; ``None`` where the file does not say.
        answers: In file order.
    """

    suite: str
    model: str
    fingerprint: str
    judge: JudgeIdentity | None
    answers: tuple[SavedAnswer, ...]


@dataclass(frozen=True, slots=True)
class SavedPair:
    """A pair that was judged; ``winner`` is ``a``, ``b``, ``tie``, or ``None`` for unscored."""

    id: str
    response_a: str | None
    response_b: str | None
    winner: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class SavedPairs:
    """A suite of pairs; ``votes`` is the file of the people who decided, ``None`` for a judge.

    A fingerprint is empty where the responses came from the records.
    """

    suite: str
    model_a: str
    model_b: str
    votes: str | None
    pairs: tuple[SavedPair, ...]
    fingerprint_a: str = ""
    fingerprint_b: str = ""


def answers_of(run: SavedRun) -> tuple[SavedAnswers, ...]:
    """Return what models answered in a run's suites of scored records."""
    suites = [suite for suite in run.document["suites"] if suite["kind"] == "judge"]
    return tuple(
        SavedAnswers(
            suite=suite["name"],
            model=_model(run, suite),
            fingerprint=_fingerprint(suite),
            judge=run.sides[suite["name"]].judge,
            answers=tuple(_answer(record) for record in suite["records"]),
        )
        for suite in suites
    )


def pairs_of(run: SavedRun) -> tuple[SavedPairs, ...]:
    """Return what became of a run's suites of pairs."""
    suites = [suite for suite in run.document["suites"] if suite["kind"] == "preference"]
    return tuple(
        SavedPairs(
            suite=suite["name"],
            model_a=_model(run, suite),
            model_b=storable(suite["against"]["name"]),
            votes=suite["votes"],
            pairs=tuple(
                SavedPair(
                    storable(pair["id"]),
                    _text(pair["model_response"]),
                    _text(pair["against_response"]),
                    pair["winner"],
                    _text(pair["error"]),
                )
                for pair in suite["records"]
            ),
            fingerprint_a=_fingerprint(suite),
            fingerprint_b=storable(suite["against"]["fingerprint"]),
        )
        for suite in suites
    )


def _model(run: SavedRun, suite: Mapping[str, Any]) -> str:
    found = suite["checkpoint"]
    return storable(found["path"]) if found else PurePath(run.path).stem


def _fingerprint(suite: Mapping[str, Any]) -> str:
    return storable((suite["checkpoint"] or {}).get("fingerprint", ""))


def _answer(record: Mapping[str, Any]) -> SavedAnswer:
    return SavedAnswer(
        id=storable(record["id"]),
        instruction=storable(record["instruction"]),
        input=storable(record["input"]),
        output=storable(record["output"]),
        response=_text(record["model_response"]),
        score=record["score"],
        error=_text(record["error"]),
    )


def _text(value: str | None) -> str | None:
    # Half a surrogate pair can neither be shown nor sent.
    return None if value is None else storable(value)
