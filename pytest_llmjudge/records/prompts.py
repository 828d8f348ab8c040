"""The exact prompts of a model under test, and the response in what it writes."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.data import Turn
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.records.answers import join_answers
from pytest_llmjudge.records.framing import FramedText, framed, places, split_frame
from pytest_llmjudge.settings import CHAT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_llmjudge.data import Prompt, Record

__all__ = [
    "CONVERSATIONS",
    "TEMPLATES",
    "built_in_frame",
    "check_fit",
    "clean_response",
    "framed_prompt",
    "given_response",
    "instruction_prompt",
    "is_blank",
    "is_conversation",
    "messages_of",
    "model_prompt",
    "plain_prompt",
]

_RESPONSE_MARK: Final = "### Response:"
_PLACEHOLDER: Final = re.compile(r"\{(instruction|input)\}")


def _alpaca(record: Record, *, for_generation: bool) -> str:
    """The lecture's prompt, on which its model was finetuned."""
    task = (
        "Below is an instruction that describes a task. "
        "Write a response that appropriately completes the request."
        f"\n\n### Instruction:\n{record.instruction}"
    )
    material = f"\n\n### Input:\n{record.input}" if record.input else ""
    answer = f"\n\n{_RESPONSE_MARK}\n" if for_generation else ""
    return task + material + answer


def _phi3(record: Record, *, for_generation: bool) -> str:
    material = f"\n{record.input}" if record.input else ""
    answer = "\n<|assistant|>:" if for_generation else ""
    return f"<|user|>\n{record.instruction}{material}{answer}"


def _message(record: Record) -> str:
    """What a user would write; a chat template comes around it."""
    return f"{record.instruction}\n\n{record.input}" if record.input else record.instruction


def _raw(record: Record, *, for_generation: bool) -> str:  # noqa: ARG001  # as the others
    return _message(record)


def messages_of(record: Record) -> tuple[Turn, ...]:
    """Return a record as messages: its system text, the turns before it, and the user's last."""
    system = (Turn("system", record.system),) if record.system else ()
    return (*system, *record.turns, Turn("user", _message(record)))


# The templates below have no token for the beginning of a text: whoever makes tokens of the text
# puts it in front, as of any other.


def _chatml(record: Record, *, for_generation: bool) -> str:
    """ChatML as in transformers' documentation and in OpenHermes 2.5: nothing is stripped."""
    material = f"\n{record.input}" if record.input else ""
    *before, _ = messages_of(record)
    turns = "\n".join(
        f"<|im_start|>{turn.role}\n{turn.text}<|im_end|>"
        for turn in (*before, Turn("user", f"{record.instruction}{material}"))
    )
    return turns + ("\n<|im_start|>assistant\n" if for_generation else "")


def _llama3(record: Record, *, for_generation: bool) -> str:
    """The template of Meta-Llama-3-8B-Instruct."""
    turns = "".join(
        f"<|start_header_id|>{turn.role}<|end_header_id|>\n\n{turn.text.strip()}<|eot_id|>"
        for turn in messages_of(record)
    )
    answer = "<|start_header_id|>assistant<|end_header_id|>\n\n"
    return turns + (answer if for_generation else "")


def _gemma(record: Record, *, for_generation: bool) -> str:
    """The template of Gemma 3, which has the system text before the first message of the user."""
    prefix = f"{record.system}\n\n" if record.system else ""
    roles = {"user": "user", "assistant": "model"}
    text = ""
    for turn in messages_of(record)[bool(record.system) :]:
        text += f"<start_of_turn>{roles[turn.role]}\n{prefix}{turn.text.strip()}<end_of_turn>\n"
        prefix = ""
    return text + ("<start_of_turn>model\n" if for_generation else "")


