"""What a model whose weights are in this process answers to messages, as a judge is asked."""

from __future__ import annotations

import math
import random
from abc import abstractmethod
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import PromptError
from pytest_llmjudge.generation.base import Info, Loaded, LocalModel
from pytest_llmjudge.generation.nonfinite import no_numbers
from pytest_llmjudge.generation.reply import Reply, TooLongError
from pytest_llmjudge.generation.shared_prefix import shared_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from pytest_llmjudge.data import Completion, Prompt
    from pytest_llmjudge.settings import Decoding

__all__ = ["Replies"]

_THOUGHTS = "<think>\n"
_SHORTEN = (
    "shorten the record or its response, take the record out, or take a judge with a longer context"
)


class Replies(LocalModel[Info, Loaded]):
    """The part of a model in this process that a judge is made of."""

    def weighed_replies(
        self, prompts: Sequence[Prompt], *, most: int
    ) -> Iterator[tuple[int, Reply | PromptError]]:
        """Read the log-probabilities of the first token: one pass a prompt, nothing is decoded.

        Args:
            prompts: Messages of a user, or whole conversations.
            most: How many candidates are given; the likeliest is the reply.
        """
        fitting, unfit = self.fitting(prompts)
        yield from unfit
        numbers = list(fitting)
        for row, logprobs in self.next_logprobs(list(fitting.values())):
            number = numbers[row]
            yield number, self.weigh(logprobs, most, len(fitting[number]))

    def written_replies(
        self, prompts: Sequence[Prompt], *, max_new_tokens: int, decoding: Decoding
    ) -> Iterator[tuple[int, Reply | PromptError]]:
        """Have replies written.

        Args:
            prompts: As :meth:`weighed_replies` takes them.
            max_new_tokens: The most tokens a reply may have.
            decoding: How tokens are chosen.
        """
        fitting, unfit = self.fitting(prompts)
        yield from unfit
        if not fitting:
            return
        for done in self._decode(fitting, max_new_tokens, decoding):
            number = done.index
            if done.text is None:
                yield number, no_numbers(str(self.path), self.dtype)
                continue
            # A reply has the end of thoughts alone where the template has opened them.
            opened = self.opens_thoughts(prompts[number], chat=True)
            room = min(max_new_tokens, self.context_length - len(fitting[number]))
            text = f"{_THOUGHTS}{done.text}" if opened else done.text
            tokens = len(fitting[number]) + done.tokens
            yield number, Reply(text, is_cut=done.tokens >= room, tokens=tokens)

    def held_replies(
        self, prompts: Sequence[Prompt], allowed: Sequence[str], *, decoding: Decoding
    ) -> Iterator[tuple[int, Reply | PromptError]]:
        """Have each prompt replied to with one of some texts, token by token.

        Of the tokens with which any of the texts goes on, the likeliest is taken, or one is drawn,
        as by a server that holds a reply to a grammar. What follows a token without a choice is not
        computed.

        Args:
            prompts: As :meth:`weighed_replies` takes them.
            allowed: Two texts or more that begin alike, none of which another begins with.
            decoding: How tokens are chosen; ``top_k``, ``top_p`` and ``stop`` play no part.
        """
        fitting, unfit = self.fitting(prompts)
        yield from unfit
        own = {text: self.encode(text) for text in allowed}
        open_: dict[int, dict[str, list[int]]] = {}
        for number in fitting:
            texts = open_[number] = self._tokens_of(prompts[number], own)
            longest = max(map(len, texts.values()))
            if longest > self.context_length:
                del open_[number]
                context = self.context_length
                problem = f"question and reply have {longest} tokens and the context {context}"
                yield number, TooLongError(str(self.path), problem, _SHORTEN)
        while open_:
            numbers = list(open_)
            rows = [shared_prefix(open_[number].values()) for number in numbers]
            for row, logprobs in self.next_logprobs(rows):
                number, read = numbers[row], len(rows[row])
                following = sorted({ids[read] for ids in open_[number].values()})
                token = _choose(logprobs, following, decoding, rows[row])
                if token is None:
                    del open_[number]
                    yield number, no_numbers(str(self.path), self.dtype)
                    continue
                left = {text: ids for text, ids in open_[number].items() if ids[read] == token}
                open_[number] = left
                if len(left) == 1:
                    del open_[number]
                    ((text, ids),) = left.items()
                    yield number, Reply(text, tokens=len(ids))

    def fitting(
        self, prompts: Sequence[Prompt]
    ) -> tuple[dict[int, list[int]], list[tuple[int, PromptError]]]:
        """Return the tokens of those prompts that fit the context, and why the others do not."""
        encoded = [self.encode_prompt(str(self.path), prompt, chat=True) for prompt in prompts]
        fitting: dict[int, list[int]] = {}
        unfit: list[tuple[int, PromptError]] = []
        for number, ids in enumerate(encoded):
            if isinstance(ids, PromptError):
                unfit.append((number, TooLongError(ids.where, ids.problem, _SHORTEN)))
            else:
                fitting[number] = ids
        return fitting, unfit

    def _tokens_of(self, prompt: Prompt, texts: Mapping[str, list[int]]) -> dict[str, list[int]]:
        """Return the tokens of a prompt with each of some replies, which begin alike.

        Args:
            prompt: What is replied to.
            texts: The replies, each with its tokens.
        """
        first = next(iter(texts))
        before, after = self._pair(prompt, first)
        if after == texts[first]:
            # No token has characters of both, so that the replies have the tokens of their own.
            return {text: [*before, *ids] for text, ids in texts.items()}
        pairs = {text: self._pair(prompt, text) for text in texts}
        return {text: [*before, *after] for text, (before, after) in pairs.items()}

    def _pair(self, prompt: Prompt, text: str) -> tuple[list[int], list[int]]:
        return self.encode_pair(prompt, text, chat=True, end=False)

    def weigh(self, logprobs: Tensor, most: int, read: int) -> Reply | PromptError:
        """Return the likeliest first tokens of a reply.

        Args:
            logprobs: Of the whole vocabulary (V).
            most: How many are given.
            read: How many tokens the prompt has.
        """
        best = logprobs.topk(min(most, len(logprobs)))
        if not best.values[0].isfinite():
            return no_numbers(str(self.path), self.dtype)
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        candidates = tuple((self.token_text(token), value) for token, value in pairs)
        return Reply(candidates[0][0], candidates=candidates, tokens=read + 1)

    @abstractmethod
    def next_logprobs(self, rows: Sequence[list[int]]) -> Iterator[tuple[int, Tensor]]:
        """Yield for each row of tokens its number and what may follow it.

        Args:
            rows: Each at least one token, and no longer than the context.

        Yields:
            Number of the row, and the natural log-probability of each token of the vocabulary, in
            float32 on the CPU.

        Raises:
            CheckpointError: The model cannot be used, or the memory is not enough.
        """

    @abstractmethod
    def token_text(self, token: int) -> str:
        """Return the text of one token; a part of a character becomes U+FFFD."""

    @abstractmethod
    def _decode(
        self, prompts: dict[int, list[int]], max_new_tokens: int, decoding: Decoding
    ) -> Iterator[Completion]:
        """Answer prompts by their numbers; there is at least one."""


def _choose(
    logprobs: Tensor, tokens: Sequence[int], decoding: Decoding, read: Sequence[int]
) -> int | None:
    """Choose one of some tokens; ``None`` where there are no numbers for them.

    Args:
        logprobs: Of the whole vocabulary (V).
        tokens: Those that may follow.
        decoding: How one is chosen.
        read: The tokens before, by which its drawing is seeded, so that it depends on nothing else.
    """
    values = dict(zip(tokens, logprobs[tokens].tolist(), strict=True))
    largest = max(values.values())
    if not math.isfinite(sum(math.exp(value) for value in values.values())) or largest == -math.inf:
        return None
    if decoding.is_greedy:
        return max(values, key=values.__getitem__)
    weights = [math.exp((value - largest) / decoding.temperature) for value in values.values()]
    drawing = random.Random(f"{decoding.seed} {list(read)}")  # noqa: S311  # no secret
    return drawing.choices(tokens, weights)[0]
