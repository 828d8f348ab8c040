"""The answers to all questions of a record as one response, and back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from pytest_llmjudge.data import FollowUp, Turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import Record

__all__ = [
    "answered_turns",
    "final_turn",
    "join_answers",
    "questions_of",
    "show_references",
    "show_response",
    "split_answers",
]

_STAND_IN: Final = "…"
"""An answer that is not known yet."""


class _Asked(Protocol):
    @property
    def instruction(self) -> str: ...
    @property
    def output(self) -> str: ...
    @property
    def follow_ups(self) -> tuple[FollowUp, ...]: ...


def join_answers(answers: Sequence[str]) -> str:
    """Return the response that stands for several answers: a JSON list of them."""
    return json.dumps(list(answers), ensure_ascii=False)


def split_answers(record: _Asked, response: str) -> list[str]:
    """Return the answers to a record's questions, in their order.

    Args:
        record: Any; a response to one without follow-ups is the only answer.
        response: A response to it, of :func:`join_answers` where there are follow-ups.
    """
    if not record.follow_ups:
        return [response]
    answers: list[str] = json.loads(response)
    return answers


def questions_of(record: _Asked) -> tuple[FollowUp, ...]:
    """Return all questions of a record with their references, in their order."""
    return (FollowUp(record.instruction, record.output), *record.follow_ups)


def show_references(record: _Asked) -> str:
    """Return a record's references as people read them; empty where there are none."""
    references = [question.output for question in questions_of(record)]
    return _numbered(references) if any(references) else ""


def show_response(record: _Asked, response: str) -> str:
    """Return a response as people read it; takes what :func:`split_answers` takes."""
    return _numbered(split_answers(record, response))


def _numbered(texts: Sequence[str]) -> str:
    """Return the texts of several turns under a heading each; a single text as it is."""
    if len(texts) == 1:
        return texts[0]
    return "\n\n".join(f"Turn {number}:\n{text}" for number, text in enumerate(texts, 1))


def answered_turns(record: Record, answers: Sequence[str]) -> Iterator[Record]:
    """Yield a single-question record for each question whose earlier answers are known.

    The first is the record without its follow-ups; each other has the questions and answers before
    it as turns.

    Args:
        record: Any without an input, which no format with follow-ups has.
        answers: Those given so far; one question more is asked than there are answers.
    """
    first = replace(record, follow_ups=()) if record.follow_ups else record
    yield first
    turns, question = first.turns, first.instruction
    for follow_up, answer in zip(record.follow_ups, answers, strict=False):
        turns = (*turns, Turn("user", question), Turn("assistant", answer, is_own=True))
        question = follow_up.instruction
        yield replace(first, instruction=question, output=follow_up.output, turns=turns)


def final_turn(record: Record) -> Record:
    """Return a record of the last question alone, with stand-ins for the answers before it."""
    if not record.follow_ups:
        return record
    *_, last = answered_turns(record, [_STAND_IN] * len(record.follow_ups))
    return last
