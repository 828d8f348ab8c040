"""What a model is made of, by its config and the names and shapes of its tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.generation.families.layouts.hugging_face import HuggingFace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_llmjudge.generation.families.plan import Plan
    from pytest_llmjudge.generation.families.transformer_config import TransformerConfig
    from pytest_llmjudge.generation.files.names import Shape

__all__ = ["plan_of_folder"]

_SAVE_WHOLE = "save the whole model again with save_pretrained"


def plan_of_folder(path: Path, config: TransformerConfig, shapes: Mapping[str, Shape]) -> Plan:
    """Say how the tensors of a Hugging Face folder become the weights of a ``Transformer``.

    Args:
        path: The folder, for messages.
        config: From :func:`native_config`.
        shapes: Of the stored tensors.

    Raises:
        CheckpointError: Tensors are missing, unknown, or have other shapes.
    """
    return HuggingFace().plan(path, config, shapes, _SAVE_WHOLE)
