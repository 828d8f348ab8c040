"""What every kind of model under test offers, before and after it is loaded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Protocol

from pytest_llmjudge.data import Completion
from pytest_llmjudge.errors import PromptError
from pytest_llmjudge.generation.finite import no_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["LocalModel", "Model", "ModelInfo", "check_tokens", "text_before"]


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

    def check(self) -> None:
        """Prove before any work that the model is there, with all that is needed to load it.

        Raises:
            CheckpointError: It is not, or cannot be used.
        """
        self.info  # noqa: B018  # reading it is the check

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

    @abstractmethod
    def release(self) -> None:
        """Give back the memory or the connections that it takes; it may still be asked."""


class LocalModel(Model):
    """A model that runs in this process, and whose prompts so become tokens here."""

    path: Path
    _dtype: str

    def release(self) -> None:
        """Give back the memory that it takes; it is loaded again when it is asked again."""
        vars(self).pop("_loaded", None)

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int) -> list[str]:
        """Answer all prompts, in their order.

        Raises:
            CheckpointError: The model or its tokenizer cannot be used.
            PromptError: A prompt leaves no room in the model's context, or the model has no
                numbers for its answer.
            SettingsError: The device or dtype cannot be used.
        """
        for index, prompt in enumerate(prompts):
            ids = self._encode(f"prompts[{index}]", prompt, chat=False)
            if isinstance(ids, PromptError):
                raise ids
        texts = [""] * len(prompts)
        for completion in self.stream(prompts, max_new_tokens=max_new_tokens):
            if completion.text is None:
                where = f"prompts[{completion.index}]"
                raise no_numbers(where, self._dtype)
            texts[completion.index] = completion.text
        return texts

    def stream(
        self, prompts: Sequence[str], *, max_new_tokens: int, chat: bool = False
    ) -> Iterator[Completion]:
        """Answer all prompts; each answer comes as soon as it is finished, whatever the order.

        A prompt that leaves no room in the model's context comes back as a completion with an
        error, before the others. So does one to which the logits of an answer are no numbers.

        Raises:
            CheckpointError: The model or its tokenizer cannot be used, the memory is not enough for
                one text, or messages are to be answered without a chat template.
            SettingsError: The device or dtype cannot be used.
        """
        check_tokens(max_new_tokens)
        fitting: dict[int, list[int]] = {}
        for index, prompt in enumerate(prompts):
            ids = self._encode(str(self.path), prompt, chat=chat)
            if isinstance(ids, PromptError):
                yield Completion(index, None, error=str(ids))
            else:
                fitting[index] = ids
        if fitting:
            yield from self._decode(fitting, max_new_tokens)

    def _broken(self, index: int) -> Completion:
        """Tell that the logits of an answer were no numbers."""
        told = str(no_numbers(str(self.path), self._dtype))
        # Sums of other batches, or another machine's, may stay within the format.
        return Completion(index, None, error=told, final=False)

    @abstractmethod
    def _encode(self, where: str, prompt: str, *, chat: bool) -> list[int] | PromptError:
        """Return a prompt's tokens, or why it cannot be answered."""

    @abstractmethod
    def _decode(self, prompts: dict[int, list[int]], max_new_tokens: int) -> Iterator[Completion]:
        """Answer prompts by their numbers; there is at least one."""


def check_tokens(max_new_tokens: int) -> None:
    """Refuse a length that no answer can have.

    Raises:
        ValueError: It is below 1.
    """
    if max_new_tokens < 1:
        message = f"max_new_tokens is {max_new_tokens}; it must be at least 1"
        raise ValueError(message)


def text_before(stops: Sequence[str], text: str) -> str:
    """Cut a text before the first of some texts that is in it."""
    return text[: min((text.find(stop) for stop in stops if stop in text), default=len(text))]
