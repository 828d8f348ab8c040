"""Log-probabilities of several continuations of prompts, by plain passes of a transformers model.

Sizes in shape comments: B rows, T tokens of the longest row, K kept positions, V vocabulary.
"""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any

import torch

from pytest_llmjudge.generation.hf.passes import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from pytest_llmjudge.data import Context

__all__ = ["RowPasses"]

Model = Any  # transformers has no types


class RowPasses:
    """Computes passes of whole rows, one for each branch; nothing is shared between passes.

    Args:
        model: Of transformers, in evaluation mode.
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    def score(self, contexts: Sequence[Context]) -> list[list[float]]:
        """Return for each context of a pass the summed log-probability of each of its branches."""
        return _score(self._model, contexts)

    def next_logprobs(self, contexts: Sequence[Context]) -> Iterator[Tensor]:
        """Yield for each context of a pass, which has no branches, what may follow it.

        Yields:
            The log-probability of each token (V), in float32 on the CPU.
        """
        read = [context.ids for context in contexts]
        logits, skipped = _logits(self._model, read, min(map(len, read)) - 1)
        for at, row in enumerate(read):
            last = logits[at, len(row) - 1 - skipped]
            yield last.float().log_softmax(0).cpu()


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
    rows = [row for context in contexts for row in read_rows(context)]
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
