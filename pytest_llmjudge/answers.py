"""The answers to all questions of a record as one response, and back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import Record

__all__ = ["answered_turns", "join_answers", "split_answers"]


def join_answers(answers: Sequence[str]) -> str:
    """Return the response that stands for several answers: a JSON list of them."""
    return json.dumps(list(answers), ensure_ascii=False)


def split_answers(record: Record, response: str) -> list[str]:
    """Return the answers to a record's questions, in their order.

    Args:
        record: Any; a response to one without follow-ups is the only answer.
        response: A response to it, of :func:`join_answers` where there are follow-ups.
    """
    if not record.follow_ups:
        return [response]
    answers: list[str] = json.loads(response)
    return answers


def answered_turns(record: Record, answers: Sequence[str]) -> Iterator[Record]:
    """Yield a record of one question for each question of a record that can be asked by now.

    The first is the record without its follow-ups; each other has the questions and answers before
    it as turns.

    Args:
        record: Any without an input, which no format with follow-ups has.
        answers: Those given so far; one question more is asked than there are answers.
    """
    first = replace(record, follow_ups=())
    yield first
    turns, question = first.turns, first.instruction
    for follow_up, answer in zip(record.follow_ups, answers, strict=False):
        turns = (*turns, Turn("user", question), Turn("assistant", answer))
        question = follow_up.instruction
        yield replace(first, instruction=question, output=follow_up.output, turns=turns)
