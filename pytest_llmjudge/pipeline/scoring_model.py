"""Models that give log-probabilities of given answers."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Protocol

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.base import Model
from pytest_llmjudge.pipeline.protocols import name_of
from pytest_llmjudge.pipeline.user_code import described

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import Context

__all__ = ["ScoringModel", "raised_by", "scoring_model"]


class ScoringModel(Protocol):
    """All that a model may need to offer so that given texts can be scored."""

    @property
    def fingerprint(self) -> str:
        """A text that changes when the model's answers may."""

    @property
    def context_length(self) -> int:
        """How many tokens it can see."""

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, without special ones."""

    def encode_pair(
        self, prompt: str, reference: str, *, chat: bool = False, end: bool = True
    ) -> tuple[list[int], list[int]]:
        """Return the tokens of a prompt and of the reference behind it, encoded as one text."""

    def score(self, contexts: Sequence[Context]) -> Iterator[list[float]]:
        """Yield for each context the log-probability of each of its branches."""


def raised_by(model: object, error: BaseException) -> CheckpointError:
    """Return the error that stands in the place of what a model raised."""
    problem = f"it raised {described(error)}"
    hint = "lower --llm-judge-batch-size" if "memory" in str(error) else "correct it"
    return CheckpointError(name_of(model), problem, hint)


def scoring_model(model: object, needed_by: str, encoder: str = "encode") -> ScoringModel:
    """Return a model under test as one that scores given texts.

    Args:
        model: Under test.
        needed_by: What is measured, for messages.
        encoder: The method that makes tokens of what is scored.

    Raises:
        CheckpointError: It gives no log-probabilities.
    """
    if isinstance(model, Model) and model.is_served:
        problem = (
            f"a served model gives no log-probabilities of given answers, which {needed_by} needs"
        )
        hint = "name a checkpoint or a Hugging Face folder"
        raise CheckpointError(str(model.info.path), problem, hint)
    wanted = ("context_length", encoder, "score")
    # Looked for without asking: a checkpoint would be loaded to tell its context.
    if any(inspect.getattr_static(model, name, None) is None for name in wanted):
        problem = f"it gives no log-probabilities, which {needed_by} needs"
        hint = f"give it context_length, {encoder}() and score(), or name a checkpoint"
        raise CheckpointError(name_of(model), problem, hint)
    return model  # type: ignore[return-value]  # it has what the protocol asks for
