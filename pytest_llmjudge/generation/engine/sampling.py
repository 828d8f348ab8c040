"""Chooses each next token from the model's logits: the likeliest, or one that is drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from pytest_llmjudge.settings import Decoding

__all__ = ["NO_TOKEN", "Choose", "Sampler", "likeliest"]

NO_TOKEN = -1
"""Chosen where the largest logit is NaN or infinite, so that no token is likelier than others."""

Choose = Callable[[Tensor, Sequence[int]], list[int]]
"""Logits (R, V) and the prompt that each row belongs to, to a token for each row, or none."""


def likeliest(logits: Tensor, _: Sequence[int]) -> list[int]:
    """Choose the likeliest token of each row; among equals the first."""
    best = logits.argmax(dim=1)
    # The largest alone: what a mask hides is minus infinity, and NaN counts as the largest.
    largest = logits.gather(1, best[:, None]).squeeze(1)
    tokens: list[int] = torch.where(largest.isfinite(), best, NO_TOKEN).tolist()
    return tokens


class Sampler:
    """Draws tokens; each text by a generator of its own, so that no text depends on the others.

    Args:
        decoding: Temperature, seed, and among which tokens to draw.
        prompts: Token ids; a text's seed is made of its prompt's.
    """

    def __init__(self, decoding: Decoding, prompts: Sequence[Sequence[int]]) -> None:
        self._decoding = decoding
        self._generators = [_generator(decoding.seed, prompt) for prompt in prompts]

    def __call__(self, logits: Tensor, rows: Sequence[int]) -> list[int]:
        """Draw a token for each row, and advance the generators of their texts."""
        weights = self.weigh(logits)
        draws = torch.stack(
            [torch.rand((), generator=self._generators[row], dtype=torch.float64) for row in rows]
        )
        # In the order of the vocabulary: the order of tokens that are nearly as likely as each
        # other depends on rounding, and so on what runs together.
        summed = weights.cumsum(dim=1)
        places = torch.searchsorted(summed, draws[:, None] * summed[:, -1:], right=True)
        # Rounded up, a draw close to 1 would lie behind the last token.
        last = weights.shape[1] - 1 - (weights.flip(1) > 0).int().argmax(dim=1, keepdim=True)
        is_none = ~logits.amax(dim=1).isfinite().cpu()
        drawn: list[int] = places.minimum(last).squeeze(1).masked_fill(is_none, NO_TOKEN).tolist()
        return drawn

    def weigh(self, logits: Tensor) -> Tensor:
        """Return each token's probability (R, V), 0 for those that are not to be drawn.

        The ``top_k`` likeliest are kept, and of these the likeliest whose probabilities reach
        ``top_p`` together (Holtzman et al., 2020, arXiv 1904.09751), at least one. What is kept
        does not sum to 1 again.
        """
        top_k, top_p = self._decoding.top_k, self._decoding.top_p
        # Not every device has double precision. Less the largest, no temperature makes it infinite.
        logits = logits.cpu().double()
        scaled = (logits - logits.amax(dim=1, keepdim=True)) / self._decoding.temperature
        if top_k is not None and top_k < scaled.shape[1]:
            least = scaled.topk(top_k, dim=1).values[:, -1:]
            scaled = scaled.masked_fill(scaled < least, -torch.inf)
        weights = scaled.softmax(dim=1)
        if top_p < 1:
            ordered, tokens = weights.sort(dim=1, descending=True, stable=True)
            before = ordered.cumsum(dim=1) - ordered
            before[:, 0] = 0
            ordered = ordered.masked_fill(before >= top_p, 0)
            weights = torch.zeros_like(weights).scatter_(1, tokens, ordered)
        return weights


def _generator(seed: int, prompt: Sequence[int]) -> torch.Generator:
    digest = hashlib.sha256(f"{seed} {list(prompt)}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
