"""A model whose weights are in this process: what it writes, and the passes that score."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from pytest_llmjudge.data import Completion
from pytest_llmjudge.errors import PromptError
from pytest_llmjudge.generation.base import Info, Loaded, check_tokens
from pytest_llmjudge.generation.devices import one_line_memory
from pytest_llmjudge.generation.nonfinite import no_numbers
from pytest_llmjudge.generation.replies import Replies
from pytest_llmjudge.generation.thoughts import prompt_opens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from torch import Tensor

    from pytest_llmjudge.data import Context, Prompt
    from pytest_llmjudge.generation.passes import Plan
    from pytest_llmjudge.settings import Decoding

__all__ = ["InProcessModel", "PassComputer"]


class PassComputer(Protocol):
    """Computes passes behind one prefix."""

    def score(self, contexts: Sequence[Context]) -> list[list[float]]:
        """Return for each context of a pass the summed log-probability of each of its branches."""

    def next_logprobs(self, contexts: Sequence[Context]) -> Iterator[Tensor]:
        """Yield for each context of a pass, which has no branches, what may follow it.

        Yields:
            The log-probability of each token (V), in float32 on the CPU.
        """


class InProcessModel(Replies[Info, Loaded]):
    """A model that runs in this process, on one device.

    Tokens, templates and sizes are known without its weights, which are loaded when they are
    needed first.
    """

    @property
    @abstractmethod
    def begin(self) -> list[int]:
        """The tokens that its tokenizer puts in front of a text; no weights are loaded for it.

        Raises:
            CheckpointError: It cannot be used.
        """

    @abstractmethod
    def plan(self, contexts: Sequence[Context]) -> Plan:
        """Plan the passes that score contexts; no weights are loaded for it.

        Raises:
            CheckpointError: The model cannot be used.
        """

    @abstractmethod
    def plan_next(self, rows: Sequence[list[int]]) -> Plan:
        """Plan the passes that read what may follow rows of tokens; no weights are loaded for it.

        Args:
            rows: Each at least one token, and no longer than the context.

        Raises:
            CheckpointError: The model cannot be used.
        """

    @abstractmethod
    def behind(self, prefix: list[int]) -> PassComputer:
        """Load the model, and compute what passes have in common.

        Args:
            prefix: Of a plan.

        Raises:
            CheckpointError: The model cannot be used, or the memory is not enough.
            SettingsError: The device or dtype cannot be used.
        """

    def load(self) -> None:
        """Load the model and its tokenizer now.

        Raises:
            CheckpointError: They cannot be loaded, or the memory is not enough.
            SettingsError: The device or dtype cannot be used.
        """
        self.context_length  # noqa: B018  # the tokenizer comes with it
        self._loaded  # noqa: B018  # it is loaded where it is read

    def show_as(self, path: Path) -> None:
        """Give the model, which is loaded, another path in messages."""
        self.path = path

    def stream_whole(
        self,
        prompts: Sequence[Prompt],
        max_new_tokens: int,
        decoding: Decoding,
        *,
        chat: bool = False,
        cut: bool = False,
    ) -> Iterator[Completion]:
        """Answer all prompts with what the model writes, thoughts included."""
        check_tokens(max_new_tokens)
        fitting: dict[int, list[int]] = {}
        shortened: set[int] = set()
        for index, prompt in enumerate(prompts):
            ids = whole = self.encode_prompt(str(self.path), prompt, chat=chat, cut=cut)
            if cut and not isinstance(whole, PromptError):
                ids = self._cut(whole, max_new_tokens)
            if isinstance(ids, PromptError):
                yield Completion(index, None, error=str(ids))
                continue
            fitting[index] = ids
            if ids != whole:
                shortened.add(index)
        if fitting:
            for done in self._decode(fitting, max_new_tokens, decoding):
                yield replace(done, is_cut=done.index in shortened)

    def _cut(self, ids: list[int], max_new_tokens: int) -> list[int] | PromptError:
        """Return the last tokens of a prompt that leave room for an answer's."""
        room = self.context_length - max_new_tokens
        if room > 0:
            return ids[-room:]
        problem = (
            f"an answer of {max_new_tokens} tokens fills the context of {self.context_length}, "
            "prompt included"
        )
        return PromptError(str(self.path), problem, "allow fewer with max_new_tokens=")

    def _broken(self, index: int) -> Completion:
        """Report that logits of an answer were NaN or infinite."""
        message = str(no_numbers(str(self.path), self.dtype))
        # Sums of other batches, or another machine's, may stay within the format.
        return Completion(index, None, error=message, final=False)

    def opens_thoughts(self, prompt: Prompt, *, chat: bool) -> bool | None:
        """Say whether what the model reads ends within thoughts; ``None`` where nobody knows."""
        return prompt_opens(prompt, chat=chat)

    def score(self, contexts: Sequence[Context]) -> Iterator[list[float]]:
        """Yield for each context, in order, the summed log-probability of each of its branches.

        What all contexts begin with is computed once, where the native engine runs the model.

        Raises:
            CheckpointError: It cannot be used, or the memory is not enough.
            SettingsError: The device or dtype cannot be used.
        """
        if not contexts:
            return
        plan = self.plan(contexts)
        behind = self.behind(plan.prefix)
        with one_line_memory(self.path):
            for batch in plan.passes:
                yield from behind.score(batch)

    def next_logprobs(self, rows: Sequence[list[int]]) -> Iterator[tuple[int, Tensor]]:
        """Yield what may follow each row of tokens; see :meth:`.Replies.next_logprobs`."""
        if not rows:
            return
        plan = self.plan_next(rows)
        behind = self.behind(plan.prefix)
        numbers = iter(plan.order)
        with one_line_memory(self.path):
            for batch in plan.passes:
                for logprobs in behind.next_logprobs(batch):
                    yield next(numbers), logprobs
