"""Greedy decoding of many prompts at once: a text that ends makes room for the next prompt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import torch

from pytest_llmjudge.generation.cache import Cache, Pass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.generation.gpt import GPTModel

__all__ = ["Decoded", "decode"]

PROMPT_TOKENS = 2048
"""How many tokens of new prompts one pass takes before the next has to wait: bounds its memory."""


class Decoded(NamedTuple):
    """A finished text: the prompt it follows, and its token ids without the end token."""

    prompt: int
    ids: list[int]


@dataclass(slots=True)
class _Text:
    """A prompt, without the prefix that all share, and what follows it so far."""

    index: int
    prompt: Sequence[int]
    limit: int
    ids: list[int] = field(default_factory=list)

    def ends(self, end: int | None) -> bool:
        return self.ids[-1] == end or len(self.ids) == self.limit

    def finished(self, end: int | None) -> Decoded:
        return Decoded(self.index, self.ids[:-1] if self.ids[-1] == end else self.ids)


def decode(
    model: GPTModel,
    prompts: Sequence[Sequence[int]],
    limits: Sequence[int],
    *,
    end: int | None,
    slots: int,
) -> Iterator[Decoded]:
    """Yield for each prompt the likeliest next tokens, in the order in which the texts end.

    Args:
        model: In evaluation mode; texts run on its device.
        prompts: Token ids; none is empty.
        limits: How many tokens may follow each prompt, at least one; together with the prompt
            they fit into the model's context.
        end: The token that ends a text, and is not part of it; ``None`` for none.
        slots: How many texts run at a time.
    """
    if not prompts:
        return
    pool = _Pool(model, prompts, limits, slots)
    while pool.fill():
        pool.advance()
        for slot, text in enumerate(pool.running):
            if text is not None and text.ends(end):
                yield text.finished(end)
                pool.running[slot] = None


class _Pool:
    """The texts that run, each in a slot of the cache, and those that wait for one."""

    @torch.inference_mode()
    def __init__(
        self,
        model: GPTModel,
        prompts: Sequence[Sequence[int]],
        limits: Sequence[int],
        slots: int,
    ) -> None:
        prefix = _shared_prefix(prompts)
        texts = [
            _Text(index, prompt[len(prefix) :], limit)
            for index, (prompt, limit) in enumerate(zip(prompts, limits, strict=True))
        ]
        self.running: list[_Text | None] = []
        self._model = model
        self._slots = min(slots, len(texts))
        # Neighbours are of similar length, because attention works up to the longest of a pass.
        # The longest is taken first, from the end: started last, it would run on alone.
        self._waiting = sorted(texts, key=lambda text: len(text.prompt))
        columns = max(len(text.prompt) + text.limit for text in texts)
        self._cache = Cache(model, prefix, self._slots, columns)

    @torch.inference_mode()
    def fill(self) -> bool:
        """Give free slots to waiting prompts, and tell whether any text runs.

        Slots that stay free are closed by moving the last text, so that a pass has no gaps.
        """
        self.running += [None] * (self._slots - len(self.running))
        room = PROMPT_TOKENS
        for slot, text in enumerate(self.running):
            if text is None and self._waiting and room > 0:
                self.running[slot] = new = self._waiting.pop()
                room -= len(new.prompt)
        for slot in reversed(range(self._slots)):
            if self.running[slot] is None:
                last = self.running.pop()
                if slot < len(self.running):
                    self.running[slot] = last
                    self._cache.move(len(self.running), slot)
        return bool(self.running)

    @torch.inference_mode()
    def advance(self) -> None:
        """Append to every running text its likeliest next token."""
        texts = [text for text in self.running if text is not None]
        hidden = self._cache.run(_next_pass(texts))
        newest = self._model.logits(hidden[-len(texts) :]).argmax(dim=1)
        for text, token in zip(texts, newest.tolist(), strict=True):
            text.ids.append(token)


def _next_pass(texts: Sequence[_Text]) -> Pass:
    tokens = Pass(running=len(texts))
    for slot, text in enumerate(texts):
        if not text.ids:
            tokens.add_prompt(slot, text.prompt[:-1])
    for slot, text in enumerate(texts):
        newest = text.ids[-1] if text.ids else text.prompt[-1]
        tokens.add(slot, len(text.prompt) + len(text.ids) - 1, newest)
    return tokens


def _shared_prefix(prompts: Sequence[Sequence[int]]) -> Sequence[int]:
    """What all prompts begin with, short enough to leave each a token of its own."""
    shortest = min(prompts, key=len)[:-1]
    for column, token in enumerate(shortest):
        if any(prompt[column] != token for prompt in prompts):
            return shortest[:column]
    return shortest
