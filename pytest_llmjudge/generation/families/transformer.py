"""The one decoder that Llama, Qwen, Gemma, Phi and OLMo run on: RMSNorm, RoPE, gated layers.

Sizes in shape comments are those of ``decoder.py``.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from pytest_llmjudge.generation.families.decoder import (
    Attention,
    Decoder,
    constant,
    count_matrices,
    join_linear,
    soften,
)
from pytest_llmjudge.generation.families.rope import frequencies, rotate, rotation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_llmjudge.generation.families.decoder import Attend
    from pytest_llmjudge.generation.families.rope import Rotation
    from pytest_llmjudge.generation.families.transformer_config import (
        Activation,
        TransformerConfig,
    )

__all__ = ["Transformer"]

_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "silu": functional.silu,
    "gelu": functional.gelu,
    "gelu_tanh": partial(functional.gelu, approximate="tanh"),
}


class RMSNorm(nn.Module):
    """Divides the last dimension by its root mean square (B. Zhang and R. Sennrich, 2019)."""

    def __init__(self, config: TransformerConfig, size: int) -> None:
        super().__init__()
        self._eps, self._casts_first = config.norm_eps, config.norm_casts_first
        self.scale = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        # For many tokens this takes a fifth of the time of functional.rms_norm on a CPU.
        length = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
        normal = wide * length.square_().div_(x.shape[-1]).add_(self._eps).rsqrt_()
        if self._casts_first:
            normal = normal.to(x.dtype)
        scaled: Tensor = normal.mul_(self.scale)
        return scaled.to(x.dtype)


class SelfAttention(nn.Module):
    """Grouped-query attention; ``attend`` decides which tokens see which."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width, size = config.emb_dim, config.head_size
        self._heads = config.n_heads, config.n_kv_heads  # H, K
        self._size = size  # D
        self._in_float32 = config.rope_in_float32
        queries, keys = config.n_heads * size, config.n_kv_heads * size
        self.W_query = nn.Linear(width, queries, bias=config.qkv_bias)
        self.W_key = nn.Linear(width, keys, bias=config.qkv_bias)
        self.W_value = nn.Linear(width, keys, bias=config.qkv_bias)
        self.out_proj = nn.Linear(queries, width, bias=config.out_bias)
        self._norm = config.qk_norm
        if config.qk_norm is not None:
            whole = config.qk_norm == "all"
            self.q_norm = RMSNorm(config, queries if whole else size)
            self.k_norm = RMSNorm(config, keys if whole else size)

    def join(self) -> None:
        """Compute queries, keys and values as one product, and the norms of heads as one."""
        self.qkv = join_linear(self.W_query, self.W_key, self.W_value)
        del self.W_query, self.W_key, self.W_value
        if self._norm == "head":
            heads, kv_heads = self._heads
            scales = self.q_norm.scale.expand(heads, -1), self.k_norm.scale.expand(kv_heads, -1)
            self.qk_norm, self.qk_norm.scale = self.q_norm, constant(torch.cat(scales))
            del self.q_norm, self.k_norm

    def forward(self, x: Tensor, by: Rotation, attend: Attend) -> Tensor:
        heads, kv_heads = self._heads
        joint: Tensor = self.qkv(x)  # (…, (H + 2 K) D)
        if self._norm == "all":
            sizes = [count * self._size for count in (heads, kv_heads, kv_heads)]
            query, key, value = torch.split(joint, sizes, dim=-1)
            joint = torch.cat((self.q_norm(query), self.k_norm(key), value), dim=-1)
        joint = joint.reshape(*joint.shape[:-1], -1, self._size)  # (…, H + 2 K, D)
        turned, value = torch.split(joint, [heads + kv_heads, kv_heads], dim=-2)
        if self._norm == "head":
            turned = self.qk_norm(turned)
        turned = rotate(turned.float() if self._in_float32 else turned, by).to(x.dtype)
        query, key = torch.split(turned, [heads, kv_heads], dim=-2)
        mixed: Tensor = self.out_proj(attend(query, key, value).flatten(-2))  # (…, C)
        return mixed


