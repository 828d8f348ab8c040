"""GPT-2's architecture, with the parameter names of "Build a Large Language Model From Scratch".

Sizes in shape comments: B batch, T tokens, C embedding, H heads, D = C / H, V vocabulary.
A leading ``…`` is ``B, T`` in training and one flat dimension of tokens in decoding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from pytest_llmjudge.generation.families.decoder import (
    Attention,
    Decoder,
    count_matrices,
    join_linear,
)
from pytest_llmjudge.generation.families.gpt2.experts import Experts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.generation.families.decoder import Attend
    from pytest_llmjudge.generation.families.gpt2.config import GPTConfig

__all__ = ["GPTModel"]


class LayerNorm(nn.Module):
    """Normalises the last dimension; its gain is called ``scale`` and its bias ``shift``."""

    def __init__(self, emb_dim: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(emb_dim))
        self.shift = nn.Parameter(torch.zeros(emb_dim))

    def forward(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, self.scale.shape, self.scale, self.shift, eps=1e-5)


class SelfAttention(nn.Module):
    """Self-attention with several heads; ``attend`` decides which tokens see which."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.head_size = config.emb_dim // config.n_heads
        self.W_query = nn.Linear(config.emb_dim, config.emb_dim, bias=config.qkv_bias)
        self.W_key = nn.Linear(config.emb_dim, config.kv_width, bias=config.qkv_bias)
        self.W_value = nn.Linear(config.emb_dim, config.kv_width, bias=config.qkv_bias)
        self.out_proj = nn.Linear(config.emb_dim, config.emb_dim)

    def join(self) -> None:
        """Compute queries, keys and values as one product."""
        layers = self.W_query, self.W_key, self.W_value
        self.widths = [layer.out_features for layer in layers]
        self.qkv = join_linear(*layers)
        del self.W_query, self.W_key, self.W_value

    def forward(self, x: Tensor, attend: Attend) -> Tensor:
        if hasattr(self, "qkv"):
            projected = self.qkv(x).split(self.widths, dim=-1)
        else:
            projected = self.W_query(x), self.W_key(x), self.W_value(x)  # (…, C) and 2 (…, K D)
        query, key, value = (y.unflatten(-1, (-1, self.head_size)) for y in projected)
        seen = attend(query, key, value)  # (…, H, D)
        mixed: Tensor = self.out_proj(seen.flatten(-2))  # (…, C)
        return mixed


class FeedForward(nn.Module):
    """Two linear layers with GELU between them, which GPT-2 approximates by tanh."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(config.emb_dim, config.inner_width),
            nn.GELU(approximate="none" if config.exact_gelu else "tanh"),
            nn.Linear(config.inner_width, config.emb_dim),
        )

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.layers(x)  # (…, C) -> (…, F) -> (…, C)
        return changed


class Block(nn.Module):
    """Attention and feed-forward, each working on a normalised copy and added back."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.att = SelfAttention(config)
        self.ff: nn.Module = FeedForward(config)
        if config.n_experts:
            sizes = config.emb_dim, config.inner_width, config.n_experts, config.active_experts
            self.ff = Experts(*sizes)
        self.norm1 = LayerNorm(config.emb_dim)
        self.norm2 = LayerNorm(config.emb_dim)

    def forward(self, x: Tensor, attend: Attend) -> Tensor:
        x = x + self.att(self.norm1(x), attend)  # (…, C)
        y: Tensor = x + self.ff(self.norm2(x))  # (…, C)
        return y


class GPTModel(Decoder):
    """GPT-2: ``model(ids)`` for whole sequences; ``hidden`` and ``logits`` are its two halves.

    A new model has GPT-2's initial weights: normal with deviation 0.02, biases zero.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.context_length = config.context_length
        self.vocab_size = config.vocab_size
        size = config.emb_dim // config.n_heads
        kv_heads = config.n_kv_heads or config.n_heads
        self.attentions = [
            Attention(config.n_heads, kv_heads, size, scale=size**-0.5, window=window)
            for window in config.windows or [None] * config.n_layers
        ]
        self.tok_emb = nn.Embedding(config.vocab_size, config.emb_dim)
        self.pos_emb = nn.Embedding(config.context_length, config.emb_dim)
        self.trf_blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.final_norm = LayerNorm(config.emb_dim)
        self.out_head = nn.Linear(config.emb_dim, config.vocab_size, bias=False)
        self.matrix_numbers = count_matrices(self)
        self.apply(_initialise)

    @torch.no_grad()
    def join(self) -> None:
        """Compute the queries, keys and values of each block as one product."""
        for part in self.modules():
            if isinstance(part, SelfAttention):
                part.join()

    @property
    def embedding(self) -> Tensor:
        """The weight of the token embedding (V, C)."""
        return self.tok_emb.weight

    def hidden(self, ids: Tensor, positions: Tensor, attends: Sequence[Attend]) -> Tensor:
        """Map ids (…) at their positions to hidden states (…, C); one ``attend`` a block."""
        x: Tensor = self.tok_emb(ids) + self.pos_emb(positions)  # (…, C)
        for block, attend in zip(self.trf_blocks, attends, strict=True):
            x = block(x, attend)
        return x

    def logits(self, x: Tensor) -> Tensor:
        """Map hidden states (…, C) to the next token's logits (…, V)."""
        scores: Tensor = self.out_head(self.final_norm(x))  # (…, V)
        return scores


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
