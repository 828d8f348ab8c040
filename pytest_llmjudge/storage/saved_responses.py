"""Answers of models and pairs that were judged, as results files of earlier runs hold them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import Criterion
from pytest_llmjudge.errors import BaselineError, storable
from pytest_llmjudge.keys import content_digest, content_of, storable_contents
from pytest_llmjudge.records.answers import join_answers
from pytest_llmjudge.records.prompts import clean_response
from pytest_llmjudge.storage.results_reader import judge_of, saved_content

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmjudge.data import FollowUp, JudgeIdentity, Record, Turn
    from pytest_llmjudge.storage.results_reader import SavedRun

__all__ = [
    "SavedAnswer",
    "SavedAnswers",
    "SavedPair",
    "SavedPairs",
    "answers_of",
    "answers_of_pairs",
    "pairs_of",
    "responses_of",
]


@dataclass(frozen=True, slots=True)
class SavedAnswer:
    """A record and what a model answered to it.

    Attributes:
        response: ``None`` when there is none. That to a record of several turns is of
            :func:`~pytest_llmjudge.records.answers.join_answers`.
        score: The judge's; ``None`` when the record is unscored.
        error: Why it is unscored.
        criteria: What it was judged by, as people read it; empty for the reference alone.
    """

    id: str
    instruction: str
    input: str
    output: str
    response: str | None
    score: int | None
    error: str | None
    system: str = ""
    turns: tuple[Turn, ...] = ()
    follow_ups: tuple[FollowUp, ...] = ()
    criteria: str = ""


@dataclass(frozen=True, slots=True)
class SavedAnswers:
    """What one model answered in one suite.

    Attributes:
        suite: Name of the suite.
        model: Of the model: its checkpoint's path, or the file's name without its ending where the
            responses came from the records, with the field's where they came from several.
        fingerprint: Of the model; empty where the responses came from the records.
        judge: Who scored; ``None`` where the file does not say.
        answers: In file order.
        field: Of the records that held the responses; empty where a model made them.
    """

    suite: str
    model: str
    fingerprint: str
    judge: JudgeIdentity | None
    answers: tuple[SavedAnswer, ...]
    field: str = ""


@dataclass(frozen=True, slots=True)
class SavedPair:
    """A pair that was judged.

    Attributes:
        content: :func:`~pytest_llmjudge.keys.content_digest` of the record.
        winner: ``a``, ``b``, ``tie``, or ``None`` for unscored.
    """

    id: str
    content: str
    response_a: str | None
    response_b: str | None
    winner: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class SavedPairs:
    """A suite of pairs.

    Attributes:
        votes: The file of the people who decided, ``None`` for a judge.
        fingerprint_a: Of the model under test; empty where the responses came from the records.
        fingerprint_b: The same of what it was compared with.
        judge: Who decided; ``None`` for people, and where the file does not say.
        field_a: Of the records that held the responses of ``a``; empty where a model made them.
        kind_b: What ``a`` was compared with: ``checkpoint``, ``results`` or ``field``.
    """

    suite: str
    model_a: str
    model_b: str
    votes: str | None
    pairs: tuple[SavedPair, ...]
    fingerprint_a: str = ""
    fingerprint_b: str = ""
    judge: JudgeIdentity | None = None
    field_a: str = ""
    kind_b: str = "checkpoint"


def answers_of(run: SavedRun) -> tuple[SavedAnswers, ...]:
    """Return what models answered in a run's suites of scored records."""
    suites = [suite for suite in run.document["suites"] if suite["kind"] == "judge"]
    return tuple(
        SavedAnswers(
            suite=suite["name"],
            model=_model(run, suite),
            fingerprint=_fingerprint(suite),
            judge=judge_of(suite, run.document["judge"]),
            answers=tuple(_answer(record) for record in suite["records"]),
            field=_field(suite),
        )
        for suite in suites
    )