class FeedForward(nn.Module):
    """A gated linear unit (N. Shazeer, 2020): ``fc3(activation(fc1(x)) * fc2(x))``."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width, hidden = config.emb_dim, config.hidden_dim
        self._activate = _ACTIVATIONS[config.activation]
        self.fc1 = nn.Linear(width, hidden, bias=config.mlp_bias)
        self.fc2 = nn.Linear(width, hidden, bias=config.mlp_bias)
        self.fc3 = nn.Linear(hidden, width, bias=config.mlp_bias)

    def join(self) -> None:
        """Compute gate and values as one product."""
        self.gate_up = join_linear(self.fc1, self.fc2)
        del self.fc1, self.fc2

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        changed: Tensor = self.fc3(self._activate(gate).mul_(up))
        return changed


class Block(nn.Module):
    """Attention and feed-forward, each added to its input, with norms before, after, or both."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        before = [_norm(config) if config.norms_before else nn.Identity() for _ in range(2)]
        after = [_norm(config) if config.norms_after else nn.Identity() for _ in range(2)]
        self.att = SelfAttention(config)
        self.ff = FeedForward(config)
        self.norm1, self.norm2 = before
        self.out_norm1, self.out_norm2 = after

    def forward(self, x: Tensor, by: Rotation, attend: Attend) -> Tensor:
        x = x + self.out_norm1(self.att(self.norm1(x), by, attend))  # (…, C)
        y: Tensor = x + self.out_norm2(self.ff(self.norm2(x)))  # (…, C)
        return y


class Transformer(Decoder):
    """A decoder of any config; its weights are those of ``weight_shapes``.

    A new model has no weights worth the name: they are loaded, and then ``prepare`` is called once.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.context_length = config.context_length
        self.vocab_size = config.vocab_size
        self.attentions = [
            Attention(
                config.n_heads,
                config.n_kv_heads,
                config.head_size,
                config.attention_scale,
                window,
                config.attention_softcap,
            )
            for window in config.windows
        ]
        self.tok_emb = nn.Embedding(config.vocab_size, config.emb_dim)
        self.trf_blocks = nn.ModuleList(Block(config) for _ in config.windows)
        self.final_norm = _norm(config)
        self.out_head = nn.Linear(config.emb_dim, config.vocab_size, bias=False)
        self.matrix_numbers = count_matrices(self)
        self._ropes = tuple(dict.fromkeys(config.ropes))
        self._radians: list[Tensor] = []
        self._emb_scale: float | None = None

    @property
    def embedding(self) -> Tensor:
        """The weight of the token embedding (V, C)."""
        return self.tok_emb.weight

    @torch.no_grad()
    def prepare(self) -> None:
        """Rearrange the loaded weights for speed; afterwards the model can run."""
        config = self.config
        for part in self.modules():
            if isinstance(part, (SelfAttention, FeedForward)):
                part.join()
        if config.norm_offset:
            # The sum is not rounded to the model's own number format.
            for part in self.modules():
                if isinstance(part, RMSNorm):
                    part.scale = constant(1 + part.scale.float())
        if config.emb_scale is not None:
            self._emb_scale = torch.tensor(config.emb_scale, dtype=self.dtype).item()
        sizes = (frequencies(rope, config.head_size) for rope in self._ropes)
        self._radians = [radians.to(self.device) for radians in sizes]

    def hidden(self, ids: Tensor, positions: Tensor, attends: Sequence[Attend]) -> Tensor:
        """Map ids (…) at their positions to hidden states (…, C); one ``attend`` a block."""
        x: Tensor = self.tok_emb(ids)  # (…, C)
        if self._emb_scale is not None:
            x = x * self._emb_scale
        dtype = torch.float32 if self.config.rope_in_float32 else self.dtype
        rotations = {
            rope: rotation(radians, positions, rope.attention_factor, dtype)
            for rope, radians in zip(self._ropes, self._radians, strict=True)
        }
        ropes = self.config.ropes
        for block, rope, attend in zip(self.trf_blocks, ropes, attends, strict=True):
            x = block(x, rotations[rope], attend)
        return x

    def logits(self, x: Tensor) -> Tensor:
        """Map hidden states (…, C) to the next token's logits (…, V)."""
        return soften(self.config.final_softcap, self.out_head(self.final_norm(x)))


def _norm(config: TransformerConfig) -> RMSNorm:
    return RMSNorm(config, config.emb_dim)
