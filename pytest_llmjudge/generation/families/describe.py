"""What a model is made of, by its config and the names and shapes of its tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.families.layouts.base import TensorError
from pytest_llmjudge.generation.families.layouts.book import Book
from pytest_llmjudge.generation.families.layouts.hugging_face import HuggingFace
from pytest_llmjudge.generation.families.layouts.litgpt import LitGPT
from pytest_llmjudge.generation.families.layouts.meta import Meta
from pytest_llmjudge.generation.families.published import NONE, published
from pytest_llmjudge.generation.families.sizes import absurd_size
from pytest_llmjudge.generation.families.transformer_config import MissingError, UnsupportedError
from pytest_llmjudge.generation.files.names import shorten, shorten_json, stem_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from pytest_llmjudge.generation.families.layouts.base import Layout
    from pytest_llmjudge.generation.families.plan import Plan
    from pytest_llmjudge.generation.families.published import Match
    from pytest_llmjudge.generation.families.transformer_config import TransformerConfig
    from pytest_llmjudge.generation.files.names import Shape

__all__ = ["ModelFile", "plan_of_file", "plan_of_folder", "recognise"]

_LAYOUTS: tuple[Layout, ...] = (HuggingFace(), Book(), Meta(), LitGPT())
_SAVE_WHOLE = "save the whole model again with save_pretrained"
_OTHER = "put the config of the model that was trained beside it, or save it again"
_ABOUT = ("config", "cfg", "model_config", "model_args")
"""Under which names training checkpoints keep a model's config; of several the last counts."""


class ModelFile(NamedTuple):
    """What a file of weights becomes.

    Attributes:
        config: Of the model.
        plan: How its tensors become the model's weights.
        settings: The file beside it that has part in it, if any.
    """

    config: TransformerConfig
    plan: Plan
    settings: Path | None


def recognise(names: Collection[str]) -> Layout | None:
    """Return the layout of stored tensors; ``None`` for none of the families here.

    Args:
        names: Of the tensors.
    """
    return next((layout for layout in _LAYOUTS if layout.has(names)), None)


def plan_of_folder(path: Path, config: TransformerConfig, shapes: Mapping[str, Shape]) -> Plan:
    """Say how the tensors of a Hugging Face folder become the weights of a ``Transformer``.

    Args:
        path: The folder, for messages.
        config: From :func:`~pytest_llmjudge.generation.families.native.native_config`.
        shapes: Of the stored tensors.

    Raises:
        CheckpointError: Tensors are missing, unknown, or have other shapes.
    """
    return HuggingFace().plan(path, config, shapes, _SAVE_WHOLE)


def plan_of_file(
    path: Path,
    layout: Layout,
    shapes: Mapping[str, Shape],
    about: Mapping[str, object],
    settings: tuple[Path, Mapping[str, object]] | None,
) -> ModelFile:
    """Say how the tensors of a file become the weights of a ``Transformer``.

    Args:
        path: The file, for messages.
        layout: From :func:`recognise`.
        shapes: Of the stored tensors, the matrices of LoRA layers left out.
        about: What a training checkpoint holds besides them.
        settings: The config file beside it and what it says, which goes before ``about``.

    Raises:
        CheckpointError: Nothing says what the tensors do not, the native engine does not compute
            it, or tensors are missing, unknown, or have other shapes.
    """
    values = {**_plain_config(about), **(settings[1] if settings else {})}
    where = path if settings is None else settings[0]
    if absurd := absurd_size(values):
        name, size, most = absurd
        problem = f"{shorten(name)} is {shorten_json(size)}, and no model has more than {most:,}"
        raise CheckpointError(str(where), problem, "write the number of the model that was trained")
    try:
        config = layout.config(values, shapes)
    except MissingError as error:
        # A config that is there, though not whole, may be of no published model.
        match = NONE if layout.keys & values.keys() else published(layout, shapes)
        if match.config is None:
            raise _undecided(path, layout, match, error.keys) from None
        config = match.config
    except TensorError as error:
        raise CheckpointError(str(path), error.reason, _OTHER) from None
    except UnsupportedError as error:
        problem = f"{error.reason}, which the native engine does not compute"
        hint = "correct it, or name a Hugging Face folder of the model, which transformers runs"
        raise CheckpointError(str(where), problem, hint) from None
    plan = layout.plan(path, config, shapes, _OTHER)
    return ModelFile(config, plan, settings[0] if settings else None)


def _plain_config(about: Mapping[str, object]) -> dict[str, object]:
    """Return what of a config in a training checkpoint a JSON file could hold."""
    parts = (about.get(name) for name in _ABOUT)
    return {
        name: value
        for part in parts
        if isinstance(part, dict)
        for name, value in part.items()
        if _is_plain(name) and _is_plain(value)
    }


def _is_plain(value: object, depth: int = 3) -> bool:
    if isinstance(value, (list, dict)) and depth:
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        return all(_is_plain(part, depth - 1) for part in parts)
    return value is None or isinstance(value, (str, int, float))


def _undecided(path: Path, layout: Layout, match: Match, keys: Collection[str]) -> CheckpointError:
    problem = f"neither its tensors nor a config tell its {_listed(keys)}"
    if match.names:
        models, settings = _listed(match.names), _listed(match.differing)
        problem = f"its tensors are those of {models}, which differ in {settings}"
    return CheckpointError(str(path), problem, layout.advice(stem_of(path), list(keys)))


def _listed(words: Collection[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
