"""Which kind of model a name means: a checkpoint, a Hugging Face folder, or a served model."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.checkpoint_info import base_of, is_adapter
from pytest_llmjudge.generation.engine.model import TorchModel
from pytest_llmjudge.generation.families.lora import read_adapter
from pytest_llmjudge.generation.hf.folder import foreign_type
from pytest_llmjudge.generation.hf.model import HuggingFaceModel
from pytest_llmjudge.generation.served import ServedModel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_llmjudge.generation.base import Model
    from pytest_llmjudge.servers.identity import Names
    from pytest_llmjudge.settings import Settings

__all__ = ["make_model", "takes_tokenizer"]


def make_model(
    name: Path | str,
    settings: Settings,
    *,
    note: Callable[[str], None] = lambda _: None,
    names: Names | None = None,
) -> Model:
    """Make a model under test; nothing is loaded and nobody is asked yet.

    Args:
        name: A path, or the name of a served model.
        settings: The run's options.
        note: Told once of each server that is left out of the rest of the run.
        names: Under which name a served model answers.

    Raises:
        SettingsError: The name names no model, or an address is none.
    """
    if isinstance(name, str):
        return ServedModel(name, settings, note=note, names=names)
    base = _folder_below(name, settings.base)
    if base is not None or foreign_type(name) is not None:
        return HuggingFaceModel(
            name,
            base=base,
            batch_size=settings.batch_size,
            device=settings.device,
            dtype=settings.dtype,
            decoding=settings.decoding,
        )
    return TorchModel(
        name,
        batch_size=settings.batch_size,
        device=settings.device,
        dtype=settings.dtype,
        base=settings.base,
        tokenizer=settings.tokenizer,
        decoding=settings.decoding,
    )


def _folder_below(path: Path, base: Path | None) -> Path | None:
    """Return the Hugging Face folder that an adapter is added to, if it is one."""
    if not is_adapter(path):
        return None
    with suppress(CheckpointError):  # raised again where the adapter is described
        base = base or base_of(read_adapter(path))
    return base if base is not None and foreign_type(base) is not None else None


def takes_tokenizer(name: Path | str, base: Path | None) -> bool:
    """Say whether a model may be given a tokenizer: neither a server's nor transformers' folder.

    Args:
        name: As :func:`make_model` takes it.
        base: The model that a LoRA adapter is added to, whatever model its config names.
    """
    if isinstance(name, str):
        return False
    return foreign_type(name) is None and _folder_below(name, base) is None
