"""What a model thinks before it answers, cut from the answer by one rule for all models."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_llmjudge.errors import PromptError
from pytest_llmjudge.scoring import ends_in_thoughts, opens_thoughts, strip_thoughts

if TYPE_CHECKING:
    from pytest_llmjudge.data import Completion, Prompt

__all__ = ["NO_ANSWER_HINT", "SplitText", "prompt_opens", "split_thoughts", "without_thoughts"]

NO_ANSWER_HINT: Final = "switch its thoughts off, or raise --llm-judge-max-new-tokens"

_TAGS: Final = re.compile(r"\A\s*<think(?:ing)?>|</think(?:ing)?>\Z")


class SplitText(NamedTuple):
    """What a model wrote, taken apart.

    Attributes:
        answer: What follows the thoughts, or all of the text where there are none.
        thoughts: Without their tags and the whitespace around them; empty for none.
        problem: What was written where there is no answer; empty where there is one.
    """

    answer: str
    thoughts: str
    problem: str


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
    is_whole = answer != text
    if not is_whole and (opened or opens_thoughts(text)):
        answer = ""
    written = _TAGS.sub("", text[: len(text) - len(answer)]).strip()
    thoughts = "\n\n".join(filter(None, ((beside or "").strip(), written)))
    if answer.strip() or (answer == text and beside is None):
        return SplitText(answer, thoughts, "")
    is_unfinished = not is_whole and answer != text
    kind = "unfinished thoughts" if is_unfinished else "thoughts"
    return SplitText(answer, thoughts, f"wrote {kind} and no answer")


def without_thoughts(done: Completion, where: str, *, opened: bool | None) -> Completion:
    """Return a completion whose text is the answer alone, or which says why there is none.

    Args:
        done: What the model wrote, or why it wrote nothing.
        where: The model, for messages.
        opened: See :func:`split_thoughts`.
    """
    if done.text is None:
        return done
    answer, thoughts, problem = split_thoughts(done.text, opened=opened)
    if not problem:
        return replace(done, text=answer, thoughts=thoughts)
    # An empty answer would be judged, and this is none.
    error = str(PromptError(where, f"the model {problem}", NO_ANSWER_HINT))
    return replace(done, text=None, thoughts=thoughts, error=error)


def prompt_opens(prompt: Prompt, *, chat: bool) -> bool | None:
    """Say whether a prompt opens thoughts, as :func:`split_thoughts` asks.

    Args:
        prompt: As the model is given it.
        chat: Whether it is messages, to which a template that is not known here applies.
    """
    return None if chat or not isinstance(prompt, str) else ends_in_thoughts(prompt)
