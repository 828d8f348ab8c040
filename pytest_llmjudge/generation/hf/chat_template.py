"""Prompts as tokens of a transformers tokenizer: no text of a record becomes a control token.

A control token is one that ends a turn or opens another, such as ``<|im_end|>``. In a record such
words stay words; only the tokenizer itself and the chat template add control tokens.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_llmjudge.data import Turn
from pytest_llmjudge.errors import CheckpointError, one_line
from pytest_llmjudge.jinja_child import DAY
from pytest_llmjudge.scoring import ends_in_thoughts
from pytest_llmjudge.settings import CHAT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_llmjudge.data import Prompt

__all__ = ["ChatTemplate", "split_behind", "text_ids"]

_FIRST_PLACE, _PLACES = 0xE000, 6400
"""Characters for private use, which stand for messages in a rendered template."""

_PLACE = re.compile(f"([{chr(_FIRST_PLACE)}-{chr(_FIRST_PLACE + _PLACES - 1)}])")

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

    def message_ids(self, prompt: Prompt) -> list[int]:
        """Return the tokens of a user's message, or of a conversation that ends with one.

        Args:
            prompt: Anything.

        Raises:
            CheckpointError: There is no chat template, or it cannot be used.
        """
        turns = _turns(prompt)
        ids = _template_ids(self._tokenizer, self._rendered(turns))
        frame = self._frame(tuple(turn.role for turn in turns))
        if self._controls_in(ids, frame) == frame.added:
            return ids
        words = [_words(self._tokenizer, turn.text) for turn in turns]
        return [
            token
            for number, part in enumerate(frame.parts)
            for token in (words[part] if number % 2 else part)
        ]

    def opens_thoughts(self, prompt: Prompt) -> bool:
        """Say whether the template opens thoughts behind the messages of a prompt.

        Args:
            prompt: Anything.

        Raises:
            CheckpointError: There is no chat template, or it cannot be used.
        """
        return self._frame(tuple(turn.role for turn in _turns(prompt))).opens_thoughts

    def answered_ids(self, prompt: Prompt, answer: str) -> tuple[list[int], list[int]]:
        """Return the tokens of a prompt, as :meth:`message_ids` does, and of its answer.

        Both are encoded as one text, in which a token with characters of both belongs to the
        answer. Only where words of theirs look like control tokens is each encoded by itself.

        Args:
            prompt: As :meth:`message_ids` takes it.
            answer: Anything; the tokenizer has to be a fast one.

        Raises:
            CheckpointError: There is no chat template, or it cannot be used.
        """
        turns = _turns(prompt)
        alone, rendered = self.message_ids(prompt), self._rendered(turns)
        encoded = self._tokenizer(
            rendered + answer, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        ids: list[int] = encoded["input_ids"]
        frame = self._frame(tuple(turn.role for turn in turns))
        if self._controls_in(ids, frame) != self._controls_in(alone, frame):
            return alone, _words(self._tokenizer, answer)
        return split_behind(ids, encoded["offset_mapping"], len(rendered))

    @cached_property
    def closing_ids(self) -> list[int]:
        """The tokens that the template writes behind an answer.

        Raises:
            CheckpointError: There is no chat template, or it cannot be used.
        """
        place = chr(_FIRST_PLACE)
        text = self._rendered([Turn("user", "?"), Turn("assistant", place)])
        return _template_ids(self._tokenizer, text.rpartition(place)[2] if place in text else "")

    def _frame(self, roles: tuple[str, ...]) -> _Frame:
        """Return what the template makes of messages of some roles.

        Raises:
            CheckpointError: There is no chat template, it cannot be used, or it leaves one out.
        """
        if roles not in self._frames:
            places = [chr(_FIRST_PLACE + number) for number in range(len(roles))]
            if len(places) > _PLACES:
                problem = f"a conversation of more than {_PLACES:,} messages"
                raise CheckpointError(str(self._folder), problem, "shorten it")
            text = self._rendered(
                [Turn(role, place) for role, place in zip(roles, places, strict=True)]
            )
            if not set(places) <= set(text):
                problem = "its chat template leaves a message of a conversation out"
                raise CheckpointError(str(self._folder), problem, f"correct it, or {_TODO}")
            self._frames[roles] = _frame(self._tokenizer, text)
        return self._frames[roles]

    @cached_property
    def _frames(self) -> dict[tuple[str, ...], _Frame]:
        return {}

    @cached_property
    def _in_parts(self) -> bool:
        """Whether the template takes messages in parts."""
        return _takes_parts(self._folder, self._tokenizer)

    def _controls_in(self, ids: Sequence[int], frame: _Frame) -> list[int]:
        return [token for token in ids if token in frame.control]

    def _rendered(self, turns: Sequence[Turn]) -> str:
        return _render(self._folder, self._tokenizer, turns, in_parts=self._in_parts)


class _Frame(NamedTuple):
    """A template around the places of messages.

    Attributes:
        parts: The tokens before, between and behind the places, and between each two of them the
            number of the message that stands there.
        control: The tokens that only the template may write.
        added: Those that it writes, in order.
        opens_thoughts: Whether its end opens thoughts, which the model goes on with.
    """

    parts: list[Any]
    control: set[int]
    added: list[int]
    opens_thoughts: bool


def _frame(tokenizer: Tokenizer, text: str) -> _Frame:
    parts: list[Any] = [
        ord(part) - _FIRST_PLACE if number % 2 else _template_ids(tokenizer, part)
        for number, part in enumerate(_PLACE.split(text))
    ]
    control = _control(tokenizer, text)
    added = [token for part in parts[::2] for token in part if token in control]
    return _Frame(parts, control, added, ends_in_thoughts(text))


def _turns(prompt: Prompt) -> Sequence[Turn]:
    return [Turn("user", prompt)] if isinstance(prompt, str) else prompt


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


def _takes_parts(folder: Path, tokenizer: Tokenizer) -> bool:
    """Say whether a template takes messages in parts only.

    Templates of models that see pictures too may leave out a message that is no list of parts.

    Raises:
        CheckpointError: There is no chat template, or it takes messages in neither way.
    """
    reason = "its chat template leaves the message out"
    problem = CheckpointError(str(folder), reason, f"correct it, or {_TODO}")
    place = chr(_FIRST_PLACE)
    for in_parts in (False, True):
        try:
            text = _render(folder, tokenizer, [Turn("user", place)], in_parts=in_parts)
        except CheckpointError as error:
            problem = problem if in_parts else error
            continue
        if place in text:
            return in_parts
    raise problem


def _render(folder: Path, tokenizer: Tokenizer, turns: Sequence[Turn], *, in_parts: bool) -> str:
    """Render messages; behind a user's the model begins."""
    if not tokenizer.chat_template:
        raise CheckpointError(str(folder), "it has no chat template", _TODO)
    chat = [
        {
            "role": turn.role,
            "content": [{"type": "text", "text": turn.text}] if in_parts else turn.text,
        }
        for turn in turns
    ]
    try:
        text: str = tokenizer.apply_chat_template(
            chat,
            add_generation_prompt=turns[-1].role == "user",
            tokenize=False,
            chat_template=_with_day(tokenizer.get_chat_template()),
            enable_thinking=False,
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
        f"|replace('%{code}', '{DAY.strftime('%' + code)}')" for code in "aAbBdeHIjmMpSyY"
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