def _mistral(record: Record, *, for_generation: bool) -> str:  # noqa: ARG001  # as the others
    """The template of Mistral-7B-Instruct-v0.2: the system text before the user's first message."""
    prefix = f"{record.system}\n\n" if record.system else ""
    text = ""
    for turn in messages_of(record)[bool(record.system) :]:
        is_user = turn.role == "user"
        text += f" [INST] {prefix}{turn.text} [/INST]" if is_user else f" {turn.text}</s>"
        prefix = ""
    return text


_VICUNA: Final = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
    "helpful, detailed, and polite answers to the user's questions."
)


def _vicuna(record: Record, *, for_generation: bool) -> str:
    """FastChat's vicuna_v1.1, whose own system text stands where a record has none."""
    text = f"{record.system or _VICUNA} "
    for turn in messages_of(record)[bool(record.system) :]:
        is_user = turn.role == "user"
        text += f"USER: {turn.text} " if is_user else f"ASSISTANT: {turn.text}</s>"
    return text + ("ASSISTANT:" if for_generation else "")


_BUILT_IN: Final[dict[str, Callable[..., str]]] = {
    "alpaca": _alpaca,
    "phi3": _phi3,
    "chatml": _chatml,
    "llama3": _llama3,
    "gemma": _gemma,
    "mistral": _mistral,
    "vicuna": _vicuna,
    "raw": _raw,
    CHAT: _raw,
}
CONVERSATIONS: Final = ("chatml", "llama3", "gemma", "mistral", "vicuna", CHAT)
"""The built-in templates that have places for a system text and earlier turns."""

_ALTERNATING: Final = ("gemma", "mistral")

TEMPLATES: Final = tuple(_BUILT_IN)
"""Names of the built-in templates."""


def instruction_prompt(record: Record, template: str = "alpaca", *, for_generation: bool) -> str:
    r"""Put a record's instruction into the form a model was finetuned on.

    - ``alpaca``: ``Below is an instruction that describes a task. Write a response that
      appropriately completes the request.\n\n### Instruction:\n{instruction}``, with an input
      ``\n\n### Input:\n{input}``, for generation ``\n\n### Response:\n``
    - ``phi3``: ``<|user|>\n{instruction}``, with an input ``\n{input}``, for generation
      ``\n<|assistant|>:``
    - ``chatml``: ``<|im_start|>user\n{instruction}``, with an input ``\n{input}``, then
      ``<|im_end|>``, for generation ``\n<|im_start|>assistant\n``
    - ``llama3``, ``gemma``, ``mistral``, ``vicuna``: as the templates of Llama 3, Gemma 3,
      Mistral 7B v0.2 and Vicuna 1.1, with ``{instruction}``, with an input ``\n\n{input}``, as the
      user's last message; like ``chatml`` they have places for a system text and earlier turns
    - ``raw``: ``{instruction}``, with an input ``\n\n{input}``, and nothing else
    - ``chat``: the same, as a message to which the model's own chat template applies

    Args:
        record: The record to ask about.
        template: A built-in name, or the text of a template with ``{instruction}`` and, if it
            has a place for it, ``{input}``. Such a text is used whole, for generation or not.
        for_generation: Whether the prompt ends where the model is to write on.

    Raises:
        SettingsError: ``template`` is neither a built-in name nor has it an ``{instruction}``.
    """
    built_in = _BUILT_IN.get(template)
    if built_in is not None:
        return built_in(record, for_generation=for_generation)
    if "{instruction}" not in template:
        where, problem = (
            "prompt",
            f'"{template}" is no built-in template and has no {{instruction}}',
        )
        hint = f"use {', '.join(TEMPLATES)}, or a text with {{instruction}} and {{input}}"
        raise SettingsError(where, problem, hint)
    values = {"instruction": record.instruction, "input": record.input}
    return _PLACEHOLDER.sub(lambda place: values[place[1]], template)


def is_conversation(record: Record) -> bool:
    """Say whether a record has more than an instruction and an input."""
    return bool(record.system or record.turns)


