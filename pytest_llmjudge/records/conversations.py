"""What a record says: its texts, or the messages of its conversation."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from pytest_llmjudge.data import Criterion, FollowUp, Turn
from pytest_llmjudge.errors import one_line
from pytest_llmjudge.records.json_values import kind_of

__all__ = [
    "CRITERIA",
    "INSTRUCTION",
    "REFERENCE",
    "BadRecordError",
    "Parts",
    "conversation",
    "has_criteria",
    "is_blank",
    "need_text",
    "optional_text",
    "reference_text",
]

Value = dict[str, Any]

CRITERIA: Final = "criteria"
"""The field that says what responses to a record are judged by."""

INSTRUCTION: Final = "every record needs an instruction"
REFERENCE: Final = "every record needs a reference answer, or criteria"
_NEEDED: Final = dict.fromkeys(
    ("output", "response", "answer", "completion", "solution", "reference"), REFERENCE
) | dict.fromkeys(("instruction", "question", "query", "prompt", "problem", "turns"), INSTRUCTION)
"""Why a record needs a field."""

_STRING: Final = "it must be a string"
_LEAVE_OUT: Final = "only texts can be judged, so leave the record out"
_ROLES: Final = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
}
_TOOL_ROLES: Final = ("tool", "function", "function_call", "observation", "ipython")
_OTHER_PARTS: Final = (
    *("tool_calls", "function_call"),
    *("image", "images", "video", "videos", "audio", "audios"),
)
_FORMS: Final = (("role", "content"), ("from", "value"))


class Parts(NamedTuple):
    """What a record says, whatever its format; as in :class:`~pytest_llmjudge.data.Record`."""

    instruction: str
    input: str
    output: str
    system: str = ""
    turns: tuple[Turn, ...] = ()
    is_raw: bool = False
    criteria: tuple[Criterion, ...] = ()
    follow_ups: tuple[FollowUp, ...] = ()


class BadRecordError(Exception):
    """What is wrong with a record.

    Args:
        problem: What is wrong.
        hint: What to do.
        cause: What other records share whose ``problem`` differs; empty for ``problem`` itself.
    """

    def __init__(self, problem: str, hint: str, cause: str = "") -> None:
        super().__init__(problem, hint, cause)
        self.problem = problem
        self.hint = hint
        self.cause = cause


def need_text(value: Value, field: str) -> str:
    """Return a field that must hold a text.

    Raises:
        BadRecordError: It is missing, blank, or no text.
    """
    text = value.get(field)
    if type(text) is str:
        if text.strip():
            return text
        problem = f'"{field}" is empty'
        raise BadRecordError(problem, _NEEDED[field])
    if field not in value:
        problem = f'"{field}" is missing'
        raise BadRecordError(problem, _NEEDED[field])
    problem = f'"{field}" is {kind_of(text)}'
    raise BadRecordError(problem, _NEEDED[field] if text is None else _STRING)


def reference_text(value: Value, field: str) -> str:
    """Return a field that holds the reference, which a record with criteria need not have.

    Raises:
        BadRecordError: It is missing or blank without criteria, or no text.
    """
    return "" if has_criteria(value) and is_blank(value.get(field)) else need_text(value, field)


def is_blank(text: object) -> bool:
    """Say whether a field holds no text: nothing, null or blanks."""
    return text is None or (type(text) is str and not text.strip())


def has_criteria(value: Value) -> bool:
    """Say whether a record is judged by criteria."""
    return bool(value.get(CRITERIA))


def optional_text(value: Value, field: str) -> str:
    """Return a field that may hold a text; null and nothing are an empty one.

    Raises:
        BadRecordError: It is no text.
    """
    text = value.get(field)
    if text is None:
        return ""
    if type(text) is not str:
        problem = f'"{field}" is {kind_of(text)}'
        raise BadRecordError(problem, _STRING)
    return text


def conversation(
    field: str, messages: object, system: str, start: int = 0, *, needs_reference: bool = True
) -> Parts:
    """Read messages, whose last one of the assistant is the reference.

    Args:
        field: Where they stand, for messages.
        messages: Objects with ``role`` and ``content``, or ``from`` and ``value``.
        system: A system text that stands beside them.
        start: How many messages stand before the first that may be the reference.
        needs_reference: Whether there must be one; without it the last message may be the user's.

    Raises:
        BadRecordError: One of them is no text, or there is no reference with a question before it.
    """
    if not isinstance(messages, list) or not messages:
        shown = "empty" if messages == [] else kind_of(messages)
        problem = f'"{field}" is {shown}'
        raise BadRecordError(problem, "it must be a list of messages")
    said = [_message(number, message) for number, message in enumerate(messages, 1)]
    answers = (at for at, (role, _) in enumerate(said) if role == "assistant" and at >= start)
    last = max(answers, default=None)
    if not needs_reference and said[-1][0] == "user":
        said, last = [*said, ("assistant", "")], len(said)
    if last is None:
        problem = f'"{field}" has no message of the assistant'
        if needs_reference:
            raise BadRecordError(problem, REFERENCE)
        problem = "the last message is not the user's"
        raise BadRecordError(problem, "end with a question, or with the reference answer")
    if needs_reference and not said[last][1].strip():
        problem = f"message {last + 1}, the reference, is empty"
        raise BadRecordError(problem, REFERENCE, cause="reference")
    first = next(at for at, (role, _) in enumerate(said) if role != "system")
    if last == first or said[last - 1][0] != "user":
        problem = f"no message of the user stands before message {last + 1}, the reference"
        raise BadRecordError(problem, INSTRUCTION, cause="question")
    if not said[last - 1][1].strip():
        problem = f"message {last}, the last of the user, is empty"
        raise BadRecordError(problem, INSTRUCTION, cause="last")
    turns = said[first : last - 1]
    if any(role == "system" for role, _ in turns):
        problem = "a system message stands between the others"
        raise BadRecordError(problem, "write it first, or leave the record out")
    own = "\n\n".join(text for _, text in said[:first])
    if own and system and own != system:
        problem = '"system" and the system message differ'
        raise BadRecordError(problem, "leave one of them out")
    return Parts(
        said[last - 1][1], "", said[last][1], own or system, tuple(Turn(*one) for one in turns)
    )


def _message(number: int, message: object) -> tuple[str, str]:
    if type(message) is dict:
        role, text = message.get("role"), message.get("content")
        if len(message) == 2 and type(text) is str and type(role) is str and role in _ROLES:
            return _ROLES[role], text  # as nearly all are
    return _odd_message(number, message)


def _odd_message(number: int, message: object) -> tuple[str, str]:
    where = f"message {number}"
    if not isinstance(message, dict):
        problem = f"{where} is {kind_of(message)}"
        raise BadRecordError(problem, "a message is an object", cause="message")
    names = next((form for form in _FORMS if form[0] in message), _FORMS[0])
    role, content = (message.get(name) for name in names)
    for name in _OTHER_PARTS:
        if message.get(name):
            problem = f'{where} has "{name}"'
            raise BadRecordError(problem, _LEAVE_OUT, cause=name)
    if not isinstance(role, str) or role not in _ROLES:
        if role in _TOOL_ROLES:
            problem = f'{where} is of the role "{role}"'
            raise BadRecordError(problem, _LEAVE_OUT, cause=str(role))
        shown = f'"{one_line(role, 40)}"' if isinstance(role, str) else kind_of(role)
        problem = f'"{names[0]}" of {where} is {shown}'
        raise BadRecordError(
            problem,
            "it must be system, user or assistant",
            cause="role",
        )
    return _ROLES[role], _content(where, names[1], content)


def _content(where: str, name: str, content: object) -> str:
    """Return a message's text; several parts of it are joined by line breaks."""
    if type(content) is str:
        return content
    if not isinstance(content, list):
        problem = f'"{name}" of {where} is {kind_of(content)}'
        raise BadRecordError(problem, "it must be a text, or a list of texts", cause="content")
    texts = []
    for part in content:
        kind, text = (part.get("type"), part.get("text")) if isinstance(part, dict) else ("", part)
        if kind not in ("text", "") or type(text) is not str:
            shown = f'"{one_line(str(kind), 40)}"' if kind != "text" else "text without text"
            problem = f"{where} has a part of the type {shown}"
            raise BadRecordError(problem, _LEAVE_OUT, cause=f"part {kind}")
        texts.append(text)
    return "\n".join(texts)
