"""Decoding of many prompts at once: a text that ends makes room for the next prompt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import torch

from pytest_llmjudge.generation.engine.kv_cache import Cache, ForwardBatch
from pytest_llmjudge.generation.engine.prompt_lookup import guess
from pytest_llmjudge.generation.engine.sampling import NO_TOKEN, likeliest
from pytest_llmjudge.generation.shared_prefix import shared_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from pytest_llmjudge.generation.engine.sampling import Choose
    from pytest_llmjudge.generation.families.decoder import Decoder

__all__ = ["Decoded", "decode"]

PROMPT_TOKENS = 2048
"""How many tokens of new prompts one pass takes before the next has to wait: bounds its memory."""

FEWEST_ROWS, MOST_ROWS = 4, 32
"""How many tokens, guesses included, a pass of few texts takes; more as long as guesses are right.

Two cores of an AMD EPYC 9005 pass four tokens through GPT-2 124M in 1.1 of the time of one, eight
in 1.4, sixteen in 2.
"""


class Decoded(NamedTuple):
    """A finished text: the prompt it follows, and its token ids without the end token.

    Without ids it broke off, because the logits of a next token were no numbers.
    """

    prompt: int
    ids: list[int] | None


def never(_: Sequence[int]) -> bool:
    """Let no text end before its end token or its limit."""
    return False


def ignore(_: int) -> None:
    """Count no tokens."""


@dataclass(slots=True)
class _Text:
    """A prompt, without the prefix that all share, and what follows it so far."""

    index: int
    prompt: Sequence[int]
    limit: int
    ids: list[int] = field(default_factory=list)
    has_ended: bool = False
    is_broken: bool = False

    @property
    def left(self) -> int:
        return self.limit - len(self.ids)

    def newest(self, width: int) -> list[int]:
        """The newest token, and guesses of those that follow it."""
        ids = [*self.prompt, *self.ids] if width > 1 else self.ids or self.prompt
        return [ids[-1], *(guess(ids, width - 1) if width > 1 else ())]


def decode(
    model: Decoder,
    prompts: Sequence[list[int]],
    limits: Sequence[int],
    *,
    ends: Collection[int],
    slots: int,
    tokens: int | None = None,
    choose: Choose = likeliest,
    stops: Callable[[Sequence[int]], bool] = never,
    on_tokens: Callable[[int], None] = ignore,
) -> Iterator[Decoded]:
    """Yield for each prompt the tokens that follow it, in the order in which the texts end.

    Args:
        model: In evaluation mode; texts run on its device.
        prompts: Token ids; none is empty.
        limits: How many tokens may follow each prompt, at least one; together with the prompt
            they fit into the model's context.
        ends: The tokens that end a text, and are not part of it.
        slots: How many texts run at a time.
        tokens: How many tokens of the model's the tokenizer has; the others are never chosen.
        choose: Chooses tokens. What is drawn is not guessed at.
        stops: Tells of the tokens of a text whether it ends with them.
        on_tokens: Called after each pass with the number of tokens that it generated.
    """
    if not prompts:
        return
    pool = _Pool(model, prompts, limits, slots, tokens=tokens, choose=choose)
    while pool.fill():
        on_tokens(pool.advance(ends, stops))
        for slot, text in enumerate(pool.running):
            if text is not None and text.has_ended:
                yield Decoded(text.index, None if text.is_broken else text.ids)
                pool.running[slot] = None


class _Pool:
    """The texts that run, each in a slot of the cache, and those that wait for one."""

    @torch.inference_mode()
    def __init__(
        self,
        model: Decoder,
        prompts: Sequence[list[int]],
        limits: Sequence[int],
        slots: int,
        *,
        tokens: int | None,
        choose: Choose,
    ) -> None:
        prefix = shared_prefix(prompts)
        texts = [
            _Text(index, prompt[len(prefix) :], limit)
            for index, (prompt, limit) in enumerate(zip(prompts, limits, strict=True))
        ]
        self.running: list[_Text | None] = []
        self._model = model
        self._choose = choose
        self._tokens = tokens
        self._rows = FEWEST_ROWS
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
    def advance(self, ends: Collection[int], stops: Callable[[Sequence[int]], bool]) -> int:
        """Append to every running text its next token, and those that were guessed right.

        Returns:
            How many tokens these are, end tokens included.
        """
        texts = [text for text in self.running if text is not None]
        width = self._width(texts)
        newest = [text.newest(width) for text in texts]
        hidden = self._cache.run(_next_pass(texts, newest))
        rows = [text.index for text in texts for _ in range(width)]
        logits = self._model.logits(hidden[-len(rows) :])
        chosen = self._choose(logits[:, : self._tokens], rows)
        taken = 0
        for number, text in enumerate(texts):
            guesses = newest[number][1:]
            for place, token in enumerate(chosen[number * width : (number + 1) * width]):
                taken += 1
                text.is_broken = token == NO_TOKEN
                text.has_ended = text.is_broken or token in ends
                if not text.has_ended:
                    text.ids.append(token)
                    text.has_ended = not text.left or stops(text.ids)
                if text.has_ended or guesses[place : place + 1] != [token]:
                    break
            if text.is_broken:
                self._cache.clear(number)
        self._learn(taken, len(rows), width)
        return taken

    def _width(self, texts: Sequence[_Text]) -> int:
        if self._choose is not likeliest:
            return 1
        return max(1, min(self._rows // len(texts), *(text.left for text in texts)))

    def _learn(self, taken: int, rows: int, width: int) -> None:
        """Guess more where all guesses were right, less where most were wrong."""
        if width > 1:
            rate = 2.0 if taken == rows else 0.5 if 2 * taken < rows else 1.0
            self._rows = int(min(MOST_ROWS, max(FEWEST_ROWS, self._rows * rate)))


def _next_pass(texts: Sequence[_Text], newest: Sequence[Sequence[int]]) -> ForwardBatch:
    tokens = ForwardBatch(running=len(texts), width=len(newest[0]))
    for slot, text in enumerate(texts):
        if not text.ids:
            tokens.add_prompt(slot, text.prompt[:-1])
    for slot, (text, ids) in enumerate(zip(texts, newest, strict=True)):
        for place, token in enumerate(ids, start=len(text.prompt) + len(text.ids) - 1):
            tokens.add(slot, place, token)
    return tokens
