"""The exact prompts of three implementations of MMLU, as tokens that fit into a model's context.

Accuracies of the same model differ by implementation, so each is kept to the letter:

- ``letters``: Hendrycks' ``evaluate.py`` (https://github.com/hendrycks/test);
- ``lm-eval``: the task ``mmlu`` of lm-evaluation-harness;
- ``continuation``: its task ``mmlu_continuation``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.data import Context
from pytest_llmjudge.mmlu.files import LETTERS
from pytest_llmjudge.questions.tokens import encode_behind, encode_choices, too_long

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.mmlu.results import MMLUQuestion
    from pytest_llmjudge.questions.tokens import Encode

__all__ = ["MODES", "Task", "header", "make_task", "prompt_text"]

MODES: Final = ("letters", "lm-eval", "continuation")
"""Whose prompts and rules are used."""


@dataclass(frozen=True, slots=True)
class Task:
    """One question as a model is asked it.

    Attributes:
        contexts: Their branches, one after the other, are the four choices.
        shots: How many solved questions are left in the prompt.
        is_cut: Whether the prompt lost tokens at its beginning.
    """

    contexts: tuple[Context, ...]
    shots: int
    is_cut: bool


def header(subject: str, mode: str) -> str:
    """Return what a prompt begins with."""
    name = subject.replace("_", " ")
    if mode == "letters":
        # The original joins "about {}" with a name that begins with a space.
        name = f" {name}"
    kind = "questions" if mode == "continuation" else "multiple choice questions"
    return f"The following are {kind} (with answers) about {name}.\n\n"


def prompt_text(
    subject: str, shots: Sequence[MMLUQuestion], question: MMLUQuestion, mode: str
) -> str:
    """Return a whole prompt, from its header to ``Answer:``."""
    solved = "".join(f"{_ask(shot, mode)}{_answers(shot, mode)[shot.answer]}\n\n" for shot in shots)
    return f"{header(subject, mode)}{solved}{_ask(question, mode)}"


def make_task(
    subject: str,
    shots: Sequence[MMLUQuestion],
    question: MMLUQuestion,
    mode: str,
    *,
    encode: Encode,
    context: int,
) -> Task:
    """Write a question as tokens.

    ``letters`` drops whole shots, the last one first, until the prompt and one token fit; the
    original never ends when even the question alone does not fit, here its beginning is cut off.
    The modes of lm-evaluation-harness cut the beginning off token by token, shots first.

    Args:
        subject: For the header.
        shots: Solved questions that are shown first.
        question: What is asked.
        mode: One of :data:`MODES`.
        encode: The model's tokenizer.
        context: The model's context in tokens.

    Raises:
        PromptError: A choice alone fills the context.
    """
    answers = _answers(question, mode)
    if mode == "letters":
        return _letters(subject, shots, question, answers, encode=encode, context=context)
    text = prompt_text(subject, shots, question, mode)
    pairs = [(text, answer) for answer in answers]
    encoded = encode_choices(question.id, pairs, encode=encode, context=context)
    return Task(encoded.contexts, len(shots), encoded.is_cut)


def _letters(
    subject: str,
    shots: Sequence[MMLUQuestion],
    question: MMLUQuestion,
    answers: Sequence[str],
    *,
    encode: Encode,
    context: int,
) -> Task:
    # Behind the prompt: alone, an answer may begin with a token of its own.
    asked = prompt_text(subject, (), question, "letters")
    before = encode(asked)
    branches = tuple(encode_behind(before, asked, answer, encode) for answer in answers)
    longest = max(map(len, branches))
    if longest >= context:
        raise too_long(question.id, longest, context)
    room = context - longest
    for count in range(len(shots), -1, -1):
        ids = encode(prompt_text(subject, shots[:count], question, "letters"))
        if len(ids) <= room:
            return Task((Context(ids, branches),), count, is_cut=False)
    return Task((Context(ids[-room:], branches),), 0, is_cut=True)


def _ask(question: MMLUQuestion, mode: str) -> str:
    if mode == "continuation":
        return f"Question: {question.question.strip()}\nAnswer:"
    text = question.question if mode == "letters" else question.question.strip()
    choices = "".join(
        f"\n{letter}. {choice}" for letter, choice in zip(LETTERS, question.choices, strict=True)
    )
    return f"{text}{choices}\nAnswer:"


def _answers(question: MMLUQuestion, mode: str) -> tuple[str, ...]:
    """Return what may follow the prompt, one text for each choice."""
    texts = question.choices if mode == "continuation" else tuple(LETTERS)
    return tuple(f" {text}" for text in texts)
