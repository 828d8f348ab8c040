"""Log-probabilities of several continuations of prompts, by plain passes of a transformers model.

Sizes in shape comments: B rows, T tokens of the longest row, K kept positions, V vocabulary.
"""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import Context

__all__ = ["PASS_TOKENS", "score_branches"]

PASS_TOKENS = 2048
"""About how many tokens one pass takes, which bounds its memory."""

Model = Any  # transformers has no types


def score_branches(model: Model, contexts: Sequence[Context]) -> Iterator[list[float]]:
    """Yield for each context, in order, the summed log-probability of each of its branches.

    Args:
        model: Of transformers, in evaluation mode.
        contexts: Their tokens and those of their longest branch, its last one not counted, fit into
            the model's context together.
    """
    batch: list[Context] = []
    tokens = 0
    for context in contexts:
        size = sum(map(len, _rows(context)))
        if batch and tokens + size > PASS_TOKENS:
            yield from _score(model, batch)
            batch, tokens = [], 0
        batch.append(context)
        tokens += size
    if batch:
        yield from _score(model, batch)


def _rows(context: Context) -> list[list[int]]:
    """Return what the model has to read: branches that differ in their last token share a row."""
    seen = dict.fromkeys(tuple(branch[:-1]) for branch in context.branches)
    return [[*context.ids, *branch] for branch in seen]


@torch.inference_mode()
def _score(model: Model, contexts: Sequence[Context]) -> list[list[float]]:
    rows = [row for context in contexts for row in _rows(context)]
    width = max(map(len, rows))
    first = min(len(context.ids) for context in contexts) - 1
    # Behind a row nothing of it looks, so that its padding, of any token, needs no thought.
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=model.device)
    seen = [[1] * len(row) + [0] * (width - len(row)) for row in rows]
    mask = torch.tensor(seen, device=model.device)  # (B, T)
    known = inspect.signature(model.forward).parameters
    options = {"use_cache": False, "logits_to_keep": width - first}
    wanted = {name: value for name, value in options.items() if name in known}
    logits = model(input_ids=ids, attention_mask=mask, **wanted).logits  # (B, K, V)
    skipped = width - logits.shape[1]
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