def answers_of_pairs(run: SavedRun) -> tuple[SavedAnswers, ...]:
    """Return what the model under test answered in a run's suites of pairs, without scores."""
    suites = [suite for suite in run.document["suites"] if suite["kind"] == "preference"]
    return tuple(
        SavedAnswers(
            suite=suite["name"],
            model=_model(run, suite),
            fingerprint=_fingerprint(suite),
            judge=None,
            answers=tuple(_answer({**record, "score": None}) for record in suite["records"]),
            field=_field(suite),
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
                    content_digest(saved_content(pair)),
                    _text(pair["model_response"]),
                    _text(pair["against_response"]),
                    pair["winner"],
                    _text(pair["error"]),
                )
                for pair in suite["records"]
            ),
            fingerprint_a=_fingerprint(suite),
            fingerprint_b=storable(suite["against"]["fingerprint"]),
            judge=None if suite["votes"] else judge_of(suite, run.document["judge"]),
            field_a=_field(suite),
            kind_b=suite["against"]["kind"],
        )
        for suite in suites
    )


def responses_of(
    run: SavedRun, where: str, records: Sequence[Record]
) -> tuple[dict[str, str | None], dict[str, str], str]:
    """Return what a run's model answered to records.

    Args:
        run: The results file.
        where: The file, for messages.
        records: They are matched by id and content.

    Returns:
        For the id of each record that is there its response, ``None`` where it has none; the
        reasons of those; and the fingerprint of the model.

    Raises:
        BaselineError: Several suites have these records, so nobody knows whose answers are meant.
    """
    # A file has the answers of a suite of pairs twice where another suite scored them.
    matches = _suites_with(answers_of(run), records) or _suites_with(answers_of_pairs(run), records)
    if len(matches) > 1:
        names = " and ".join(suite.suite for suite, _ in matches[:2])
        problem, hint = f"both {names} have these records", "keep one suite in a file of its own"
        raise BaselineError(where, problem, hint)
    if not matches:
        return {}, {}, ""
    suite, there = matches[0]
    responses = {
        name: None if answer.response is None else clean_response(answer.response)
        for name, answer in there.items()
    }
    reasons = {name: answer.error for name, answer in there.items() if answer.error is not None}
    return responses, reasons, suite.fingerprint


def _suites_with(
    suites: Sequence[SavedAnswers], records: Sequence[Record]
) -> list[tuple[SavedAnswers, dict[str, SavedAnswer]]]:
    """Return the suites that have any of these records, and its answers to them by id."""
    wanted = {record.id: _content(record) for record in records}
    matches = []
    for suite in suites:
        there = {
            answer.id: answer
            for answer in suite.answers
            if wanted.get(answer.id) == _content(answer)
        }
        if there:
            matches.append((suite, there))
    return matches


def _content(record: Record | SavedAnswer) -> str:
    return content_of(storable_contents(record))


def _model(run: SavedRun, suite: Mapping[str, Any]) -> str:
    if suite["checkpoint"]:
        return storable(suite["checkpoint"]["path"])
    stem, field = PurePath(run.path).stem, _field(suite)
    fields = {_field(other) for other in run.document["suites"] if not other.get("checkpoint")}
    return f"{stem} {field}" if len(fields) > 1 else stem


def _field(suite: Mapping[str, Any]) -> str:
    return storable(suite.get("responses") or "")


def _fingerprint(suite: Mapping[str, Any]) -> str:
    return storable((suite["checkpoint"] or {}).get("fingerprint", ""))


def _answer(record: Mapping[str, Any]) -> SavedAnswer:
    response = record["model_response"]
    if record.get("follow_ups"):
        response = join_answers(record["answers"]) if record.get("answers") else None
    return SavedAnswer(
        id=storable(record["id"]),
        response=_text(response),
        score=record["score"],
        error=_text(record["error"]),
        criteria="\n".join(
            storable(Criterion(one["name"], one["text"]).titled)
            for one in record.get("criteria", ())
        ),
        **storable_contents(saved_content(record))._asdict(),
    )


def _text(value: str | None) -> str | None:
    # Half a surrogate pair can neither be shown nor sent.
    return None if value is None else storable(value)
