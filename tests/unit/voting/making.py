"""Ballots made of a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.data import JudgeIdentity, Vote
from pytest_llmjudge.keys import Content, content_digest, text_digest
from pytest_llmjudge.storage.saved_responses import SavedAnswer, SavedAnswers
from pytest_llmjudge.voting.ballots import Ballots, Source, make_ballots

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

JUDGE = JudgeIdentity("llama3", "ollama", "0.24.0", "abc", {})


def answer(
    id_: str,
    response: str | None,
    *,
    score: int | None = None,
    instruction: str = "",
    error: str | None = None,
) -> SavedAnswer:
    asked = instruction or f"Do {id_}."
    return SavedAnswer(id_, asked, "", f"Reference of {id_}.", response, score, error)


def source(
    model: str,
    answers: Sequence[SavedAnswer],
    *,
    suite: str = "test_a.py::test_a",
    judge: JudgeIdentity | None = JUDGE,
) -> Source:
    return Source(f"{model}.json", (SavedAnswers(suite, model, "f", judge, tuple(answers)),))


def ballots_of(responses: Mapping[str, Sequence[str | None]], voter: str = "ann") -> Ballots:
    """Make ballots of each model's responses to the records r0, r1, …."""
    sources = [
        source(model, [answer(f"r{number}", text) for number, text in enumerate(texts)])
        for model, texts in responses.items()
    ]
    return make_ballots(sources, voter)


def vote_on(
    id_: str, winner: str, responses: tuple[str, str], *, voter: str = "ann", models: str = "pq"
) -> Vote:
    """Return a vote on two answers of the models ``p`` and ``q``."""
    first, second = map(text_digest, responses)
    asked = answer(id_, None)
    content = content_digest(Content(asked.instruction, asked.input, asked.output))
    at = "2026-01-02T03:04:05"
    return Vote(id_, models[0], models[1], winner, voter, at, first, second, content)
