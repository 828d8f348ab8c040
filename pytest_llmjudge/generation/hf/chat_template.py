"""Prompts as tokens of a transformers tokenizer: no text of a record becomes a control token.

A control token is one that ends a turn or opens another, such as ``<|im_end|>``. In a record such
words stay words; only the tokenizer itself and the chat template add control tokens.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import CheckpointError, one_line
from pytest_llmjudge.settings import CHAT

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["answered_ids", "closing_ids", "message_ids", "text_ids"]

_PLACE = "\ue000"
"""Stands for a message in a rendered template: a character for private use."""

_DAY = datetime(2024, 7, 26, tzinfo=timezone.utc)
"""The day of every run, for templates that tell the model: today's would change answers daily. It
is the one that Llama's templates have where nobody tells a day.
"""

_CLOCK = "strftime_now"

_TODO = f"choose another prompt than {CHAT!r}"

Tokenizer = Any  # transformers has no types


def text_ids(tokenizer: Tokenizer, text: str, *, begin: bool) -> list[int]:
    """Return the tokens of a text.

    Args:
        tokenizer: Of transformers.
        text: Anything.
        begin: Whether to add what this tokenizer adds to a text, such as a token for its beginning.
    """
    ids: list[int] = tokenizer(
        text, add_special_tokens=begin, split_special_tokens=True, verbose=False
    )["input_ids"]
    return ids


def message_ids(folder: Path, tokenizer: Tokenizer, message: str) -> list[int]:
    """Return the tokens of a user's message in the folder's own chat template.

    Args:
        folder: For messages of errors.
        tokenizer: Of transformers.
        message: Anything.

    Raises:
        CheckpointError: There is no chat template, or it cannot be used.
    """
    template, in_parts = _template(folder, tokenizer)
    ids = _template_ids(tokenizer, _render(folder, tokenizer, message, in_parts=in_parts))
    control = _control(tokenizer, template)
    parts = [_template_ids(tokenizer, part) for part in template.split(_PLACE)]
    added = [token for part in parts for token in part if token in control]
    if [token for token in ids if token in control] == added:
        return ids
    words = _words(tokenizer, message)
    first, *others = parts
    return first + [token for part in others for token in (*words, *part)]


def answered_ids(
    folder: Path, tokenizer: Tokenizer, message: str, answer: str
) -> tuple[list[int], list[int]]:
    """Return the tokens of a user's message, as :func:`message_ids` does, and of its answer.

    Both are encoded as one text, in which a token with characters of both belongs to the answer.
    Only where words of theirs look like control tokens is each encoded by itself.

    Args:
        folder: For messages of errors.
        tokenizer: Of transformers, a fast one.
        message: Anything.
        answer: Anything.

    Raises:
        CheckpointError: There is no chat template, or it cannot be used.
    """
    alone = message_ids(folder, tokenizer, message)
    template, in_parts = _template(folder, tokenizer)
    rendered = _render(folder, tokenizer, message, in_parts=in_parts)
    encoded = tokenizer(
        rendered + answer, add_special_tokens=False, return_offsets_mapping=True, verbose=False
    )
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    control = _control(tokenizer, template)
    if [token for token in ids if token in control] != [one for one in alone if one in control]:
        return alone, _words(tokenizer, answer)
    ends = (at for at, (_, end) in enumerate(offsets) if end > len(rendered))
    split = next(ends, len(ids))
    return ids[:split], ids[split:]


def closing_ids(folder: Path, tokenizer: Tokenizer) -> list[int]:
    """Return the tokens that the folder's chat template writes behind an answer.

    Raises:
        CheckpointError: There is no chat template, or it cannot be used.
    """
    _, in_parts = _template(folder, tokenizer)
    text = _render(folder, tokenizer, "?", _PLACE, in_parts=in_parts)
    return _template_ids(tokenizer, text.rpartition(_PLACE)[2] if _PLACE in text else "")


def _template(folder: Path, tokenizer: Tokenizer) -> tuple[str, bool]:
    """Return the template around the place of a message, and whether it takes messages in parts.

    Templates of models that see pictures too may leave out a message that is no list of parts.
    """
    found = "its chat template leaves the message out"
    problem = CheckpointError(str(folder), found, f"correct it, or {_TODO}")
    for in_parts in (False, True):
        try:
            text = _render(folder, tokenizer, _PLACE, in_parts=in_parts)
        except CheckpointError as error:
            problem = problem if in_parts else error
            continue
        if _PLACE in text:
            return text, in_parts
    raise problem


def _render(folder: Path, tokenizer: Tokenizer, *messages: str, in_parts: bool) -> str:
    """Render messages of a user and of the model in turn; behind a user's the model begins."""
    if not tokenizer.chat_template:
        raise CheckpointError(str(folder), "it has no chat template", _TODO)
    chat = [
        {
            "role": "assistant" if number % 2 else "user",
            "content": [{"type": "text", "text": message}] if in_parts else message,
        }
        for number, message in enumerate(messages)
    ]
    try:
        text: str = tokenizer.apply_chat_template(
            chat,
            add_generation_prompt=len(messages) % 2 == 1,
            tokenize=False,
            chat_template=_with_day(tokenizer.get_chat_template()),
        )
    except Exception as error:  # noqa: BLE001 - a template may raise whatever it wants
        told = f"{type(error).__name__}: {one_line(str(error), 200)}"
        found = f"its chat template cannot be used ({told})"
        raise CheckpointError(str(folder), found, f"correct it, or {_TODO}") from None
    return text


def _with_day(template: str) -> str:
    """Give a template that asks for the time a clock that stands still."""
    if _CLOCK not in template:
        return template
    told = "".join(
        f"|replace('%{code}', '{_DAY.strftime('%' + code)}')" for code in "aAbBdeHIjmMpSyY"
    )
    return f"{{%- macro {_CLOCK}(form) -%}}{{{{ form{told} }}}}{{%- endmacro %}}{template}"


def _template_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    # The template has written the token for the beginning itself, where the model wants one.
    ids: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return ids


def _control(tokenizer: Tokenizer, template: str) -> set[int]:
    """Return the special tokens, and those that the template uses as such."""
    return {
        number
        for number, token in tokenizer.added_tokens_decoder.items()
        if token.special or (token.content.strip() and token.content in template)
    } - {tokenizer.unk_token_id}


def _words(tokenizer: Tokenizer, text: str) -> list[int]:
    """Return a text's tokens as if the tokenizer had no added ones, special or not."""
    if not tokenizer.is_fast:
        return text_ids(tokenizer, text, begin=False)
    steps = tokenizer.backend_tokenizer
    if steps.normalizer is not None:
        text = steps.normalizer.normalize_str(text)
    pieces = [text]
    if steps.pre_tokenizer is not None:
        pieces = [piece for piece, _ in steps.pre_tokenizer.pre_tokenize_str(text)]
    return [token.id for piece in pieces for token in steps.model.tokenize(piece)]
