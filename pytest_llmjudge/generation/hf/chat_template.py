"""A folder's own chat template around messages, as tokens of its tokenizer."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Turn
from pytest_llmjudge.errors import CheckpointError, one_line
from pytest_llmjudge.generation.hf.frames import TransformersEncoder
from pytest_llmjudge.generation.hf.rendering import RenderingError, render_template
from pytest_llmjudge.generation.reply import TemplateError
from pytest_llmjudge.generation.tokenizers.frames import Frame
from pytest_llmjudge.records.framing import places, split_frame
from pytest_llmjudge.records.jinja_child import DAY
from pytest_llmjudge.scoring import ends_in_thoughts
from pytest_llmjudge.settings import CHAT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_llmjudge.data import Prompt
    from pytest_llmjudge.generation.hf.frames import Tokenizer

__all__ = ["ChatTemplate"]

_PLACES = 6400
"""How many characters for private use there are, which stand for messages."""

_CLOCK = "strftime_now"

_TODO = f"choose another prompt than {CHAT!r}"


class ChatTemplate:
    """A folder's chat template around messages, as tokens.

    What does not depend on the messages is worked out once.

    Args:
        folder: For messages of errors.
        tokenizer: Of transformers.
    """

    def __init__(self, folder: Path, tokenizer: Tokenizer) -> None:
        self.folder = folder
        self._tokenizer = tokenizer
        self._encoder = TransformersEncoder(tokenizer)

    def message_ids(self, prompt: Prompt) -> list[int]:
        """Return the tokens of a user's message, or of a conversation that ends with one.

        Args:
            prompt: Anything.

        Raises:
            CheckpointError: There is no chat template, or it cannot be used.
        """
        turns = _turns(prompt)
        texts = [turn.text for turn in turns]
        return self._frame(turns).ids(self._rendered(turns), texts)

    def opens_thoughts(self, prompt: Prompt) -> bool:
        """Say whether the template opens thoughts behind the messages of a prompt.

        Args:
            prompt: Anything.

        Raises:
            CheckpointError: There is no chat template, or it cannot be used.
        """
        return ends_in_thoughts(self._frame(_turns(prompt)).text)

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
        texts = [turn.text for turn in turns]
        return self._frame(turns).pair(self._rendered(turns), texts, answer)

    @cached_property
    def closing_ids(self) -> list[int]:
        """The tokens that the template writes behind an answer.

        Raises:
            CheckpointError: There is no chat template, or it cannot be used.
        """
        (place,) = places(1)
        text = self._rendered([Turn("user", "?"), Turn("assistant", place)])
        closing = text.rpartition(place)[2] if place in text else ""
        return Frame(self._encoder, [closing]).ids(closing, [])

    def _frame(self, turns: Sequence[Turn]) -> Frame:
        """Return what the template makes of messages of some roles.

        Raises:
            CheckpointError: There is no chat template, it cannot be used, or it leaves one out.
        """
        roles = tuple(turn.role for turn in turns)
        if roles not in self._frames:
            if len(roles) > _PLACES:
                problem = f"a conversation of more than {_PLACES:,} messages"
                raise CheckpointError(str(self.folder), problem, "shorten it")
            marks = places(len(roles))
            text = self._rendered(list(map(Turn, roles, marks)))
            if not set(marks) <= set(text):
                problem = "its chat template leaves a message of a conversation out"
                raise TemplateError(str(self.folder), problem, f"correct it, or {_TODO}")
            self._frames[roles] = Frame(self._encoder, split_frame(text, len(roles)))
        return self._frames[roles]

    @cached_property
    def _frames(self) -> dict[tuple[str, ...], Frame]:
        return {}

    @cached_property
    def _in_parts(self) -> bool:
        """Whether the template takes messages in parts."""
        return _takes_parts(self.folder, self._tokenizer)

    def _rendered(self, turns: Sequence[Turn]) -> str:
        return _render(self.folder, self._tokenizer, turns, in_parts=self._in_parts)


def _turns(prompt: Prompt) -> Sequence[Turn]:
    return [Turn("user", prompt)] if isinstance(prompt, str) else prompt


def _takes_parts(folder: Path, tokenizer: Tokenizer) -> bool:
    """Say whether a template takes messages in parts only.

    Templates of models that see pictures too may leave out a message that is no list of parts.

    Raises:
        CheckpointError: There is no chat template, or it takes messages in neither way.
    """
    reason = "its chat template leaves the message out"
    problem = TemplateError(str(folder), reason, f"correct it, or {_TODO}")
    (place,) = places(1)
    for in_parts in (False, True):
        try:
            text = _render(folder, tokenizer, [Turn("user", place)], in_parts=in_parts)
        except TemplateError as error:
            problem = problem if in_parts else error
            continue
        if place in text:
            return in_parts
    raise problem


def _render(folder: Path, tokenizer: Tokenizer, turns: Sequence[Turn], *, in_parts: bool) -> str:
    """Render messages; behind a user's the model begins."""
    if not tokenizer.chat_template:
        raise TemplateError(str(folder), "it has no chat template", _TODO)
    chat = [
        {
            "role": turn.role,
            "content": [{"type": "text", "text": turn.text}] if in_parts else turn.text,
        }
        for turn in turns
    ]
    variables = {
        **tokenizer.special_tokens_map,
        "add_generation_prompt": turns[-1].role == "user",
        "enable_thinking": False,
    }
    try:
        template = _with_day(tokenizer.get_chat_template())
        return render_template(template, chat, variables)
    except Exception as error:  # noqa: BLE001 - transformers may raise whatever it wants
        name = "" if isinstance(error, RenderingError) else f"{type(error).__name__}: "
        cause = f"{name}{one_line(str(error), 200)}"
        problem = f"its chat template cannot be used ({cause})"
        raise TemplateError(str(folder), problem, f"correct it, or {_TODO}") from None


def _with_day(template: str) -> str:
    """Give a template that asks for the time a clock that stands still."""
    if _CLOCK not in template:
        return template
    filters = "".join(
        f"|replace('%{code}', '{DAY.strftime('%' + code)}')" for code in "aAbBdeHIjmMpSyY"
    )
    return f"{{%- macro {_CLOCK}(form) -%}}{{{{ form{filters} }}}}{{%- endmacro %}}{template}"
