"""What makes up a transformer: its sizes, and each switch in which families differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmjudge.generation.files.names import Shape

__all__ = [
    "Activation",
    "MissingError",
    "Rope",
    "TransformerConfig",
    "UnsupportedError",
    "weight_shapes",
]

Activation = Literal["silu", "gelu", "gelu_tanh"]


class MissingError(Exception):
    """No config says what tensors do not.

    Attributes:
        keys: Which settings are missing.
    """

    def __init__(self, *keys: str) -> None:
        super().__init__(*keys)
        self.keys = keys


class UnsupportedError(Exception):
    """A config asks for what the native engine does not compute exactly.

    Attributes:
        reason: The setting and its value, as half a sentence.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Rope:
    """How positions turn queries and keys (rotary position embedding, J. Su et al., 2021).

    Attributes:
        base: Of the geometric series of wavelengths; transformers calls it ``rope_theta``.
        scaling: How the frequencies are changed for longer contexts; ``None`` for not at all.
            ``llama3`` is Llama 3.1's, ``yarn`` that of B. Peng et al., 2023.
        factor: By which frequencies are divided.
        original_context: Tokens of the context before it was extended.
        low_freq_factor: Of ``llama3``: wavelengths above ``original_context`` over this are scaled.
        high_freq_factor: Of ``llama3``: wavelengths below ``original_context`` over this are not.
        beta_fast: Of ``yarn``: rotations within the original context above which none is scaled.
        beta_slow: Of ``yarn``: rotations below which all are scaled.
        truncate: Of ``yarn``: whether the bounds between the two are rounded outwards.
        attention_factor: What cosine and sine are multiplied by.
    """

    base: float
    scaling: Literal["linear", "llama3", "yarn"] | None = None
    factor: float = 1.0
    original_context: float = 0.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    truncate: bool = True
    attention_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class TransformerConfig:
    """Sizes and switches of a decoder with RoPE, RMSNorm and gated feed-forward layers.

    Attributes:
        kind: Name of the architecture, by transformers' ``model_type``.
        vocab_size: Rows of the token embedding (V).
        context_length: Tokens the model can see, prompt and answer together.
        emb_dim: Width of the residual stream (C).
        hidden_dim: Width of the feed-forward layers.
        n_heads: Query heads of a block (H).
        n_kv_heads: Key and value heads of a block (K); divides ``n_heads``.
        head_size: Width of a head (D); even.
        ropes: For each block how its queries and keys are turned.
        windows: For each block how many tokens a token sees, itself included; ``None`` for all
            before it.
        attention_scale: What scores are multiplied by.
        attention_softcap: Scores become ``cap * tanh(scores / cap)``; ``None`` for none.
        final_softcap: The same of logits.
        activation: Of the feed-forward gate.
        norm_eps: Added to the mean square.
        norm_offset: Whether norms multiply by 1 + weight.
        norm_casts_first: Whether norms multiply by the weight in the model's own number format, and
            not in float32 before they go back to it.
        norms_before: Whether the inputs of attention and feed-forward are normalised.
        norms_after: Whether their outputs are.
        qk_norm: Whether queries and keys are normalised: each head, or all heads as one vector.
        qkv_bias: Whether the query, key and value projections have biases.
        out_bias: Whether the attention's output projection has.
        mlp_bias: Whether the feed-forward layers have.
        emb_scale: What embeddings are multiplied by.
        rope_in_float32: Whether queries and keys are turned in float32, and not in the model's own
            number format.
        is_tied: Whether the output head is the token embedding where a file has no head.
    """

    kind: str
    vocab_size: int
    context_length: int
    emb_dim: int
    hidden_dim: int
    n_heads: int
    n_kv_heads: int
    head_size: int
    ropes: tuple[Rope, ...]
    windows: tuple[int | None, ...]
    attention_scale: float
    attention_softcap: float | None = None
    final_softcap: float | None = None
    activation: Activation = "silu"
    norm_eps: float = 1e-6
    norm_offset: bool = False
    norm_casts_first: bool = True
    norms_before: bool = True
    norms_after: bool = False
    qk_norm: Literal["head", "all"] | None = None
    qkv_bias: bool = False
    out_bias: bool = False
    mlp_bias: bool = False
    emb_scale: float | None = None
    rope_in_float32: bool = False
    is_tied: bool = False

    def __post_init__(self) -> None:
        """Refuse sizes of heads that cannot be computed with.

        Raises:
            UnsupportedError: Heads have no halves to turn, or do not share keys evenly.
        """
        if self.head_size % 2:
            reason = f"heads have the odd size {self.head_size}"
            raise UnsupportedError(reason)
        if self.n_heads % self.n_kv_heads:
            reason = f"{self.n_heads} heads share {self.n_kv_heads} heads of keys and values"
            raise UnsupportedError(reason)

    @property
    def n_layers(self) -> int:
        """Transformer blocks."""
        return len(self.windows)


def weight_shapes(config: TransformerConfig) -> dict[str, Shape]:
    """Name and shape of every weight, in the model's own order; the head is one of them if tied."""
    shapes: dict[str, Shape] = {"tok_emb.weight": (config.vocab_size, config.emb_dim)}
    block = dict(_block_shapes(config))
    for layer in range(config.n_layers):
        shapes |= {f"trf_blocks.{layer}.{name}": shape for name, shape in block.items()}
    shapes["final_norm.scale"] = (config.emb_dim,)
    shapes["out_head.weight"] = (config.vocab_size, config.emb_dim)
    return shapes


def _block_shapes(config: TransformerConfig) -> Iterator[tuple[str, Shape]]:
    width, hidden, size = config.emb_dim, config.hidden_dim, config.head_size
    queries, keys = config.n_heads * size, config.n_kv_heads * size
    # What some layouts keep in one tensor stands together, so that each is read once.
    joint = (
        ({"att.W_query": queries, "att.W_key": keys, "att.W_value": keys}, width, config.qkv_bias),
        ({"att.out_proj": width}, queries, config.out_bias),
        ({"ff.fc1": hidden, "ff.fc2": hidden}, width, config.mlp_bias),
        ({"ff.fc3": width}, hidden, config.mlp_bias),
    )
    for layers, inputs, has_bias in joint:
        yield from ((f"{name}.weight", (outputs, inputs)) for name, outputs in layers.items())
        if has_bias:
            yield from ((f"{name}.bias", (outputs,)) for name, outputs in layers.items())
    if config.qk_norm is not None:
        whole = config.qk_norm == "all"
        yield "att.q_norm.scale", (queries if whole else size,)
        yield "att.k_norm.scale", (keys if whole else size,)
    before, after = ("norm1", "norm2"), ("out_norm1", "out_norm2")
    for name in before * config.norms_before + after * config.norms_after:
        yield f"{name}.scale", (width,)
