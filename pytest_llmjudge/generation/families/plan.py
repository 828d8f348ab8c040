"""How the tensors of a file become the weights of a model, whatever its family."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from pytest_llmjudge.generation.files.names import Shape

__all__ = ["Lora", "Plan", "Source"]


@dataclass(frozen=True, slots=True)
class Lora:
    """Two small matrices whose product is added to a weight (E. Hu et al., 2021).

    Attributes:
        down: Name of the stored one that maps inputs to the rank.
        up: Name of the stored one that maps the rank to outputs.
        scale: What the product is multiplied by.
        is_turned: Whether the two are stored with a row for each input.
        is_own: Whether they are weights of the model itself, which has a product in the place of a
            matrix, and not of an adapter.
    """

    down: str
    up: str
    scale: float
    is_turned: bool
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """Where one weight of a model comes from.

    Attributes:
        name: Of the stored tensor; ``None`` for zeros, where a model was made without biases, or
            where only ``lora`` makes the weight.
        shape: Of the weight.
        is_turned: Whether the stored tensor has a row for each input, as Hugging Face's Conv1D.
        rows: Which of the stored tensor's outputs make the weight, in this order; ``None`` for all.
        stored_rows: How many outputs the stored tensor has where ``rows`` takes some of them.
        lora: What is added to all of the stored tensor, before rows are taken.
    """

    name: str | None
    shape: Shape
    is_turned: bool = False
    rows: tuple[range, ...] | None = None
    stored_rows: int | None = None
    lora: Lora | None = None

    @property
    def stored_shape(self) -> Shape:
        """Shape of the stored tensor with a row for each output."""
        return self.shape if self.stored_rows is None else (self.stored_rows, *self.shape[1:])

    @staticmethod
    def taking(
        name: str, stored: Shape, rows: tuple[range, ...], *, is_turned: bool = False
    ) -> Source:
        """Take some outputs of a stored tensor.

        Args:
            name: Of the stored tensor.
            stored: Its shape, with a row for each output.
            rows: Which of them.
            is_turned: See the attribute.
        """
        shape = (sum(map(len, rows)), *stored[1:])
        return Source(name, shape, is_turned, rows, stored[0])


@dataclass(frozen=True, slots=True)
class Plan:
    """How a state dict becomes a model.

    Attributes:
        sources: For each weight of the model, by the model's own name, where it comes from. A
            stored tensor that has no place in the model is listed under its own name.
        stored_name: Names a weight of the model as the file does, for messages.
    """

    sources: Mapping[str, Source]
    # Two plans of one file are equal, though each has a function of its own.
    stored_name: Callable[[str], str] = field(default=str, compare=False)

    @property
    def shapes(self) -> dict[str, Shape]:
        """Shape of each weight by its name in the model."""
        return {name: source.shape for name, source in self.sources.items()}

    def read_once(self, tensors: Mapping[str, Hashable]) -> Plan:
        """Read by its first name what has several, as tied weights are saved.

        Args:
            tensors: What is stored; two names of the same memory are equal.
        """
        first = {tensor: name for name, tensor in reversed(list(tensors.items()))}
        same = {name: first[tensor] for name, tensor in tensors.items()}
        sources = {
            own: replace(source, name=same.get(source.name or "", source.name))
            for own, source in self.sources.items()
        }
        return replace(self, sources=sources)
