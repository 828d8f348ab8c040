"""What is wrong with a response: how a judge is asked, and what its reply says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_llmjudge.data import Explanation
from pytest_llmjudge.errors import JudgeError, one_line, storable
from pytest_llmjudge.judging.choosing import ROOM_FOR_THOUGHTS, thinks
from pytest_llmjudge.judging.sentences import first_sentences
from pytest_llmjudge.scoring import opens_thoughts
from pytest_llmjudge.servers.chat import CUT, PromptTooLongError

if TYPE_CHECKING:
    from pytest_llmjudge.servers.chat import ChatReply, JudgeClient

__all__ = ["explain"]

_ROOM: Final = 120
"""Tokens of a reply: two sentences have less."""
_SENTENCES: Final = 2
_LONGEST: Final = 500
"""Characters of an explanation."""
_READ: Final = 20_000
"""Characters of a reply that are looked at, whatever a server sends."""


def explain(client: JudgeClient, prompt: str) -> Explanation:
    """Ask what is wrong with a response, always at temperature 0.

    A reasoning model that used up all tokens on its thoughts is asked once more, with more room. An
    error is not raised, but becomes part of the explanation, which is final when the same would
    happen again.

    Args:
        client: The model that is asked.
        prompt: The whole question.
    """
    try:
        reply = client.chat(prompt, room=_ROOM)
        text = _text(reply)
        if not text and reply.done_reason == CUT and thinks(reply):
            reply = client.chat(prompt, room=_ROOM + ROOM_FOR_THOUGHTS)
            text = _text(reply)
    except JudgeError as error:
        final = isinstance(error, PromptTooLongError) and error.final
        return Explanation("", str(error), final=final, is_infrastructure=error.is_infrastructure)
    if text:
        return Explanation(text)
    wrote = "wrote only thoughts" if thinks(reply) else "wrote nothing"
    hint = "read the response beside its reference, or name another judge with --llm-judge-model"
    return Explanation(
        "", str(JudgeError(client.url, f"{client.model} {wrote} when asked what is wrong", hint))
    )


def _text(reply: ChatReply) -> str:
    """Return the first sentences of an answer; empty where there are only thoughts."""
    answer = reply.answer[:_READ]
    if reply.may_think and opens_thoughts(answer):
        return ""
    is_cut = reply.done_reason == CUT
    return one_line(first_sentences(storable(answer), _SENTENCES, is_cut=is_cut), _LONGEST)
