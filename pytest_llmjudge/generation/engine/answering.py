"""Answers prompts with a decoder: as many at a time as memory allows, fewer when it runs out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.generation.devices import is_out_of_memory, no_room_for_one
from pytest_llmjudge.generation.engine.batch_size import texts_at_a_time
from pytest_llmjudge.generation.engine.sampling import Sampler, likeliest
from pytest_llmjudge.generation.engine.scheduler import decode, ignore, never

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from pytest_llmjudge.generation.families.decoder import Decoder
    from pytest_llmjudge.settings import Decoding

__all__ = ["Answerer"]


class Answerer(NamedTuple):
    """A decoder, and where its texts end.

    Attributes:
        where: The model's file or folder, for messages.
        model: In evaluation mode.
        ends: The tokens that end a text, and are not part of it.
        ends_with: Tells whether one of some texts is in the text of some tokens with the last one.
        decoding: How tokens are chosen, and which texts end an answer.
        batch_size: Texts to run at a time; ``None`` for as many as memory allows.
        tokens: How many tokens of the model's the tokenizer has; the others are never chosen.
        on_tokens: Called after each pass with the number of tokens that it generated.
    """

    where: str
    model: Decoder
    ends: Collection[int]
    ends_with: Callable[[Sequence[str], Sequence[int]], bool]
    decoding: Decoding
    batch_size: int | None
    tokens: int | None = None
    on_tokens: Callable[[int], None] = ignore

    def answer(
        self, prompts: Mapping[int, list[int]], max_new_tokens: int
    ) -> Iterator[tuple[int, list[int] | None]]:
        """Yield each prompt's number and the tokens of its answer, in the order in which they end.

        The tokens are ``None`` where the logits of one were no numbers.

        Args:
            prompts: Their tokens by their numbers; each leaves room in the model's context.
            max_new_tokens: The most tokens of an answer, which the context may bound further.

        Raises:
            CheckpointError: The memory is not enough for one text.
        """
        longest = max(map(len, prompts.values())) + max_new_tokens
        longest = min(longest, self.model.context_length)
        slots = self.batch_size or texts_at_a_time(self.model, longest)
        waiting = dict(prompts)
        while waiting:
            yield from self._try(waiting, max_new_tokens, slots)
            # No text depends on how many run together.
            slots = max(1, min(slots, len(waiting)) // 2)

    def _try(
        self, waiting: dict[int, list[int]], max_new_tokens: int, slots: int
    ) -> Iterator[tuple[int, list[int] | None]]:
        """Answer prompts, and take them from those that wait; stop when memory runs out."""
        try:
            for number, ids in self._run(dict(waiting), max_new_tokens, slots):
                del waiting[number]
                yield number, ids
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if slots == 1:
                raise no_room_for_one(self.where) from None

    def _run(
        self, prompts: dict[int, list[int]], max_new_tokens: int, slots: int
    ) -> Iterator[tuple[int, list[int] | None]]:
        numbers, rows = list(prompts), list(prompts.values())
        stop = self.decoding.stop
        for prompt, ids in decode(
            self.model,
            rows,
            [min(max_new_tokens, self.model.context_length - len(row)) for row in rows],
            ends=self.ends,
            slots=slots,
            tokens=self.tokens,
            choose=likeliest if self.decoding.is_greedy else Sampler(self.decoding, rows),
            stops=partial(self.ends_with, stop) if stop else never,
            on_tokens=self.on_tokens,
        ):
            yield numbers[prompt], ids
