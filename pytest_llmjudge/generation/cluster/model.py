"""A model whose weights actors of a cluster hold: what they are sent, and what they answer."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import Completion
from pytest_llmjudge.errors import CheckpointError, PromptError
from pytest_llmjudge.generation.base import LocalInfo, LocalModel, check_tokens
from pytest_llmjudge.generation.cluster.work import Job, Pool
from pytest_llmjudge.generation.passes import tree_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_llmjudge.data import Context, Prompt
    from pytest_llmjudge.generation.in_process import InProcessModel
    from pytest_llmjudge.generation.passes import Plan
    from pytest_llmjudge.generation.reply import Reply
    from pytest_llmjudge.settings import Decoding

    Inner = InProcessModel[Any, Any]

__all__ = ["ClusterModel"]

_GROUPS = 32
"""Of contexts in one job, so that 64 actors have many passes each before they wait for its end. Of
256 records each, with 230 tokens a record, they take 70 MB; of MMLU's subjects, with five shots and
690 tokens a question, 190 MB."""

_TOGETHER = 32
"""Texts that an actor decodes together, if it is sent as many; what it has room for it knows."""

_CHARACTERS = 4.0
"""Of English text in a token, about; enough to divide work by."""
_READ = 0.1
"""What a token of a prompt takes of the time of one that is generated, about."""


class ClusterModel(LocalModel[LocalInfo, Pool]):
    """A model that answers as another one does, whose weights are not loaded in this process.

    This process encodes what is scored, and plans the passes as if it computed them alone, so that
    actors round as it would. Prompts that are to be answered are sent as texts.

    Args:
        inner: Knows tokens, templates and sizes.
        start: Starts the actors, and waits until one of them has loaded what a description is of.
    """

    most_groups = _GROUPS

    def __init__(self, inner: Inner, start: Callable[[Inner, LocalInfo], Pool]) -> None:
        self.path = inner.path
        self.decoding = inner.decoding
        self.dtype = inner.dtype
        inner.is_elsewhere = True
        self._inner = inner
        self._start = start
        self._pool: Pool | None = None
        self._answers = self._written = 0

    @property
    def chat_template(self) -> str:
        """The chat template that it brings, as far as that is known without loading it."""
        return self._inner.chat_template

    @property
    def has_place_for_system(self) -> bool:
        """Whether its chat template has a place for a system text, as far as that is known."""
        return self._inner.has_place_for_system

    @property
    def special_tokens(self) -> frozenset[str]:
        """The special tokens whose names are ordinary words where they stand in a text prompt."""
        return self._inner.special_tokens

    @property
    def engine(self) -> str:
        """Which engine runs it and why, where several may, or what is assumed of it; else empty."""
        return self._inner.engine

    @property
    def may_begin_texts(self) -> bool:
        """Whether its tokenizer may put tokens in front of a text, as far as is known."""
        return self._inner.may_begin_texts

    @property
    def most_context(self) -> int | None:
        """The most tokens that it can see, as far as that is known without its tokenizer."""
        return self._inner.most_context

    @property
    def begin(self) -> list[int]:
        """The tokens that its tokenizer puts in front of a text."""
        return self._inner.begin

    @property
    def context_length(self) -> int:
        """How many tokens it can see."""
        return self._inner.context_length

    @cached_property
    def info(self) -> LocalInfo:
        """What is known without loading it."""
        info: LocalInfo = self._inner.info
        return info

    def check(self) -> None:
        """Prove before any work that the model is there, with all that is needed to load it."""
        self._inner.check()

    def describe(self) -> LocalInfo:
        """Describe what lies at the path now."""
        info: LocalInfo = self._inner.describe()
        return info

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, without special ones."""
        return self._inner.encode(text)

    def encode_pair(
        self, prompt: Prompt, reference: str, *, chat: bool = False, end: bool = True
    ) -> tuple[list[int], list[int]]:
        """Return the tokens of a prompt and of what follows it, encoded as one text."""
        return self._inner.encode_pair(prompt, reference, chat=chat, end=end)

    def encode_prompt(
        self, where: str, prompt: Prompt, *, chat: bool, cut: bool = False
    ) -> list[int] | PromptError:
        """Return a prompt's tokens, or why it cannot be answered."""
        return self._inner.encode_prompt(where, prompt, chat=chat, cut=cut)

    def opens_thoughts(self, prompt: Prompt, *, chat: bool) -> bool | None:
        """Say whether what the model reads ends within thoughts; ``None`` where nobody knows."""
        return self._inner.opens_thoughts(prompt, chat=chat)

    @property
    def is_loaded(self) -> bool:
        """Whether it has actors."""
        return self._pool is not None

    def release(self) -> None:
        """End the actors; they start again when it is asked again."""
        super().release()
        self._inner.release()
        self._close()

    def _load(self, info: LocalInfo) -> Pool:
        # Of a try during which the files changed.
        self._close()
        self._pool = self._start(self._inner, info)
        return self._pool

    def _close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

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
        options = {
            "max_new_tokens": max_new_tokens,
            "decoding": decoding,
            "chat": chat,
            "cut": cut,
        }
        usual = self._written / self._answers if self._answers else max_new_tokens
        costs = [usual + _READ * _tokens(prompt) for prompt in prompts]
        for number, done in self._run("stream_whole", prompts, costs, options):
            if isinstance(done, CheckpointError):
                yield Completion(number, None, error=str(done), final=False)
                continue
            self._answers += 1
            self._written += done.tokens
            yield replace(done, index=number)

    def score(self, contexts: Sequence[Context]) -> Iterator[list[float]]:
        """Yield for each context, in order, the summed log-probability of each of its branches."""
        scores = dict(self.score_groups([contexts]))
        for number in range(len(contexts)):
            values = scores[number]
            if isinstance(values, PromptError):
                raise values
            yield values

    def score_groups(
        self, groups: Sequence[Sequence[Context]]
    ) -> Iterator[tuple[int, list[float] | PromptError]]:
        """Score groups of contexts in one job: an actor need not wait for the end of a group."""
        yield from self._run_passes("score", [*map(self._inner.plan, groups)], {})

    def weighed_replies(
        self, prompts: Sequence[Prompt], *, most: int
    ) -> Iterator[tuple[int, Reply | PromptError]]:
        """Read the log-probabilities of the first token: one pass a prompt, nothing is decoded."""
        fitting, unfit = self._inner.fitting(prompts)
        yield from unfit
        numbers = list(fitting)
        plan = self._inner.plan_next(list(fitting.values()))
        for row, reply in self._run_passes("weigh", [plan], {"most": most}):
            yield numbers[row], reply

    def written_replies(
        self, prompts: Sequence[Prompt], *, max_new_tokens: int, decoding: Decoding
    ) -> Iterator[tuple[int, Reply | PromptError]]:
        """Have replies written."""
        options = {"max_new_tokens": max_new_tokens, "decoding": decoding}
        costs = [max_new_tokens + _READ * _tokens(prompt) for prompt in prompts]
        return self._replies("written_replies", prompts, costs, options)

    def held_replies(
        self, prompts: Sequence[Prompt], allowed: Sequence[str], *, decoding: Decoding
    ) -> Iterator[tuple[int, Reply | PromptError]]:
        """Have each prompt replied to with one of some texts, token by token."""
        options = {"allowed": allowed, "decoding": decoding}
        return self._replies("held_replies", prompts, [*map(_tokens, prompts)], options)

    def _replies(
        self,
        method: str,
        prompts: Sequence[Prompt],
        costs: Sequence[float],
        options: Mapping[str, Any],
    ) -> Iterator[tuple[int, Reply | PromptError]]:
        for number, reply in self._run(method, prompts, costs, options):
            is_lost = isinstance(reply, CheckpointError)
            yield number, _without_reply(reply) if is_lost else reply

    def _run_passes(
        self, method: str, plans: Sequence[Plan], options: Mapping[str, Any]
    ) -> Iterator[tuple[int, Any]]:
        """Have passes computed; yield what they say of each context, counted over all plans."""
        units: list[tuple[int, list[Context]]] = []
        costs: list[float] = []
        numbers: list[list[int]] = []
        start = 0
        for at, plan in enumerate(plans):
            order = iter(plan.order)
            for contexts in plan.passes:
                units.append((at, contexts))
                numbers.append([start + next(order) for _ in contexts])
            sizes = [sum(map(tree_size, contexts)) for contexts in plan.passes]
            # Those of equal cost stay neighbours, so that an actor computes few prefixes.
            costs += [fmean(sizes)] * len(sizes) if len(plans) > 1 and sizes else sizes
            start += len(plan.order)
        prefixes = [plan.prefix for plan in plans]
        for unit, results in self._run(method, units, costs, {**options, "prefixes": prefixes}, 1):
            if isinstance(results, CheckpointError):
                results = [_without_reply(results)] * len(numbers[unit])  # noqa: PLW2901  # of each
            yield from zip(numbers[unit], results, strict=True)

    def _run(
        self,
        method: str,
        units: Sequence[Any],
        costs: Sequence[float],
        options: Mapping[str, Any],
        together: int = _TOGETHER,
    ) -> Iterator[tuple[int, Any]]:
        if units:
            # A file that only torch reads tells its sizes when its weights are loaded here too.
            self._inner.release()
            job = Job(method, units, costs, options, self.on_tokens, together)
            yield from self._loaded.run(job)


def _tokens(prompt: Prompt) -> float:
    """Return about how many tokens a prompt has, without a tokenizer."""
    texts = [prompt] if isinstance(prompt, str) else [turn.text for turn in prompt]
    return 1 + sum(map(len, texts)) / _CHARACTERS


def _without_reply(error: CheckpointError) -> PromptError:
    """Return the error of a text that ended its actors, which others can be had without."""
    return PromptError(error.where, error.problem, error.hint)
