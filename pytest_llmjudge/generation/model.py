"""What every kind of model under test offers, before and after it is loaded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pytest_llmjudge.data import Completion

__all__ = ["Model", "ModelInfo"]


class ModelInfo(Protocol):
    """What can be told of a model without loading it."""

    @property
    def path(self) -> Path | str:
        """Its file or folder, or the name by which a server knows it."""

    @property
    def fingerprint(self) -> str:
        """Changes when the model's answers may.

        Raises:
            CheckpointError: It cannot be told any more.
        """

    @property
    def parameters(self) -> int | None:
        """Number of weights, tied ones counted once; ``None`` where nobody tells."""


class Model(ABC):
    """A model under test of this package's own, as opposed to one that a user's fixture makes.

    Attributes:
        is_served: Whether a server answers for it, with its own devices and number formats.
    """

    is_served: ClassVar[bool] = False

    @property
    @abstractmethod
    def info(self) -> ModelInfo:
        """What can be told without loading it; reading it proves that the model is there.

        Raises:
            CheckpointError: It is not, or cannot be used.
        """

    @property
    def fingerprint(self) -> str:
        """Changes when the model's answers may.

        Raises:
            CheckpointError: The model is not there, or cannot be used.
        """
        return self.info.fingerprint

    @abstractmethod
    def generate(self, prompts: Sequence[str], *, max_new_tokens: int) -> list[str]:
        """Answer all prompts, in their order.

        Raises:
            CheckpointError: The model cannot be used.
            PromptError: A prompt cannot be answered.
        """

    @abstractmethod
    def stream(
        self, prompts: Sequence[str], *, max_new_tokens: int, chat: bool = False
    ) -> Iterator[Completion]:
        """Answer all prompts; each answer comes as soon as it is finished, whatever the order.

        A prompt that cannot be answered comes back as a completion with an error.

        Args:
            prompts: Texts to go on from, or messages of a user.
            max_new_tokens: The most tokens an answer may have.
            chat: Whether the prompts are messages, to which the model's own chat template applies.

        Raises:
            CheckpointError: The model cannot be used, or has no chat template.
        """
