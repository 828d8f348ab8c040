"""The keys and values that a decoder remembers: a shared prefix once, each running text in a slot.

Sizes in shape comments: n running texts, w newest tokens of each, N tokens of one pass, P tokens of
the prefix, S columns in use, H heads, D size of a head.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from pytest_llmjudge.generation.families.gpt2.model import causal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.generation.families.gpt2.model import GPTModel

__all__ = ["Cache", "ForwardBatch"]

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
    """What a pass means for every layer's tensors; made once a pass."""

    prompts: Sequence[tuple[slice, Tensor]]  # (T, P + T), true where a token may look
    slots: Tensor  # (N,)
    columns: Tensor  # (N,)
    running: int
    width: int
    used: int
    bias: Tensor  # (n, 1, w, P + S), minus infinity where a slot holds nothing yet


class _Layer:
    """One block's keys and values."""

    def __init__(self) -> None:
        self.prefix_keys = self.prefix_values = torch.empty(0)  # (H, P, D)
        self.keys = torch.empty(0)  # (slots, H, D, columns): one query reads along the columns
        self.values = torch.empty(0)  # (slots, H, columns, D)

    def remember_prefix(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend within the prefix (1, P, H, D) and keep its keys and values."""
        self.prefix_keys = key[0].transpose(0, 1).contiguous()
        self.prefix_values = value[0].transpose(0, 1).contiguous()
        return causal(query, key, value)

    def move(self, source: int, target: int) -> None:
        self.keys[target] = self.keys[source]
        self.values[target] = self.values[source]

    def clear(self, slot: int) -> None:
        # What a mask hides must still be finite, for the slot's next text.
        self.keys[slot] = self.values[slot] = 0

    def attend(self, places: _Places, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Remember a pass's keys and values (N, H, D), and mix what each token may see."""
        self.keys[places.slots, :, :, places.columns] = key
        self.values[places.slots, :, places.columns] = value
        seen = torch.empty_like(query)
        for span, mask in places.prompts:
            seen[span] = self._of_prompt(query[span], key[span], value[span], mask)
        newest = places.running * places.width
        seen[-newest:] = self._of_newest(query[-newest:], places)
        return seen

    def _of_prompt(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        keys = torch.cat((self.prefix_keys, key.transpose(0, 1)), dim=1)  # (H, P + T, D)
        values = torch.cat((self.prefix_values, value.transpose(0, 1)), dim=1)
        seen = functional.scaled_dot_product_attention(
            query.transpose(0, 1)[None], keys[None], values[None], attn_mask=mask
        )
        return seen[0].transpose(0, 1)  # (T, H, D)

    def _of_newest(self, query: Tensor, places: _Places) -> Tensor:
        shape, used = (places.running, places.width), places.used
        query = query * query.shape[2] ** -0.5  # (n w, H, D)
        # The prefix is the same for all: its keys are read once for all queries.
        on_prefix = query.transpose(0, 1) @ self.prefix_keys.transpose(1, 2)  # (H, n w, P)
        own = query.reshape(*shape, *query.shape[1:]).transpose(1, 2)  # (n, H, w, D)
        on_own = own @ self.keys[: places.running, :, :, :used]  # (n, H, w, S)
        on_prefix = on_prefix.transpose(0, 1).reshape(*shape, *on_prefix.shape[::2])
        on_prefix = on_prefix.transpose(1, 2)  # (n, H, w, P)
        scores = torch.cat((on_prefix, on_own), dim=3)  # (n, H, w, P + S)
        weights = scores.add_(places.bias).softmax(dim=3)
        of_prefix, of_own = weights.tensor_split([weights.shape[3] - used], dim=3)
        of_prefix = of_prefix.permute(1, 0, 2, 3).flatten(1, 2)  # (H, n w, P)
        from_prefix = of_prefix @ self.prefix_values  # (H, n w, D)
        from_own = of_own @ self.values[: places.running, :, :used]  # (n, H, w, D)
        return from_own.transpose(1, 2).flatten(0, 1) + from_prefix.transpose(0, 1)  # (n w, H, D)


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

    def __init__(self, model: GPTModel, prefix: Sequence[int], slots: int, columns: int) -> None:
        self._model = model
        self._device = model.tok_emb.weight.device
        self._prefix = len(prefix)
        self._limit = columns
        self._columns = 0
        self._layers = [_Layer() for _ in range(model.config.n_layers)]
        ids = torch.tensor([prefix], dtype=torch.long, device=self._device)
        places = torch.arange(self._prefix, device=self._device)
        model.hidden(ids, places, [layer.remember_prefix for layer in self._layers])
        self._slots = slots

    def run(self, tokens: ForwardBatch) -> Tensor:
        """Run tokens through the model: hidden states (N, C) that saw all that is remembered."""
        places = self._places(tokens)
        if places.used > self._columns:
            self._widen(places.used)
        ids = torch.tensor(tokens.ids, device=self._device)
        attends = [partial(layer.attend, places) for layer in self._layers]
        return self._model.hidden(ids, places.columns + self._prefix, attends)

    def _widen(self, used: int) -> None:
        """Make room for more columns; layers that lie in one block of memory move together."""
        old = self._columns
        # A copy of all is little beside the weights that 32 passes read; room unused is lost.
        self._columns = min(self._limit, used + 32)
        prefix = self._layers[0].prefix_keys
        heads, _, size = prefix.shape
        shape = (self._slots, heads, size, self._columns)
        together = -(-BLOCK_BYTES // (prod(shape) * prefix.element_size()))
        for first in range(0, len(self._layers), together):
            group = self._layers[first : first + together]
            # Zeros, because what a mask hides must still be finite: 0 * nan is nan.
            keys = prefix.new_zeros(len(group), *shape)
            for layer, wider in zip(group, keys, strict=True):
                if old:
                    wider[..., :old] = layer.keys
                layer.keys = wider
            values = keys.new_zeros(len(group), self._slots, heads, self._columns, size)
            for layer, wider in zip(group, values, strict=True):
                if old:
                    wider[:, :, :old] = layer.values
                layer.values = wider

    def move(self, source: int, target: int) -> None:
        """Let slot ``target`` continue what slot ``source`` holds."""
        for layer in self._layers:
            layer.move(source, target)

    def clear(self, slot: int) -> None:
        """Forget what a slot holds, which is no number."""
        for layer in self._layers:
            layer.clear(slot)

    def _places(self, tokens: ForwardBatch) -> _Places:
        columns = torch.tensor(tokens.columns, device=self._device)
        newest = columns[-tokens.running * tokens.width :]
        newest = newest.reshape(tokens.running, 1, tokens.width, 1)
        used = max(tokens.columns) + 1
        column = torch.arange(-self._prefix, used, device=self._device)
        dtype = self._layers[0].prefix_keys.dtype
        shape = (tokens.running, 1, tokens.width, self._prefix + used)
        bias = torch.zeros(shape, dtype=dtype, device=self._device)
        return _Places(
            prompts=[(span, self._mask(span)) for span in tokens.prompts],
            slots=torch.tensor(tokens.slots, device=self._device),
            columns=columns,
            running=tokens.running,
            width=tokens.width,
            used=used,
            bias=bias.masked_fill_(column > newest, -torch.inf),
        )

    def _mask(self, span: slice) -> Tensor:
        size = span.stop - span.start
        seen = torch.ones(size, self._prefix + size, dtype=torch.bool, device=self._device)
        return seen.tril_(self._prefix)  # (T, P + T)
