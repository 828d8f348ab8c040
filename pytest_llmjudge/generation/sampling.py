"""Chooses each next token from the model's logits: the likeliest, or one that is drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from pytest_llmjudge.settings import Decoding

__all__ = ["Choose", "Sampler", "likeliest"]

Choose = Callable[[Tensor, Sequence[int]], list[int]]
"""Logits (R, V) and the prompt that each row belongs to, to a token for each row."""


def likeliest(logits: Tensor, _: Sequence[int]) -> list[int]:
    """Choose the likeliest token of each row; among equals the first."""
    tokens: list[int] = logits.argmax(dim=1).tolist()
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
        tokens, weights = self.weigh(logits)
        draws = torch.stack(
            [torch.rand((), generator=self._generators[row], dtype=torch.float64) for row in rows]
        )
        summed = weights.cumsum(dim=1)
        places = torch.searchsorted(summed, (draws * summed[:, -1])[:, None], right=True)
        # Rounded up, a draw close to 1 would lie behind the last token.
        last = (weights > 0).sum(dim=1, keepdim=True) - 1
        drawn: list[int] = tokens.gather(1, places.minimum(last)).squeeze(1).tolist()
        return drawn

    def weigh(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Sort the tokens by falling logits, and weigh those among which one is drawn.

        The first ``top_k`` are kept, and of these the first whose probabilities reach ``top_p``
        together (Holtzman et al., 2020, arXiv 1904.09751), at least one.

        Returns:
            Tokens (R, K), and their weights (R, K), which are 0 behind those that are kept.
        """
        scaled = logits.double().cpu() / self._decoding.temperature
        most = min(self._decoding.top_k or scaled.shape[1], scaled.shape[1])
        # A stable sort: among equals the first comes first, whatever the size of the batch.
        values, tokens = scaled.sort(dim=1, descending=True, stable=True)
        weights = values[:, :most].softmax(dim=1)
        before = weights.cumsum(dim=1) - weights
        kept = before < self._decoding.top_p
        kept[:, 0] = True
        return tokens[:, :most], weights * kept


def _generator(seed: int, prompt: Sequence[int]) -> torch.Generator:
    digest = hashlib.sha256(f"{seed} {list(prompt)}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
