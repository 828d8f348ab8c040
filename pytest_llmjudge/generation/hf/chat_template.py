"""Prompts as tokens of a transformers tokenizer: no text of a record becomes a control token.

A control token is one that ends a turn or opens another, such as ``<|im_end|>``. In a record such
words stay words; only the tokenizer itself and the chat template add control tokens.
"""

from __future__ import annotations

from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import CheckpointError, one_line
from pytest_llmjudge.settings import CHAT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["ChatTemplate", "split_behind", "text_ids"]

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


class ChatTemplate:
    """A folder's chat template around messages, as tokens.

    What does not depend on the messages is worked out once.

    Args:
        folder: For messages of errors.
        tokenizer: Of transformers.
    """

    def __init__(self, folder: Path, tokenizer: Tokenizer) -> None:
        self._folder = folder
        self._tokenizer = tokenizer

    def message_ids(self, message: str) -> list[int]:
        """Return the tokens of a user's message.

        Args:
            message: Anything.

        Raises:
            CheckpointError: There is no chat template, or it cannot be used.
        """
        ids = _template_ids(self._tokenizer, self._rendered(message))
        added = [token for part in self._parts for token in part if token in self._control]
        if self._controls_in(ids) == added:
            return ids
        words = _words(self._tokenizer, message)
        first, *others = self._parts
        return first + [token for part in others for token in (*words, *part)]

    def answered_ids(self, message: str, answer: str) -> tuple[list[int], list[int]]:
        """Return the tokens of a user's message, as :meth:`message_ids` does, and of its answer.

        Both are encoded as one text, in which a token with characters of both belongs to the
        answer. Only where words of theirs look like control tokens is each encoded by itself.

        Args:
            message: Anything.
            answer: Anything; the tokenizer has to be a fast one.

        Raises:
            CheckpointError: There is no chat template, or it cannot be used.
        """
        alone, rendered = self.message_ids(message), self._rendered(message)
        encoded = self._tokenizer(
            rendered + answer, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        ids: list[int] = encoded["input_ids"]
        if self._controls_in(ids) != self._controls_in(alone):
            return alone, _words(self._tokenizer, answer)
        return split_behind(ids, encoded["offset_mapping"], len(rendered))

    @cached_property
    def closing_ids(self) -> list[int]:
        """The tokens that the template writes behind an answer.

        Raises:
            CheckpointError: There is no chat template, or it cannot be used.
        """
        text = self._rendered("?", _PLACE)
        return _template_ids(self._tokenizer, text.rpartition(_PLACE)[2] if _PLACE in text else "")

    @cached_property
    def _around(self) -> tuple[str, bool]:
        """The template around the place of a message, and whether it takes messages in parts."""
        return _template(self._folder, self._tokenizer)

    @cached_property
    def _parts(self) -> list[list[int]]:
        """The tokens before, between and behind the places of a message."""
        return [_template_ids(self._tokenizer, part) for part in self._around[0].split(_PLACE)]

    @cached_property
    def _control(self) -> set[int]:
        return _control(self._tokenizer, self._around[0])

    def _controls_in(self, ids: Sequence[int]) -> list[int]:
        return [token for token in ids if token in self._control]

    def _rendered(self, *messages: str) -> str:
        in_parts = self._around[1]
        return _render(self._folder, self._tokenizer, *messages, in_parts=in_parts)


def split_behind(
    ids: list[int], offsets: Sequence[tuple[int, int]], length: int
) -> tuple[list[int], list[int]]:
    """Split the tokens of a text behind its first characters.

    Args:
        ids: Of the text.
        offsets: First character of each token, and the one behind its last.
        length: How many characters belong to the first part; a token that has characters of both
            belongs to the second.
    """
    split = next((at for at, (_, end) in enumerate(offsets) if end > length), len(ids))
    return ids[:split], ids[split:]


def _template(folder: Path, tokenizer: Tokenizer) -> tuple[str, bool]:
    """Return the template around the place of a message, and whether it takes messages in parts.

    Templates of models that see pictures too may leave out a message that is no list of parts.
    """
    reason = "its chat template leaves the message out"
    problem = CheckpointError(str(folder), reason, f"correct it, or {_TODO}")
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
        cause = f"{type(error).__name__}: {one_line(str(error), 200)}"
        problem = f"its chat template cannot be used ({cause})"
        raise CheckpointError(str(folder), problem, f"correct it, or {_TODO}") from None
    return text


def _with_day(template: str) -> str:
    """Give a template that asks for the time a clock that stands still."""
    if _CLOCK not in template:
        return template
    filters = "".join(
        f"|replace('%{code}', '{_DAY.strftime('%' + code)}')" for code in "aAbBdeHIjmMpSyY"
    )
    return f"{{%- macro {_CLOCK}(form) -%}}{{{{ form{filters} }}}}{{%- endmacro %}}{template}"


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
