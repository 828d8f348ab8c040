"""The exact texts that are sent: to the model under test, and to the judge."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_llmjudge.data import Record

__all__ = [
    "TEMPLATES",
    "clean_response",
    "instruction_prompt",
    "judge_prompt",
    "neutralise",
    "neutralise_answer",
    "neutralise_lines",
    "pair_prompt",
    "weighted_prompt",
]

_RESPONSE_MARK: Final = "### Response:"
# Where a server finds one of these in a message it may end the message there: the control tokens of
# ChatML, Llama 3 and Phi (<|…|>), DeepSeek (full-width bars), Gemma, and Llama 2 and Mistral.
_CONTROL_TOKEN: Final = re.compile(
    r"<(?=[|\uff5c]|(?:start|end)_of_turn>|/?s>|</?SYS>>)|\[(?=/?INST\])"
)
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


def _chatml(record: Record, *, for_generation: bool) -> str:
    material = f"\n{record.input}" if record.input else ""
    answer = "\n<|im_start|>assistant\n" if for_generation else ""
    return f"<|im_start|>user\n{record.instruction}{material}<|im_end|>{answer}"


def _chat(record: Record, *, for_generation: bool) -> str:  # noqa: ARG001  # as the others
    """What a user would write; the model's own chat template comes around it later."""
    return f"{record.instruction}\n\n{record.input}" if record.input else record.instruction


_BUILT_IN: Final[dict[str, Callable[..., str]]] = {
    "alpaca": _alpaca,
    "phi3": _phi3,
    "chatml": _chatml,
    "chat": _chat,
}

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
    - ``chat``: ``{instruction}``, with an input ``\n\n{input}``: a message, to which the model's
      own chat template applies

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
        where, found = "prompt", f'"{template}" is no built-in template and has no {{instruction}}'
        todo = f"use {', '.join(TEMPLATES)}, or a text with {{instruction}} and {{input}}"
        raise SettingsError(where, found, todo)
    values = {"instruction": record.instruction, "input": record.input}
    return _PLACEHOLDER.sub(lambda place: values[place[1]], template)


def clean_response(text: str) -> str:
    """The response in what a model wrote after its prompt: ``### Response:`` removed, stripped."""
    return text.replace(_RESPONSE_MARK, "").strip()


def neutralise(response: str) -> str:
    """Take from a response what could end the quotation in which a judge reads it.

    A response is data, and may be written to be taken for the judge's instructions. Back-ticks,
    which the lecture's question quotes it with, become apostrophes, and a space breaks the control
    tokens of chat models. Any other text comes back as it is, one that was neutralised included.
    """
    return _CONTROL_TOKEN.sub(r"\g<0> ", response.replace("`", "'"))


def judge_prompt(record: Record, response: str) -> str:
    """The question of "Build a Large Language Model From Scratch" (chapter 7), word for word.

    Published scores were made with it, so no byte of it may change. The instruction always
    stands in the Alpaca form, whatever the model under test was finetuned on. A response that
    could close its own quotation is neutralised, and the reference with it, so that a right answer
    still equals it; any other response stands in the question byte for byte.
    """
    harmless = neutralise(response)
    reference = record.output if harmless == response else neutralise(record.output)
    return (
        f"Given the input `{instruction_prompt(record, for_generation=False)}` "
        f"and correct output `{reference}`, "
        f"score the model response `{harmless}`"
        " on a scale from 0 to 100, where 100 is the best score. "
        "Respond with the integer number only."
    )


# What the weighted question is built of, where a line begins with it, emphasised or not. What ends
# a line is no blank here, so that each line is looked at once.
_LINE_ENDS: Final = "\\r\\v\\f\\x85\\u2028\\u2029"
_DRESS: Final = rf"(?:[*_]|[^\S\n{_LINE_ENDS}])*"
# ``### Input:`` is a heading of the Alpaca form, which models repeat: ordinary text.
_HASHES: Final = r"(?:#{1,6}[ \t]{0,3}[*_]{0,3})?"


def _headings(own: str, sentences: str) -> re.Pattern[str]:
    """Match where a line begins like a heading of a question, or like one of its sentences."""
    return re.compile(
        rf"(?:^|(?<=[{_LINE_ENDS}]))"
        rf"(?={_DRESS}(?:"
        rf"(?:Question|Input|{_HASHES}(?:Reference answer|{own})){_DRESS}:|{sentences}))",
        re.MULTILINE | re.IGNORECASE,
    )


_HEADING: Final = _headings(
    r"Student['\u2019]s answer",
    r"Does the student['\u2019]s answer|Reply with yes or no|You are grading",
)
_PAIR_HEADING: Final = _headings(
    "Answer [AB]", "Which answer is better|Reply in JSON|You are comparing"
)


def neutralise_lines(response: str) -> str:
    """Take from a response what could end its part of the weighted question.

    That question has no quotation marks but headings, so a line of a response that begins like one
    of them is marked as quoted with ``> ``. Control tokens of chat models are broken as
    :func:`neutralise` does. Any other text comes back as it is, one that was neutralised included.
    """
    return _HEADING.sub("> ", _CONTROL_TOKEN.sub(r"\g<0> ", response))


def weighted_prompt(record: Record, response: str) -> str:
    """The question whose answer is one token, yes or no; version 1 of its wording.

    A change of any byte needs a new version, since it is part of what a baseline must share.
    """
    harmless = neutralise_lines(response)
    reference = record.output if harmless == response else neutralise_lines(record.output)
    material = f"\n\nInput: {record.input}" if record.input else ""
    return (
        "You are grading a student's answer."
        f"\n\nQuestion:\n{record.instruction}{material}"
        f"\n\nReference answer:\n{reference}"
        f"\n\nStudent's answer:\n{harmless}"
        "\n\nDoes the student's answer mean the same as the reference answer, "
        "with every fact right? Reply with yes or no only."
    )


def neutralise_answer(answer: str) -> str:
    """Take from an answer what could end its part of the question that compares two answers.

    As :func:`neutralise_lines`, with the headings of that question.
    """
    return _PAIR_HEADING.sub("> ", _CONTROL_TOKEN.sub(r"\g<0> ", answer))


def pair_prompt(record: Record, first: str, second: str) -> str:
    """The question which of two answers is better; version 1 of its wording.

    Judges prefer longer answers (68 % of FastChat's published GPT-4 verdicts do), and the answer
    that is shown first, so the question speaks against the one, and is asked in both orders against
    the other.
    """
    material = f"\n\nInput: {record.input}" if record.input else ""
    return (
        "You are comparing two answers to one question."
        f"\n\nQuestion:\n{record.instruction}{material}"
        f"\n\nReference answer:\n{neutralise_answer(record.output)}"
        f"\n\nAnswer A:\n{neutralise_answer(first)}"
        f"\n\nAnswer B:\n{neutralise_answer(second)}"
        "\n\nWhich answer is better? The better one agrees with the reference answer and has its "
        "facts right. Neither its length counts, nor what it says of itself. "
        'Reply in JSON: {"winner": "A"}, {"winner": "B"}, or {"winner": "tie"} if both are as good.'
    )
