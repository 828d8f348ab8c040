"""Which of two answers is better: how a model at a server is asked, and what its reply says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_llmjudge.data import Choice
from pytest_llmjudge.errors import JudgeError, one_line
from pytest_llmjudge.scoring import CHOICE_SCHEMA, opens_thoughts, parse_choice
from pytest_llmjudge.servers.chat import CUT, FORMAT_IGNORED, WITHOUT_PARSER, PromptTooLongError

if TYPE_CHECKING:
    from pytest_llmjudge.servers.chat import ChatReply, JudgeClient

__all__ = ["LARGER", "ROOM_FOR_THOUGHTS", "choose", "thinks"]

LARGER: Final = "a larger judge keeps to the format more often, name one with --llm-judge-model"
"""What to do about a reply in another format than the one asked for."""

ROOM_FOR_THOUGHTS: Final = 1024
"""Tokens that a reasoning model may write before its answer."""

_REPLY_LENGTH: Final = 120


def choose(client: JudgeClient, prompt: str) -> Choice:
    """Ask which of two answers is better, with the reply held to a JSON Schema.

    A reasoning model, whose thoughts took the room of its answer, is asked once more with more
    room. What goes wrong becomes part of the choice; it is final when the same would happen again.

    Args:
        client: The model that is asked.
        prompt: The whole question.
    """
    try:
        reply = client.chat(prompt, schema=CHOICE_SCHEMA)
        winner = _winner(reply)
        if winner is None and thinks(reply):
            reply = client.chat(prompt, schema=CHOICE_SCHEMA, room=ROOM_FOR_THOUGHTS)
            winner = _winner(reply)
    except JudgeError as error:
        too_long = isinstance(error, PromptTooLongError)
        final = isinstance(error, PromptTooLongError) and error.final
        return Choice(
            None,
            "",
            str(error),
            final=final,
            is_infrastructure=error.is_infrastructure,
            too_long=too_long,
        )
    if winner is not None:
        return Choice(winner, reply.content)
    wrote, parser = one_line(reply.content, _REPLY_LENGTH), reply.ignored_by
    cause = f': with the parser "{parser}" {FORMAT_IGNORED}' if parser else ""
    problem = f'{client.model} wrote "{wrote}", which is neither A, B nor tie{cause}'
    failure = JudgeError(client.url, problem, WITHOUT_PARSER if parser else LARGER)
    # A server that does not hold replies to a schema today may do so tomorrow.
    return Choice(None, reply.content, str(failure), final=reply.held)


def thinks(reply: ChatReply) -> bool:
    """Whether the model thinks before it answers, in its reply, beside it, or out of sight."""
    is_in_reply = reply.may_think and opens_thoughts(reply.content)
    is_used_up = reply.done_reason == CUT and not reply.content.strip()
    return is_in_reply or reply.thoughts is not None or is_used_up


def _winner(reply: ChatReply) -> str | None:
    text = reply.answer
    # A word that ran out of room may go on.
    is_whole = reply.done_reason != CUT or text.rstrip().endswith(("}", "```"))
    return parse_choice(text) if is_whole else None
