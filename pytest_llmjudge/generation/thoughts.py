"""What a model thinks before it answers, cut from the answer by one rule for all models."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_llmjudge.errors import PromptError
from pytest_llmjudge.scoring import ends_in_thoughts, opens_thoughts, strip_thoughts

if TYPE_CHECKING:
    from pytest_llmjudge.data import Completion, Prompt

__all__ = ["no_answer", "prompt_opens", "split_thoughts", "without_thoughts"]

_TAGS: Final = re.compile(r"\A\s*<think(?:ing)?>|</think(?:ing)?>\Z")


class SplitText(NamedTuple):
    """What a model wrote, taken apart.

    Attributes:
        answer: What follows the thoughts, or all of the text where there are none; ``None`` where
            nothing follows them.
        thoughts: Without their tags and the whitespace around them; empty for none.
        is_finished: Whether thoughts that began have an end.
    """

    answer: str | None
    thoughts: str
    is_finished: bool


def split_thoughts(text: str, *, opened: bool | None, beside: str | None = None) -> SplitText:
    """Take what a model wrote apart into its thoughts and its answer.

    Thoughts begin at the start of the text, or in the prompt, and end at the first ``</think>``.
    Where they do not end, the model ran out of room within them, and there is no answer. An empty
    text without any thoughts is an answer.

    Args:
        text: What the model wrote.
        opened: Whether the prompt has opened the thoughts, so that the text has only their end;
            ``None`` where the whole prompt is not known, and may have.
        beside: The thoughts that came beside the text, empty where it is only known that there
            were some; ``None`` for none.
    """
    answer = strip_thoughts(text, opened=opened is not False)
    is_finished = answer != text or not (opened or opens_thoughts(text))
    if not is_finished:
        answer = ""
    written = _TAGS.sub("", text[: len(text) - len(answer)]).strip()
    thoughts = "\n\n".join(filter(None, ((beside or "").strip(), written)))
    is_answer = answer.strip() or (is_finished and answer == text and beside is None)
    return SplitText(answer if is_answer else None, thoughts, is_finished)


def without_thoughts(
    done: Completion,
    where: str,
    *,
    opened: bool | None,
    model: str = "the model",
    beside: str | None = None,
) -> Completion:
    """Return a completion whose text is the answer alone, or which says why there is none.

    Args:
        done: What the model wrote, or why it wrote nothing.
        where: Place for messages.
        opened: See :func:`split_thoughts`.
        model: Name for messages.
        beside: See :func:`split_thoughts`.
    """
    if done.text is None:
        return done
    split = split_thoughts(done.text, opened=opened, beside=beside)
    error = None
    if split.answer is None:
        # An empty answer would be judged, and this is none.
        error = str(no_answer(where, model, is_finished=split.is_finished))
    return replace(done, text=split.answer, thoughts=split.thoughts, error=error)


def no_answer(where: str, model: str, *, is_finished: bool) -> PromptError:
    """Return the error that a model wrote only thoughts, which may have no end."""
    kind = "thoughts" if is_finished else "unfinished thoughts"
    hint = "switch its thoughts off, or raise --llm-judge-max-new-tokens"
    return PromptError(where, f"{model} wrote {kind} and no answer", hint)


def prompt_opens(prompt: Prompt, *, chat: bool) -> bool | None:
    """Say whether a prompt opens thoughts, as :func:`split_thoughts` asks.

    Args:
        prompt: As the model is given it.
        chat: Whether it is messages, to which a template that is not known here applies.
    """
    return None if chat or not isinstance(prompt, str) else ends_in_thoughts(prompt)
