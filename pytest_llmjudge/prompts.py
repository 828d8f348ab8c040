"""The exact prompts of a model under test, and the response in what it writes."""

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
    "is_blank",
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


def _chatml(record: Record, *, for_generation: bool) -> str:
    material = f"\n{record.input}" if record.input else ""
    answer = "\n<|im_start|>assistant\n" if for_generation else ""
    return f"<|im_start|>user\n{record.instruction}{material}<|im_end|>{answer}"


def _chat(record: Record, *, for_generation: bool) -> str:  # noqa: ARG001  # as the others
    """What a user would write; the model's own chat template comes around it later."""
    return f"{record.instruction}\n\n{record.input}" if record.input else record.instruction


def _raw(record: Record, *, for_generation: bool) -> str:  # noqa: ARG001  # as the others
    return record.instruction


_BUILT_IN: Final[dict[str, Callable[..., str]]] = {
    "alpaca": _alpaca,
    "phi3": _phi3,
    "chatml": _chatml,
    "raw": _raw,
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
    - ``raw``: ``{instruction}``, as it stands
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
        where, problem = (
            "prompt",
            f'"{template}" is no built-in template and has no {{instruction}}',
        )
        hint = f"use {', '.join(TEMPLATES)}, or a text with {{instruction}} and {{input}}"
        raise SettingsError(where, problem, hint)
    values = {"instruction": record.instruction, "input": record.input}
    return _PLACEHOLDER.sub(lambda place: values[place[1]], template)


def clean_response(text: str) -> str:
    """The response in what a model wrote after its prompt: ``### Response:`` removed, stripped."""
    return text.replace(_RESPONSE_MARK, "").strip()


def is_blank(text: str) -> bool:
    """Say whether a text shows nothing: no characters but blanks and invisible ones."""
    return not any(char.isprintable() and not char.isspace() for char in text)
