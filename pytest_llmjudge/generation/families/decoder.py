"""What the native engine asks of a decoder of any family, and how its tokens attend to each other.

Sizes in shape comments: B batch, T tokens that look, S tokens that are looked at, C embedding,
H heads, K heads of keys and values, D size of a head, V vocabulary. A leading ``…`` is ``B, T`` for
whole sequences and one flat dimension of tokens in incremental decoding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Attend",
    "Attention",
    "Decoder",
    "causal",
    "causal_attends",
    "constant",
    "count_matrices",
    "join_linear",
    "mix",
    "soften",
    "visible",
]

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""What tokens see of each other: query (…, H, D), key and value (…, K, D) to a mix (…, H, D)."""


@dataclass(frozen=True, slots=True)
class Attention:
    """How the tokens of one layer attend to each other.

    Attributes:
        heads: Heads of queries (H).
        kv_heads: Heads of keys and values (K); divides ``heads``.
        head_size: Width of a head (D).
        scale: Factor of the products of queries and keys.
        window: How many tokens a token sees, itself included; ``None`` for all before it.
        softcap: Scores are bounded by ``softcap * tanh(score / softcap)``; ``None`` for no bound.
    """

    heads: int
    kv_heads: int
    head_size: int
    scale: float
    window: int | None = None
    softcap: float | None = None

    @property
    def group(self) -> int:
        """How many heads of queries share one head of keys and values."""
        return self.heads // self.kv_heads


class Decoder(nn.Module, ABC):
    """A causal language model in two halves: ``hidden`` and ``logits``.

    Attributes:
        context_length: Tokens it can see, prompt and answer together.
        vocab_size: Tokens it knows (V).
        attentions: How each layer attends, in order.
        matrix_numbers: How many numbers its linear layers have.
    """

    context_length: int
    vocab_size: int
    attentions: Sequence[Attention]
    matrix_numbers: int

    @property
    @abstractmethod
    def embedding(self) -> Tensor:
        """The weight of the token embedding (V, C); its device and dtype are the model's."""

    @abstractmethod
    def hidden(self, ids: Tensor, positions: Tensor, attends: Sequence[Attend]) -> Tensor:
        """Map ids (…) at their positions (the last dimension of ids) to hidden states (…, C).

        Args:
            ids: Token ids.
            positions: Place of each token in its text.
            attends: One for each layer. An incremental decoder passes only new tokens, and
                attends that remember the old ones.
        """

    @abstractmethod
    def logits(self, x: Tensor) -> Tensor:
        """Map hidden states (…, C) to the next token's logits (…, V)."""

    def prepare(self) -> None:
        """Rearrange loaded weights for speed, before the first use."""

    def join(self) -> None:
        """Compute as one product what has the same input; it can only be run from then on."""

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self.embedding.device

    @property
    def dtype(self) -> torch.dtype:
        """In which numbers it runs."""
        return self.embedding.dtype

    @property
    def matrix_bytes(self) -> int:
        """Bytes that the weights of its linear layers take."""
        return self.matrix_numbers * self.dtype.itemsize

    @property
    def cache_bytes(self) -> int:
        """Bytes that the keys and values of one token take."""
        numbers = sum(2 * layer.kv_heads * layer.head_size for layer in self.attentions)
        return numbers * self.dtype.itemsize

    def forward(self, ids: Tensor) -> Tensor:
        """Map token ids (B, T), at most the context long, to logits (B, T, V)."""
        positions = torch.arange(ids.shape[1], device=ids.device)
        return self.logits(self.hidden(ids, positions, causal_attends(self)))


def count_matrices(model: nn.Module) -> int:
    """Count the numbers of a model's linear layers."""
    return sum(part.weight.numel() for part in model.modules() if isinstance(part, nn.Linear))


def join_linear(*layers: nn.Linear) -> nn.Linear:
    """Make one linear layer of several that have the same input: their outputs side by side."""
    weight = torch.cat([layer.weight for layer in layers])
    joined = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    joined.weight = constant(weight)
    if layers[0].bias is not None:
        joined.bias = constant(torch.cat([layer.bias for layer in layers]))
    return joined


def constant(values: Tensor) -> nn.Parameter:
    """Make a weight that is not trained."""
    return nn.Parameter(values, requires_grad=False)


def causal_attends(decoder: Decoder) -> list[Attend]:
    """Return for each layer what lets the tokens of whole sequences see those before them."""
    return [partial(causal, layer) for layer in decoder.attentions]


def causal(layer: Attention, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Let each token of (B, T, H, D) see itself and the tokens before it."""
    size = query.shape[1]
    if layer.softcap is not None or (layer.window is not None and layer.window < size):
        places = torch.arange(size, device=query.device)
        return mix(layer, query, key, value, visible(layer.window, places, places)[None, None])
    if layer.group > 1:
        key, value = (x.repeat_interleave(layer.group, dim=2) for x in (key, value))
    query, key, value = (x.transpose(1, 2) for x in (query, key, value))
    seen = functional.scaled_dot_product_attention(
        query, key, value, is_causal=True, scale=layer.scale
    )
    return seen.transpose(1, 2)


def visible(window: int | None, looking: Tensor, seen: Tensor) -> Tensor:
    """Return which positions (S) tokens at some positions (T) see: truth values (T, S)."""
    distance = looking[:, None] - seen
    before = distance >= 0
    return before if window is None else before & (distance < window)


def mix(layer: Attention, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Mix the values that each query may see.

    Args:
        layer: How its scores are made.
        query: (B, T, H, D).
        key: (B, S, K, D), in any strides of the first three dimensions.
        value: Likewise.
        mask: (B or 1, 1, T, S): true where a token may look, or numbers that are added to scores.

    Returns:
        (B, T, H, D)
    """
    (rows, size), group = query.shape[:2], layer.group
    # Queries that share keys become rows of one product: (B, K, G T, D).
    if group > 1:
        query = (
            query.reshape(rows, size, layer.kv_heads, group, -1)
            .permute(0, 2, 3, 1, 4)
            .flatten(2, 3)
        )
        mask = mask.repeat(1, 1, group, 1)
    else:
        query = query.transpose(1, 2)
    key, value = key.transpose(1, 2), value.transpose(1, 2)
    if layer.softcap is None:
        seen = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, scale=layer.scale
        )
    else:
        scores = soften(layer.softcap, query @ key.transpose(2, 3) * layer.scale)
        if mask.dtype == torch.bool:
            scores = scores.masked_fill(~mask, -torch.inf)
        else:
            scores = scores + mask
        seen = scores.float().softmax(dim=3).to(value.dtype) @ value  # as transformers does
    if group > 1:
        return (
            seen.reshape(rows, -1, group, size, layer.head_size)
            .permute(0, 3, 1, 2, 4)
            .flatten(2, 3)
        )
    return seen.transpose(1, 2)


def soften(softcap: float | None, scores: Tensor) -> Tensor:
    """Bound scores smoothly (Gemma 2, arXiv 2408.00118, section 2)."""
    return scores if softcap is None else softcap * torch.tanh(scores / softcap)
