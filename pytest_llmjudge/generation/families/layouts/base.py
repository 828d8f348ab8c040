"""What a layout says: where a file keeps each weight of a model."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.families.plan import Plan, Source
from pytest_llmjudge.generation.families.transformer_config import weight_shapes
from pytest_llmjudge.generation.files.names import name_some, shorten

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from pytest_llmjudge.generation.families.transformer_config import TransformerConfig
    from pytest_llmjudge.generation.files.names import Shape

__all__ = [
    "NUMBERS",
    "Layout",
    "Part",
    "TensorError",
    "matrix",
    "paired",
    "split_name",
    "without_padding",
]

_BLOCK = re.compile(r"trf_blocks\.(\d+)\.(.+)\.(weight|bias|scale)")

NUMBERS = ("number of heads", "RoPE base", "context length")
"""What a whole config says and tensors do not."""


class Part(NamedTuple):
    """Name of one weight of a model.

    Attributes:
        block: Number of its block; ``None`` outside the blocks.
        layer: Name within the block, or of the outer layer.
        kind: ``weight``, ``bias`` or ``scale``.
    """

    block: str | None
    layer: str
    kind: str


def split_name(own: str) -> Part:
    """Split the name of a weight of ``weight_shapes``."""
    match = _BLOCK.fullmatch(own)
    if match is None:
        layer, _, kind = own.rpartition(".")
        return Part(None, layer, kind)
    return Part(*match.groups())


def paired(name: str, shape: Shape, head_size: int) -> Source:
    """Take the rows of a projection of queries or keys whose program turns neighbouring dimensions.

    Here the first half of a head turns with the second half.

    Args:
        name: Of the stored tensor.
        shape: Its shape.
        head_size: Rows of a head.
    """
    starts = range(0, shape[0], head_size)
    rows = tuple(range(at + odd, at + head_size, 2) for at in starts for odd in (0, 1))
    return Source.taking(name, shape, rows)


def without_padding(name: str, shape: Shape, stored: Mapping[str, Shape]) -> Source:
    """Take the rows of the vocabulary of a stored tensor that may have more.

    Args:
        name: Of the stored tensor.
        shape: Of the weight.
        stored: Shapes of all stored tensors.
    """
    there = stored.get(name, shape)
    if len(there) != 2 or there[1:] != shape[1:] or there[0] <= shape[0]:
        return Source(name, shape)
    return Source.taking(name, there, (range(shape[0]),))


class TensorError(Exception):
    """Tensors that would tell the sizes of a model do not.

    Attributes:
        reason: Which, as half a sentence.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def matrix(shapes: Mapping[str, Shape], name: str) -> tuple[int, int]:
    """Return how many rows and columns a stored matrix has.

    Raises:
        TensorError: It is not there, or is no matrix.
    """
    shape = shapes.get(name)
    if shape is None:
        reason = f"it has no {shorten(name)}"
        raise TensorError(reason)
    if len(shape) != 2 or 0 in shape:
        reason = f"{shorten(name)} has the shape {shorten(str(shape))} where a matrix is expected"
        raise TensorError(reason)
    return shape[0], shape[1]


class Layout(ABC):
    """Where files of one program keep the weights of a model.

    Attributes:
        keys: Settings by which a config is known to be one of this program's.
        settings: Name of the file beside the weights that has them.
    """

    settings: ClassVar[str] = "config.json"
    keys: ClassVar[frozenset[str]]

    @abstractmethod
    def has(self, names: Collection[str]) -> bool:
        """Tell this layout by the names of the stored tensors."""

    @abstractmethod
    def config(
        self, values: Mapping[str, object], shapes: Mapping[str, Shape]
    ) -> TransformerConfig:
        """Read the sizes and switches of a model.

        Args:
            values: Of the config beside a file, or in it; empty where there is none.
            shapes: Of the stored tensors, which may say what the config leaves out.

        Raises:
            MissingError: Neither says it.
            TensorError: Tensors that are needed for it are not there, or have odd shapes.
            UnsupportedError: It asks for what the native engine does not compute.
        """

    def own_settings(self, path: Path) -> tuple[Path, dict[str, object]] | None:
        """Read settings beside a file that are no JSON; ``None`` where there are none.

        Raises:
            CheckpointError: They cannot be read.
        """
        del path
        return None

    @abstractmethod
    def advice(self, stem: str, keys: Sequence[str]) -> str:
        """Say what to write, or to put beside a file, that lacks settings.

        Args:
            stem: What the name of the file's own config begins with.
            keys: Which settings it lacks.
        """

    @abstractmethod
    def source(
        self, own: str, shape: Shape, config: TransformerConfig, stored: Mapping[str, Shape]
    ) -> Source:
        """Say where one weight is stored.

        Args:
            own: Its name in the model.
            shape: Its shape there.
            config: Of the model.
            stored: Shapes of all stored tensors.
        """

    def is_ignored(self, name: str) -> bool:
        """Tell a stored tensor that is no weight: a mask, frequencies that are computed here."""
        del name
        return False

    def plan(
        self, path: Path, config: TransformerConfig, shapes: Mapping[str, Shape], hint: str
    ) -> Plan:
        """Say how stored tensors become the weights of a model.

        Args:
            path: Where they are, for messages.
            config: Of the model.
            shapes: Of the stored tensors.
            hint: What to do where they are not those of the model.

        Raises:
            CheckpointError: Tensors are missing, unknown, or have other shapes.
        """
        sources = self._sources(config, shapes)
        wanted = {str(source.name): source.stored_shape for source in sources.values()}
        missing = [name for name in wanted if name not in shapes]
        unknown = [name for name in shapes if name not in wanted and not self.is_ignored(name)]
        if missing or unknown:
            faults = [f"lacks {name_some(missing)}"] if missing else []
            faults += [f"has the unknown {name_some(unknown)}"] if unknown else []
            raise CheckpointError(str(path), f"a {config.kind} that {' and '.join(faults)}", hint)
        for name, shape in wanted.items():
            if shapes[name] != shape:
                problem = (
                    f"{shorten(name)} has the shape {shorten(str(shapes[name]))} "
                    f"where {shape} is expected"
                )
                raise CheckpointError(str(path), problem, hint)
        return Plan(sources, partial(_stored_name, sources))

    def fits(self, config: TransformerConfig, shapes: Mapping[str, Shape]) -> bool:
        """Whether stored tensors are exactly those of a model."""
        sources = self._sources(config, shapes).values()
        return {str(source.name): source.stored_shape for source in sources} == {
            name: shape for name, shape in shapes.items() if not self.is_ignored(name)
        }

    def _sources(self, config: TransformerConfig, stored: Mapping[str, Shape]) -> dict[str, Source]:
        sources = {
            own: self.source(own, shape, config, stored)
            for own, shape in weight_shapes(config).items()
        }
        if config.is_tied and sources["out_head.weight"].name not in stored:
            sources["out_head.weight"] = sources["tok_emb.weight"]
        return sources


def _stored_name(sources: Mapping[str, Source], own: str) -> str:
    return str(sources[own].name) if own in sources else own
