"""Models that give log-probabilities of given answers."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Protocol

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.base import Model
from pytest_llmjudge.pipeline.protocols import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import Context

__all__ = ["ScoringModel", "scoring_model"]


class ScoringModel(Protocol):
    """All that a model needs to offer so that given answers can be scored."""

    @property
    def fingerprint(self) -> str:
        """A text that changes when the model's answers may."""

    @property
    def context_length(self) -> int:
        """How many tokens it can see."""

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, without special ones."""

    def score(self, contexts: Sequence[Context]) -> Iterator[list[float]]:
        """Yield for each context the log-probability of each of its branches."""


def scoring_model(model: object, needed_by: str) -> ScoringModel:
    """Return a model under test as one that scores given answers.

    Args:
        model: Under test.
        needed_by: What is measured, for messages.

    Raises:
        CheckpointError: It gives no log-probabilities.
    """
    if isinstance(model, Model) and model.is_served:
        found = (
            f"a served model gives no log-probabilities of given answers, which {needed_by} needs"
        )
        todo = "name a checkpoint or a Hugging Face folder"
        raise CheckpointError(str(model.info.path), found, todo)
    wanted = ("context_length", "encode", "score")
    # Looked for without asking: a checkpoint would be loaded to tell its context.
    if any(inspect.getattr_static(model, name, None) is None for name in wanted):
        found = f"it gives no log-probabilities, which {needed_by} needs"
        todo = "give it context_length, encode() and score(), or name a checkpoint"
        raise CheckpointError(name_of(model), found, todo)
    return model  # type: ignore[return-value]  # it has what the protocol asks for
