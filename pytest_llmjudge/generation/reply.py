"""A reply of a model in files to a message, and why there may be none."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_llmjudge.errors import CheckpointError, PromptError

__all__ = ["Reply", "TemplateError", "TooLongError"]


class TooLongError(PromptError):
    """A prompt, or what is to follow it, does not fit into the model's context."""


class TemplateError(CheckpointError):
    """A chat template cannot be used; a model under test may do without, and a judge may not."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply to a message.

    Attributes:
        text: What the model wrote, thoughts included.
        is_cut: Whether it ran out of room, so that it might have gone on.
        candidates: The likeliest first tokens with their natural log-probabilities; ``None`` where
            they were not asked for.
        tokens: How many tokens the prompt and the reply have together.
    """

    text: str
    is_cut: bool = False
    candidates: tuple[tuple[str, float], ...] | None = None
    tokens: int = field(default=0, compare=False)
