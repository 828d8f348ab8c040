"""Which kind of model a name means: a checkpoint, a Hugging Face folder, or a served model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.generation.engine import TorchModel
from pytest_llmjudge.generation.folder import foreign_type
from pytest_llmjudge.generation.huggingface import HuggingFaceModel

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_llmjudge.generation.model import Model
    from pytest_llmjudge.settings import Settings

__all__ = ["make_model"]


def make_model(name: Path | str, settings: Settings) -> Model:
    """Make a model under test; nothing is loaded and nobody is asked yet.

    Args:
        name: A path, or the name of a served model.
        settings: The run's options.

    Raises:
        SettingsError: The name names no model.
    """
    if isinstance(name, str):
        raise NotImplementedError(name)
    if foreign_type(name) is not None:
        return HuggingFaceModel(
            name,
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
        decoding=settings.decoding,
    )
