"""Reads what the ``config.json`` of every family says alike: sizes, activation, RoPE, windows.

What is computed is what transformers computes. Where a value is not what its config class knows,
:class:`UnsupportedError` leaves the model to transformers, which then says what is wrong with it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NoReturn, TypedDict

from pytest_llmjudge.generation.families.transformer_config import (
    Activation,
    Rope,
    UnsupportedError,
)
from pytest_llmjudge.generation.files.names import finite, shorten, shorten_json

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Fields",
    "Sizes",
    "alternating",
    "full_attention",
    "is_quantised",
    "read_rope",
    "read_ropes",
    "read_sizes",
    "read_windows",
]

_ACTIVATIONS: dict[object, Activation] = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
}
FULL, SLIDING = "full_attention", "sliding_attention"
_ROPE_BASE = 10_000.0
_WINDOW = 4096
"""transformers' own where a config names none."""


class Fields:
    """The values of a ``config.json`` by name and type.

    Args:
        values: What it says.
        within: The name of the part of a config that these are, for reasons.
    """

    def __init__(self, values: Mapping[str, Any], within: str = "") -> None:
        self._values = values
        self._within = f"{within}." if within else ""

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def refuse(self, name: str) -> NoReturn:
        """Refuse a value that the engine does not know.

        Raises:
            UnsupportedError: Always.
        """
        value = shorten_json(self._values.get(name))
        reason = f"{shorten(self._within + name)} is {value}"
        raise UnsupportedError(reason)

    def get(self, name: str, default: object = None) -> Any:  # noqa: ANN401 - any value of JSON
        """Return a value as it is."""
        return self._values.get(name, default)

    def only(self, name: str, *usual: object) -> None:
        """Refuse any value but the usual ones; the first is that of a config without the field.

        Raises:
            UnsupportedError: It has another value.
        """
        if not any(self.get(name, usual[0]) is one for one in usual):
            self.refuse(name)

    def integer(self, name: str, default: int | None = None) -> int:
        """Return a size.

        Raises:
            UnsupportedError: It is none, or is not there and has no default.
        """
        value = self._values.get(name)
        if value is None and default is not None:
            return default
        if type(value) is not int or value < 1:
            self.refuse(name)
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """Return a number above 0.

        Raises:
            UnsupportedError: It is none, or is not there and has no default.
        """
        value = self._values.get(name)
        if value is None and default is not None:
            return default
        number = finite(value)
        if number is None or number <= 0:
            self.refuse(name)
        return number

    def optional(self, name: str, default: float | None = None) -> float | None:
        """Return a number above 0, or ``None`` where the config says ``null``.

        Raises:
            UnsupportedError: It is something else.
        """
        value = self._values.get(name, default)
        return None if value is None else self.number(name, default)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a truth value.

        Raises:
            UnsupportedError: It is none.
        """
        value = self._values.get(name, default)
        if not isinstance(value, bool):
            self.refuse(name)
        return value

    def activation(self, name: str, default: str) -> Activation:
        """Return the function of the feed-forward gate.

        Raises:
            UnsupportedError: It is another one.
        """
        value = self._values.get(name, default)
        if not isinstance(value, str) or value not in _ACTIVATIONS:
            self.refuse(name)
        return _ACTIVATIONS[value]


def is_quantised(quantization: object) -> bool:
    """Tell whether the ``quantization_config`` of a ``config.json`` asks for quantised weights.

    transformers leaves one of GGUF in the config of a model that it has unpacked from such a file
    and saved as plain numbers; it then reads these like any others.
    """
    method = quantization.get("quant_method") if isinstance(quantization, dict) else None
    return quantization is not None and method != "gguf"


class Sizes(TypedDict):
    """The part of a ``TransformerConfig`` that every family reads alike."""

    vocab_size: int
    context_length: int
    emb_dim: int
    hidden_dim: int
    n_heads: int
    n_kv_heads: int
    head_size: int
    is_tied: bool


def read_sizes(
    fields: Fields,
    *,
    kv_heads: int | None = None,
    head_size: int | None = None,
    is_tied: bool = False,
) -> Sizes:
    """Read the sizes of a config, and refuse what no family computes.

    Args:
        fields: Of the config.
        kv_heads: Of a config that names none; ``None`` for as many as of queries.
        head_size: Of a config that names none; ``None`` for the width over the heads.
        is_tied: Whether the head is the embedding in a config that does not say so.

    Raises:
        UnsupportedError: Sizes are missing or contradict each other, or weights are quantised.
    """
    if is_quantised(fields.get("quantization_config")):
        fields.refuse("quantization_config")
    width, heads = fields.integer("hidden_size"), fields.integer("num_attention_heads")
    if head_size is None and width % heads and "head_dim" not in fields:
        fields.refuse("num_attention_heads")
    head_size = fields.integer("head_dim", head_size or width // heads)
    kv_heads = kv_heads or heads
    if fields.get("num_key_value_heads", kv_heads) is None:
        kv_heads = heads
    kv_heads = fields.integer("num_key_value_heads", kv_heads)
    if heads % kv_heads:
        fields.refuse("num_key_value_heads")
    if head_size % 2:
        reason = f"heads have the odd size {head_size}"
        raise UnsupportedError(reason)
    return Sizes(
        vocab_size=fields.integer("vocab_size"),
        context_length=fields.integer("max_position_embeddings"),
        emb_dim=width,
        hidden_dim=fields.integer("intermediate_size"),
        n_heads=heads,
        n_kv_heads=kv_heads,
        head_size=head_size,
        is_tied=fields.flag("tie_word_embeddings", default=is_tied),
    )


def read_rope(fields: Fields) -> Rope:
    """Read the RoPE that all layers share, as transformers 4 or 5 writes it.

    Raises:
        UnsupportedError: It is of another type.
    """
    name = "rope_scaling" if fields.get("rope_scaling") else "rope_parameters"
    values = fields.get(name) or {}
    if not isinstance(values, dict) or not {FULL, SLIDING}.isdisjoint(values):
        fields.refuse(name)
    return _rope(fields, Fields(values, name), fields.number("rope_theta", _ROPE_BASE))


def read_ropes(
    fields: Fields, layers: list[str], *, base: float, local_base: float, local: str
) -> tuple[Rope, ...]:
    """Read the RoPE of each layer, of a family whose sliding layers have their own.

    Args:
        fields: Of the config.
        layers: Type of each.
        base: Of full attention, in a config that names none.
        local_base: Of sliding layers, likewise.
        local: Under which name transformers 4 has the base of sliding layers.

    Raises:
        UnsupportedError: One is of another type.
    """
    nested = fields.get("rope_parameters") or {}
    scaling = fields.get("rope_scaling") or {}
    if not isinstance(nested, dict) or set(nested) - {FULL, SLIDING}:
        fields.refuse("rope_parameters")
    if not isinstance(scaling, dict):
        fields.refuse("rope_scaling")
    bases = {
        FULL: fields.number("rope_theta", base),
        SLIDING: fields.number(local, local_base),
    }
    ropes = {}
    for kind in dict.fromkeys(layers):
        values = nested.get(kind) or {}
        if not isinstance(values, dict):
            fields.refuse("rope_parameters")
        if kind == FULL:
            values = {**values, **scaling}
        if values.get("truncate", True) is not True:
            # transformers looks for it in another place.
            fields.refuse("rope_parameters")
        ropes[kind] = _rope(fields, Fields(values, f"rope_parameters.{kind}"), bases[kind])
    return tuple(ropes[kind] for kind in layers)


def _rope(config: Fields, values: Fields, base: float) -> Rope:
    base = values.number("rope_theta", base)
    if base <= 1:
        (values if "rope_theta" in values else config).refuse("rope_theta")
    kind = values.get("rope_type") or values.get("type") or "default"
    for fields in (config, values):
        if fields.number("partial_rotary_factor", 1.0) != 1:
            fields.refuse("partial_rotary_factor")
    # Within the context that a model was trained with, dynamic scaling changes nothing.
    if kind in ("default", "dynamic"):
        return Rope(base)
    if kind not in ("linear", "llama3", "yarn"):
        values.refuse("rope_type" if "rope_type" in values else "type")
    factor = values.number("factor")
    if kind == "linear":
        return Rope(base, "linear", factor)
    config.only("original_max_position_embeddings", None)
    context = config.integer("max_position_embeddings")
    original = values.number("original_max_position_embeddings", context)
    if kind == "llama3":
        low, high = (values.number(f"{name}_freq_factor") for name in ("low", "high"))
        return Rope(base, "llama3", factor, original, low, high)
    return Rope(
        base,
        "yarn",
        factor,
        original,
        beta_fast=values.number("beta_fast", 32),
        beta_slow=values.number("beta_slow", 1),
        truncate=values.flag("truncate", default=True),
        attention_factor=_attention_factor(values, factor),
    )


def _attention_factor(values: Fields, factor: float) -> float:
    """Scale scores of longer contexts (YaRN, equation 22, and as DeepSeek extends it)."""
    given = values.optional("attention_factor")
    if given is not None:
        return given

    def scale(by: float) -> float:
        return 1.0 if factor <= 1 else 0.1 * by * math.log(factor) + 1

    mscale, whole = values.optional("mscale"), values.optional("mscale_all_dim")
    return scale(mscale) / scale(whole) if mscale and whole else scale(1)


def read_windows(fields: Fields, layers: list[str]) -> tuple[int | None, ...]:
    """Return how many tokens each layer sees.

    Args:
        fields: Of the config.
        layers: Type of each, from :func:`alternating`.

    Raises:
        UnsupportedError: A layer has a window, and the config does not say how long it is.
    """
    if SLIDING not in layers:
        return (None,) * len(layers)
    if fields.get("sliding_window", _WINDOW) is None:
        fields.refuse("sliding_window")
    window = fields.integer("sliding_window", _WINDOW)
    return tuple(window if kind == SLIDING else None for kind in layers)


def full_attention(fields: Fields, layers: int) -> tuple[None, ...]:
    """Return for each layer of a family without windows that its tokens see all before them.

    Raises:
        UnsupportedError: The config lists layers with a window, or no such list.
    """
    if SLIDING in alternating(fields, [FULL] * layers):
        fields.refuse("layer_types")
    return (None,) * layers


def alternating(fields: Fields, usual: list[str]) -> list[str]:
    """Return the type of each layer.

    Args:
        fields: Of the config.
        usual: Of a config that does not list them.

    Raises:
        UnsupportedError: The list is none, of another length, or has another type.
    """
    layers = fields.get("layer_types")
    if layers is None:
        return usual
    if not isinstance(layers, list) or len(layers) != len(usual):
        fields.refuse("layer_types")
    if any(kind not in (FULL, SLIDING) for kind in layers):
        fields.refuse("layer_types")
    return layers
