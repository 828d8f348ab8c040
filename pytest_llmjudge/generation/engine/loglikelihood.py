"""Log-probabilities of continuations, or of next tokens, of many prompts that begin alike.

What all prompts of a batch share is computed once. Behind it each prompt is a tree: its own tokens,
and one branch for each continuation, which sees the prompt and itself but no other branch.

Sizes in shape comments: N tokens of one pass, T tokens of one tree, P tokens of the shared prefix,
H heads, D size of a head, R predicted tokens, V vocabulary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pytest_llmjudge.generation.families.decoder import causal, mix, visible
from pytest_llmjudge.generation.passes import PASS_TOKENS, plan_trees

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import Context
    from pytest_llmjudge.generation.families.decoder import Attention, Decoder

__all__ = ["TreePasses", "score_contexts"]

_ROWS = 256
"""Predicted tokens at a time: the logits of a whole pass would take hundreds of MiB."""


@dataclass(frozen=True, slots=True)
class _Tree:
    """A context and its branches as one row of tokens, the shared prefix left out.

    Attributes:
        ids: The context, then each branch without its last token, which predicts nothing.
        places: Position of each token behind the prefix: branches lie beside each other.
        parents: For each branch its span within ``ids``.
        context: How many tokens the context has.
        predicted: For each predicted token the place in ``ids`` of the token before it.
        targets: The predicted tokens, branch by branch.
        sizes: How many of them each branch has.
    """

    ids: list[int]
    places: list[int]
    spans: list[slice]
    context: int
    predicted: list[int]
    targets: list[int]
    sizes: list[int]


def score_contexts(
    model: Decoder, contexts: Sequence[Context], *, pass_tokens: int = PASS_TOKENS
) -> Iterator[list[float]]:
    """Yield for each context, in order, the summed log-probability of each of its branches.

    Args:
        model: In evaluation mode; it runs on its device.
        contexts: Their tokens and those of their longest branch, its last one not counted, fit into
            the model's context together.
        pass_tokens: See :data:`.passes.PASS_TOKENS`.
    """
    plan = plan_trees(contexts, pass_tokens)
    behind = TreePasses(model, plan.prefix)
    for batch in plan.passes:
        yield from behind.score(batch)


class TreePasses:
    """Computes passes behind a prefix, whose keys and values are computed once.

    Args:
        model: In evaluation mode; it runs on its device.
        prefix: Its tokens; may be empty.
    """

    @torch.inference_mode()
    def __init__(self, model: Decoder, prefix: list[int]) -> None:
        self._model = model
        self._prefix = len(prefix)
        self._layers = [_Layer(attention, model.embedding) for attention in model.attentions]
        if prefix:
            ids = torch.tensor([prefix], device=model.device)
            places = torch.arange(len(prefix), device=model.device)
            model.hidden(ids, places, [layer.remember for layer in self._layers])

    @torch.inference_mode()
    def score(self, contexts: Sequence[Context]) -> list[list[float]]:
        """Return for each context of a pass the summed log-probability of each of its branches."""
        trees = [_grow(context) for context in contexts]
        return list(_score(self._model, trees, *self._run(trees)))

    @torch.inference_mode()
    def next_logprobs(self, contexts: Sequence[Context]) -> Iterator[Tensor]:
        """Yield for each context of a pass, which has no branches, what may follow it.

        Yields:
            The log-probability of each token (V), in float32 on the CPU.
        """
        spans, hidden = self._run([_grow(context) for context in contexts])
        last = [span.stop - 1 for span in spans]
        for at in range(0, len(last), _ROWS):
            rows_of_logits = self._model.logits(hidden[last[at : at + _ROWS]])  # (R, V)
            yield from rows_of_logits.float().log_softmax(1).cpu()

    def _run(self, trees: Sequence[_Tree]) -> tuple[list[slice], Tensor]:
        return _run(self._model, self._layers, trees, self._prefix)


def _grow(context: Context) -> _Tree:
    own = context.ids
    ids, places, spans = list(own), list(range(len(own))), []
    predicted, targets = [], []
    for branch in context.branches:
        span = slice(len(ids), len(ids) + len(branch) - 1)
        spans.append(span)
        ids += branch[:-1]
        places += range(len(own), len(own) + len(branch) - 1)
        predicted += [len(own) - 1, *range(span.start, span.stop)]
        targets += branch
    sizes = [len(branch) for branch in context.branches]
    return _Tree(ids, places, spans, len(own), predicted, targets, sizes)


def _run(
    model: Decoder, layers: Sequence[_Layer], trees: Sequence[_Tree], prefix: int
) -> tuple[list[slice], Tensor]:
    """Return where trees lie among the tokens of a pass (N), and its hidden states (N, C)."""
    device = model.device
    ids = torch.tensor([token for tree in trees for token in tree.ids], device=device)  # (N,)
    places = torch.tensor([place for tree in trees for place in tree.places], device=device)
    spans, start = [], 0
    for tree in trees:
        spans.append(slice(start, start + len(tree.ids)))
        start += len(tree.ids)
    masks = {
        window: [_mask(tree, prefix, window, device) for tree in trees]
        for window in {layer.attention.window for layer in layers}
    }
    attends = [partial(layer.attend, spans, masks[layer.attention.window]) for layer in layers]
    return spans, model.hidden(ids, places + prefix, attends)


def _score(
    model: Decoder, trees: Sequence[_Tree], spans: Sequence[slice], hidden: Tensor
) -> Iterator[list[float]]:
    """Yield for each tree the summed log-probability of each of its branches."""
    rows = [
        span.start + at for tree, span in zip(trees, spans, strict=True) for at in tree.predicted
    ]
    targets = [token for tree in trees for token in tree.targets]
    values = chain.from_iterable(
        _chosen(model, hidden, rows[at : at + _ROWS], targets[at : at + _ROWS])
        for at in range(0, len(rows), _ROWS)
    )
    for tree in trees:
        yield [math.fsum(islice(values, size)) for size in tree.sizes]


def _chosen(
    model: Decoder, hidden: Tensor, rows: Sequence[int], targets: Sequence[int]
) -> list[float]:
    """Return the log-probability of each target (R) behind its row of hidden states (N, C)."""
    logits = model.logits(hidden[torch.tensor(rows, device=hidden.device)])  # (R, V)
    chosen = logits.gather(1, torch.tensor(targets, device=hidden.device)[:, None]).squeeze(1)
    scores: list[float] = (chosen.float() - logits.float().logsumexp(1)).tolist()
    return scores


def _mask(tree: _Tree, prefix: int, window: int | None, device: torch.device) -> Tensor:
    """True where a token of the tree (T) may look, at the prefix and the tree (P + T)."""
    places = torch.tensor([*range(-prefix, 0), *tree.places], device=device)
    seen = visible(window, places[prefix:], places)
    for span in tree.spans:
        # A branch sees no other branch.
        seen[span, prefix + tree.context : prefix + span.start] = False
        seen[span, prefix + span.stop :] = False
    return seen


class _Layer:
    """One layer's keys and values of the prefix (P, K, D)."""

    def __init__(self, attention: Attention, like: Tensor) -> None:
        self.attention = attention
        self.keys = self.values = like.new_empty(0, attention.kv_heads, attention.head_size)

    def remember(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend within the prefix (1, P, H, D) and keep its keys and values."""
        self.keys, self.values = key[0].contiguous(), value[0].contiguous()
        return causal(self.attention, query, key, value)

    def attend(
        self,
        spans: Sequence[slice],
        masks: Sequence[Tensor],
        query: Tensor,
        key: Tensor,
        value: Tensor,
    ) -> Tensor:
        """Let each tree of (N, H, D) see the prefix and itself, as its mask allows."""
        seen = torch.empty_like(query)
        for span, mask in zip(spans, masks, strict=True):
            keys = torch.cat((self.keys, key[span]))[None]  # (1, P + T, K, D)
            values = torch.cat((self.values, value[span]))[None]
            row = query[span][None]  # (1, T, H, D)
            seen[span] = mix(self.attention, row, keys, values, mask[None, None])[0]
        return seen