def model_prompt(record: Record, template: str) -> Prompt:
    """Return what a model under test reads: a text, or for ``chat`` the messages.

    Args:
        record: The record to ask about; its template has a place for all that it has.
        template: As :func:`instruction_prompt` takes it.

    Raises:
        SettingsError: As :func:`instruction_prompt`.
    """
    if template == CHAT and is_conversation(record):
        return messages_of(record)
    return instruction_prompt(record, template, for_generation=True)


def built_in_frame(record: Record, template: str) -> tuple[str, ...]:
    """Return what a built-in template for conversations writes around a record's messages.

    Returns:
        As of :func:`.split_frame`; it is the same for all records whose messages have the same
        roles.
    """
    messages = messages_of(record)
    marks = places(len(messages))
    turns = tuple(Turn(turn.role, mark) for turn, mark in zip(messages, marks, strict=True))
    system = marks[0] if record.system else ""
    blank = replace(
        record, instruction=marks[-1], input="", system=system, turns=turns[bool(system) : -1]
    )
    rendered = instruction_prompt(blank, template, for_generation=True)
    return split_frame(rendered, len(messages))


def framed_prompt(record: Record, prompt: str, frame: Sequence[str]) -> FramedText | None:
    """Tell what a template wrote into a prompt from what its record says.

    Args:
        record: The record.
        prompt: What the template made of its messages.
        frame: What it made of as many places with the same roles.

    Returns:
        The parts; ``None`` where the template changed more than the blanks around a message.
    """
    *before, last = messages_of(record)
    # ChatML's has a single line break before an input.
    ways = (last.text, f"{record.instruction}\n{record.input}") if record.input else (last.text,)
    return framed(prompt, frame, [*((turn.text,) for turn in before), ways])


def plain_prompt(prompt: Prompt) -> str | list[str] | list[list[str]]:
    """Return a prompt as plain data, of which keys are made."""
    if isinstance(prompt, FramedText):
        return list(prompt.parts)
    return prompt if isinstance(prompt, str) else [[turn.role, turn.text] for turn in prompt]


def check_fit(where: str, records: Sequence[Record], template: str) -> None:
    """Prove that a template has a place for all that some records have.

    Args:
        where: The suite and its template, for messages.
        records: Of a suite.
        template: As :func:`instruction_prompt` takes it.

    Raises:
        SettingsError: It has none for a system text or earlier turns, or takes no messages in the
            order of theirs.
    """
    others = ", ".join(name for name in CONVERSATIONS if name not in _ALTERNATING)
    hint = f"choose {others}, or a template in a .jinja file"
    if template not in CONVERSATIONS:
        talks = [record for record in records if is_conversation(record)]
        if talks:
            problem = "it has no place for the system text or the earlier turns of"
            raise SettingsError(where, f"{problem} {_some(talks, records)}", hint)
    elif template in _ALTERNATING:
        odd = [record for record in records if not _alternates(record)]
        if odd:
            problem = "it takes only messages of user and assistant in turn, not those of"
            raise SettingsError(where, f"{problem} {_some(odd, records)}", hint)


def _some(these: Sequence[Record], records: Sequence[Record]) -> str:
    return f"{len(these)} of {len(records)} records (the first is {these[0].id})"


def _alternates(record: Record) -> bool:
    roles = [turn.role for turn in record.turns]
    return roles == ["user", "assistant"] * (len(roles) // 2)


def clean_response(text: str) -> str:
    """The response in what a model wrote after its prompt: ``### Response:`` removed, stripped."""
    return text.replace(_RESPONSE_MARK, "").strip()


def given_response(record: Record, field: str) -> str:
    """Return the response that a record holds in a field: a text, or a list with one for each turn.

    Args:
        record: Of a file that was read with this as a field that holds responses.
        field: Its name.
    """
    given = record.fields[field]
    if record.follow_ups and isinstance(given, list):
        return join_answers([clean_response(text) for text in given])
    return clean_response(str(given))


def is_blank(text: str) -> bool:
    """Say whether a text shows nothing: no characters but blanks and invisible ones."""
    return not any(char.isprintable() and not char.isspace() for char in text)
