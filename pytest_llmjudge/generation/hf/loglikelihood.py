"""Log-probabilities of several continuations of prompts, by plain passes of a transformers model.

Sizes in shape comments: B rows, T tokens of the longest row, K kept positions, V vocabulary.
"""

from __future__ import annotations

import inspect
import math
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from pytest_llmjudge.data import Context

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

__all__ = ["next_logprobs", "score_branches"]

_PASS_TOKENS = 2048
"""Most tokens of a pass of several contexts, which bounds its memory."""
_PASS_LOGITS = 2**26
"""Most logits of such a pass: 256 MiB in float32."""

Model = Any  # transformers has no types


def score_branches(model: Model, contexts: Sequence[Context]) -> Iterator[list[float]]:
    """Yield for each context, in order, the summed log-probability of each of its branches.

    Args:
        model: Of transformers, in evaluation mode.
        contexts: Their tokens and those of their longest branch, its last one not counted, fit into
            the model's context together.
    """
    for batch in _batches(model, contexts):
        yield from _score(model, batch)


def next_logprobs(model: Model, rows: Sequence[list[int]]) -> Iterator[tuple[int, Tensor]]:
    """Yield for each row of tokens its number and what may follow it; those of a length together.

    Args:
        model: Of transformers, in evaluation mode.
        rows: Each at least one token, and no longer than the model's context.

    Yields:
        Number of the row, and the log-probability of each token (V), in float32 on the CPU.
    """
    order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
    # A continuation of one token is read from the logits of the row alone.
    numbers = iter(order)
    for batch in _batches(model, [Context(rows[number], ([0],)) for number in order]):
        read = [context.ids for context in batch]
        logits, skipped = _logits(model, read, min(map(len, read)) - 1)
        for at, row in enumerate(read):
            last = logits[at, len(row) - 1 - skipped]
            yield next(numbers), last.float().log_softmax(0).cpu()


def _batches(model: Model, contexts: Sequence[Context]) -> Iterator[list[Context]]:
    """Yield contexts as many at a time as one pass bears, in order."""
    vocabulary = len(model.get_input_embeddings().weight)
    batch: list[Context] = []
    whole = _Extent()
    for context in contexts:
        own = _extent(context)
        grown = whole.with_(own)
        if batch and grown.is_too_large(vocabulary):
            yield batch
            batch, grown = [], own
        batch.append(context)
        whole = grown
    if batch:
        yield batch


class _Extent(NamedTuple):
    """What the rows of some contexts take.

    Attributes:
        rows: How many there are.
        tokens: Of all of them, without padding.
        width: Of the longest.
        first: The first token whose logits are kept of any.
    """

    rows: int = 0
    tokens: int = 0
    width: int = 0
    first: int = sys.maxsize

    def with_(self, other: _Extent) -> _Extent:
        """Return what both take in one pass."""
        return _Extent(
            self.rows + other.rows,
            self.tokens + other.tokens,
            max(self.width, other.width),
            min(self.first, other.first),
        )

    def is_too_large(self, vocabulary: int) -> bool:
        logits = self.rows * (self.width - self.first) * vocabulary
        return self.tokens > _PASS_TOKENS or logits > _PASS_LOGITS


def _extent(context: Context) -> _Extent:
    sizes = [len(row) for row in _rows(context)]
    return _Extent(len(sizes), sum(sizes), max(sizes), len(context.ids) - 1)


def _rows(context: Context) -> list[list[int]]:
    """Return what the model has to read: branches that differ in their last token share a row."""
    seen = dict.fromkeys(tuple(branch[:-1]) for branch in context.branches)
    return [[*context.ids, *branch] for branch in seen]


@torch.inference_mode()
def _logits(model: Model, rows: Sequence[Sequence[int]], first: int) -> tuple[Tensor, int]:
    """Return logits (B, K, V) from the token at ``first`` on, and how many tokens lack theirs."""
    width = max(map(len, rows))
    # Behind a row nothing of it looks, so that its padding, of any token, needs no thought.
    padded = [[*row, *[0] * (width - len(row))] for row in rows]
    seen = [[1] * len(row) + [0] * (width - len(row)) for row in rows]
    known = inspect.signature(model.forward).parameters
    options = {"use_cache": False, "logits_to_keep": width - first}
    logits: Tensor = model(
        input_ids=torch.tensor(padded, device=model.device),
        attention_mask=torch.tensor(seen, device=model.device),  # (B, T)
        **{name: value for name, value in options.items() if name in known},
    ).logits
    return logits, width - logits.shape[1]


@torch.inference_mode()
def _score(model: Model, contexts: Sequence[Context]) -> list[list[float]]:
    rows = [row for context in contexts for row in _rows(context)]
    logits, skipped = _logits(model, rows, min(len(context.ids) for context in contexts) - 1)
    numbers = {tuple(row): number for number, row in enumerate(rows)}
    scores = []
    for context in contexts:
        start = len(context.ids) - 1 - skipped
        values = []
        for branch in context.branches:
            read = (*context.ids, *branch[:-1])
            row = logits[numbers[read], start : start + len(branch)].float()
            targets = torch.tensor(branch, device=row.device)
            chosen = row.gather(1, targets[:, None]).squeeze(1) - row.logsumexp(1)
            values.append(math.fsum(chosen.tolist()))
        scores.append(values)
    return scores
