"""The keys and values that a decoder remembers, of a shared prefix and of each running text.

What the newest tokens see is computed in one of two ways. *Fused*: each slot begins with a copy of
the prefix, and one call reads all that a token sees, which is fastest where few texts run. *Split*:
the prefix is read once for all texts, in products of its own, which is fastest where many do.

Sizes in shape comments: n running texts, w newest tokens of each, N tokens of one pass, P tokens of
the prefix, S columns in use, H heads, K heads of keys and values, G = H / K, D size of a head.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pytest_llmjudge.generation.families.decoder import causal, mix, soften, visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmjudge.generation.families.decoder import Attention, Decoder

__all__ = ["Cache", "ForwardBatch"]

LONG_PREFIX = 64
"""Tokens. Slots have no copy of a longer prefix: it is always read once for all texts."""

MANY_NUMBERS = 400_000
"""As many numbers of the prefix, counted once a text, take as long to read as splitting costs: 16
texts behind 24 tokens of GPT-2 124M, on two cores of an AMD EPYC.
"""

BLOCK_BYTES = 40 << 20
"""How much memory is taken at a time, at least: such blocks go back to the system when they are
freed, while the holes that smaller ones leave are too small for what has grown. The C library of
Linux does so from 32 MiB on.
"""


@dataclass(slots=True)
class ForwardBatch:
    """The tokens of one pass through the model, as a flat list.

    First come the prompts that start now, each without its last token; then the newest tokens of
    each slot, in the order of the slots. So every text advances whether it starts or runs, no token
    is padding, and the last n w hidden states are the ones to decode.

    Attributes:
        running: How many texts run (n).
        width: How many newest tokens each has (w): one that is known, and guesses.
        ids: The tokens (N).
        slots: Slot of each token (N).
        columns: Place of each token in its slot, the prefix not counted (N).
        prompts: Where each starting prompt lies in the flat list.
    """

    running: int
    width: int = 1
    ids: list[int] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    prompts: list[slice] = field(default_factory=list)

    def add_prompt(self, slot: int, ids: Sequence[int]) -> None:
        """Start a text; to be called before the first ``add``."""
        self.prompts.append(slice(len(self.ids), len(self.ids) + len(ids)))
        for column, token in enumerate(ids):
            self.add(slot, column, token)

    def add(self, slot: int, column: int, token: int) -> None:
        """Append a token."""
        self.ids.append(token)
        self.slots.append(slot)
        self.columns.append(column)


@dataclass(frozen=True, slots=True)
class _Places:
    """What a pass means for every layer's tensors; made once a pass.

    The masks are by the window of a layer, which most models have one or two of.
    """

    prompts: Sequence[
        tuple[slice, int]
    ]  # where each starting prompt lies in the pass, and its slot
    slots: Tensor  # (N,)
    columns: Tensor  # (N,)
    running: int
    width: int
    used: int
    prompt_masks: Mapping[int | None, Sequence[Tensor]]  # (T, P + T), true where a token may look
    biases: Mapping[int | None, Tensor]  # (n, 1, w, P + S), minus infinity where it may not
    _rows: dict[tuple[int, int], Tensor] = field(default_factory=dict)

    def rows(self, heads: int, room: int, copied: int) -> Tensor:
        """Return where each token's keys lie (N K,) in slots of some heads, of so many tokens each.

        Args:
            heads: Of keys and values (K).
            room: Tokens that a slot has room for, those of the prefix included that are copied.
            copied: How many those are.
        """
        if (heads, room) not in self._rows:
            head = torch.arange(heads, device=self.slots.device)
            starts = (self.slots[:, None] * heads + head) * room + copied  # (N, K)
            self._rows[heads, room] = (starts + self.columns[:, None]).flatten()
        return self._rows[heads, room]


class _Layer(ABC):
    """One layer's keys and values."""

    def __init__(self, attention: Attention, like: Tensor) -> None:
        self.attention = attention
        empty = like.new_empty(attention.kv_heads, 0, attention.head_size)
        self.prefix_keys = self.prefix_values = empty  # (K, P, D)
        self.keys = self.values = empty

    def remember_prefix(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend within the prefix (1, P, H, D) and keep its keys and values."""
        self.prefix_keys = key[0].transpose(0, 1).contiguous()
        self.prefix_values = value[0].transpose(0, 1).contiguous()
        return causal(self.attention, query, key, value)

    @abstractmethod
    def shapes(self, slots: int, columns: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the shapes of ``keys`` and of ``values`` for some slots and columns."""

    @abstractmethod
    def take(self, keys: Tensor, values: Tensor, old: int) -> None:
        """Move into wider tensors, of zeros, of which ``old`` columns are in use."""

    def move(self, source: int, target: int) -> None:
        self.keys[target] = self.keys[source]
        self.values[target] = self.values[source]

    @abstractmethod
    def clear(self, slot: int) -> None:
        """Forget a slot: what a mask hides must still be finite, for the slot's next text."""

    def attend(self, places: _Places, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Remember a pass's keys and values (N, K, D), and mix what each token may see."""
        self._write(places, key, value)
        seen = torch.empty_like(query)
        masks = places.prompt_masks[self.attention.window]
        for (span, slot), mask in zip(places.prompts, masks, strict=True):
            keys, values = self._of_prompt(slot, key[span], value[span])
            seen[span] = mix(self.attention, query[span][None], keys, values, mask[None, None])[0]
        newest = places.running * places.width
        seen[-newest:] = self._of_newest(query[-newest:], places)
        return seen

    @abstractmethod
    def _write(self, places: _Places, key: Tensor, value: Tensor) -> None:
        """Remember keys and values (N, K, D)."""

    def _of_prompt(self, slot: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002  # it is at hand
        """Return the keys and values (1, P + T, K, D) of a prompt that starts, prefix included."""
        keys = torch.cat((self.prefix_keys.transpose(0, 1), key))
        values = torch.cat((self.prefix_values.transpose(0, 1), value))
        return keys[None], values[None]

    @abstractmethod
    def _of_newest(self, query: Tensor, places: _Places) -> Tensor:
        """Mix what the newest tokens (n w, H, D) may see."""

    def _split(self, query: Tensor, places: _Places, keys: Tensor, values: Tensor) -> Tensor:
        """Mix in two parts what the newest tokens may see.

        Args:
            query: (n w, H, D).
            places: Of the pass.
            keys: Those of the slots, the prefix left out (n, K, D, S).
            values: Likewise (n, K, S, D).

        Returns:
            (n w, H, D)
        """
        attention, used = self.attention, places.used
        running, width, group = places.running, places.width, attention.group
        heads, size, rows = attention.kv_heads, attention.head_size, group * width
        query = query * attention.scale
        # Queries that share keys become rows of one product: (n, K, G w, D).
        own = query.reshape(running, width, heads, group, size)
        own = own.permute(0, 2, 3, 1, 4).reshape(running, heads, rows, size)
        together = own.transpose(0, 1).reshape(heads, running * rows, size)
        on_prefix = together @ self.prefix_keys.transpose(1, 2)  # (K, n G w, P)
        on_prefix = on_prefix.view(heads, running, rows, -1).transpose(0, 1)
        on_own = own @ keys  # (n, K, G w, S)
        scores = soften(attention.softcap, torch.cat((on_prefix, on_own), dim=3))
        bias = places.biases[attention.window].repeat(1, 1, group, 1)
        weights = scores.add_(bias).softmax(dim=3)
        of_prefix, of_own = weights.tensor_split([weights.shape[3] - used], dim=3)
        of_prefix = of_prefix.transpose(0, 1).reshape(heads, running * rows, -1)
        from_prefix = (of_prefix @ self.prefix_values).view(heads, running, rows, size)
        seen = of_own @ values + from_prefix.transpose(0, 1)
        seen = seen.view(running, heads, group, width, size).permute(0, 3, 1, 2, 4)
        return seen.reshape(running * width, heads * group, size)


class _ByRows(_Layer):
    """Keys and values (slots, K, copied + columns, D), which begin with a copy of the prefix."""

    @property
    def _copied(self) -> int:
        """How many tokens of the prefix each slot has."""
        prefix = self.prefix_keys.shape[1]
        return prefix if prefix <= LONG_PREFIX else 0

    def shapes(self, slots: int, columns: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        heads, _, size = self.prefix_keys.shape
        shape = (slots, heads, self._copied + columns, size)
        return shape, shape

    def take(self, keys: Tensor, values: Tensor, old: int) -> None:
        for wider, prefix, narrow in (
            (keys, self.prefix_keys, self.keys),
            (values, self.prefix_values, self.values),
        ):
            if old:
                wider[:, :, : narrow.shape[2]] = narrow
            else:
                wider[:, :, : self._copied] = prefix[:, : self._copied]
        self.keys, self.values = keys, values

    def clear(self, slot: int) -> None:
        self.keys[slot, :, self._copied :] = self.values[slot, :, self._copied :] = 0

    def _write(self, places: _Places, key: Tensor, value: Tensor) -> None:
        _, heads, room, size = self.keys.shape
        rows = places.rows(heads, room, self._copied)
        self.keys.view(-1, size).index_copy_(0, rows, key.reshape(-1, size))
        self.values.view(-1, size).index_copy_(0, rows, value.reshape(-1, size))

    def _of_newest(self, query: Tensor, places: _Places) -> Tensor:
        running, start, end = places.running, self._copied, self._copied + places.used
        prefix = self.prefix_keys
        if start < prefix.shape[1] or running * prefix.numel() > MANY_NUMBERS:
            keys, values = (x[:running, :, start:end] for x in (self.keys, self.values))
            return self._split(query, places, keys.transpose(2, 3), values)
        keys, values = (x[:running, :, :end].transpose(1, 2) for x in (self.keys, self.values))
        query = query.reshape(running, places.width, *query.shape[1:])  # (n, w, H, D)
        bias = places.biases[self.attention.window]
        return mix(self.attention, query, keys, values, bias).flatten(0, 1)


class _ByColumns(_Layer):
    """Keys (slots, K, D, columns), and values (slots, K, columns, D)."""

    def shapes(self, slots: int, columns: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        heads, _, size = self.prefix_keys.shape
        return (slots, heads, size, columns), (slots, heads, columns, size)

    def take(self, keys: Tensor, values: Tensor, old: int) -> None:
        if old:
            keys[..., :old] = self.keys
            values[:, :, :old] = self.values
        self.keys, self.values = keys, values

    def clear(self, slot: int) -> None:
        self.keys[slot] = self.values[slot] = 0

    def _write(self, places: _Places, key: Tensor, value: Tensor) -> None:
        self.keys[places.slots, :, :, places.columns] = key
        self.values[places.slots, :, places.columns] = value

    def _of_newest(self, query: Tensor, places: _Places) -> Tensor:
        keys = self.keys[: places.running, :, :, : places.used]
        return self._split(query, places, keys, self.values[: places.running, :, : places.used])


class Cache:
    """Keys and values of one model, for one shared prefix and a number of slots.

    Slots ``0 … n - 1`` hold running texts. Columns are added as texts grow, so memory follows
    what they really reach.

    Args:
        model: Whose keys and values these are.
        prefix: Token ids that every text begins with; may be empty.
        slots: How many texts may run at a time.
        columns: How long texts can become at most, the prefix not counted.
    """

    def __init__(self, model: Decoder, prefix: Sequence[int], slots: int, columns: int) -> None:
        self._model = model
        self._prefix = len(prefix)
        self._limit = columns
        self._columns = 0
        kind = _ByRows if _is_fused(model) else _ByColumns
        like = model.embedding
        self._layers: list[_Layer] = [kind(attention, like) for attention in model.attentions]
        self._windows = list(dict.fromkeys(attention.window for attention in model.attentions))
        self._slots = slots
        if prefix:
            ids = torch.tensor([prefix], device=model.device)
            places = torch.arange(self._prefix, device=model.device)
            model.hidden(ids, places, [layer.remember_prefix for layer in self._layers])

    def run(self, tokens: ForwardBatch) -> Tensor:
        """Run tokens through the model: hidden states (N, C) that saw all that is remembered."""
        used = max(tokens.columns) + 1
        if used > self._columns:
            self._widen(used)
        places = self._places(tokens, used)
        ids = torch.tensor(tokens.ids, device=self._model.device)
        attends = [partial(layer.attend, places) for layer in self._layers]
        return self._model.hidden(ids, places.columns + self._prefix, attends)

    def _widen(self, used: int) -> None:
        """Make room for more columns; layers that lie in one block of memory move together."""
        old = self._columns
        # A copy of all is little beside the weights that 32 passes read; room unused is lost.
        self._columns = min(self._limit, used + 32)
        new = self._layers[0].prefix_keys.new_zeros
        # Layers of one shape, which all but a few models have.
        for shapes in dict.fromkeys(self._shapes(layer) for layer in self._layers):
            alike = [layer for layer in self._layers if self._shapes(layer) == shapes]
            together = -(-BLOCK_BYTES // (prod(shapes[0]) * self._model.dtype.itemsize))
            for first in range(0, len(alike), together):
                group = alike[first : first + together]
                keys, values = (new(len(group), *shape) for shape in shapes)
                for layer, wider_keys, wider_values in zip(group, keys, values, strict=True):
                    layer.take(wider_keys, wider_values, old)

    def _shapes(self, layer: _Layer) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return layer.shapes(self._slots, self._columns)

    def move(self, source: int, target: int) -> None:
        """Let slot ``target`` continue what slot ``source`` holds."""
        for layer in self._layers:
            layer.move(source, target)

    def clear(self, slot: int) -> None:
        """Forget what a slot holds, which is no number."""
        for layer in self._layers:
            layer.clear(slot)

    def _places(self, tokens: ForwardBatch, used: int) -> _Places:
        device = self._model.device
        columns = torch.tensor(tokens.columns, device=device)
        slots = torch.tensor(tokens.slots, device=device)
        newest = columns[-tokens.running * tokens.width :]  # (n w,)
        column = torch.arange(-self._prefix, used, device=device)
        shape = (tokens.running, 1, tokens.width, self._prefix + used)
        prompts = [
            (span, tokens.slots[span.start]) for span in tokens.prompts if span.stop > span.start
        ]
        biases, masks = {}, {}
        for window in self._windows:
            seen = visible(window, newest, column).view(shape)
            biases[window] = torch.zeros(shape, dtype=self._model.dtype, device=device)
            biases[window].masked_fill_(~seen, -torch.inf)
            masks[window] = [self._mask(span, window) for span, _ in prompts]
        return _Places(
            prompts=prompts,
            slots=slots,
            columns=columns,
            running=tokens.running,
            width=tokens.width,
            used=used,
            prompt_masks=masks,
            biases=biases,
        )

    def _mask(self, span: slice, window: int | None) -> Tensor:
        places = torch.arange(-self._prefix, span.stop - span.start, device=self._model.device)
        return visible(window, places[self._prefix :], places)  # (T, P + T)


def _is_fused(model: Decoder) -> bool:
    """Whether the fused call serves: not for a CPU's 16-bit numbers, nor for bounded scores."""
    return (model.device.type != "cpu" or model.dtype == torch.float32) and all(
        attention.softcap is None for attention in model.attentions
    )
