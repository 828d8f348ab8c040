"""Which Hugging Face folders the native engine runs, and how their tensors become its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.checkpoint_info import (
    check_adapter,
    read_weights,
    weights_in_adapter,
)
from pytest_llmjudge.generation.families.describe import plan_of_folder
from pytest_llmjudge.generation.families.lora import read_adapter, with_peft
from pytest_llmjudge.generation.families.native import native_config
from pytest_llmjudge.generation.families.transformer_config import UnsupportedError
from pytest_llmjudge.generation.files.state_dict import FLOATS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from pytest_llmjudge.generation.families.plan import Plan
    from pytest_llmjudge.generation.families.transformer_config import TransformerConfig
    from pytest_llmjudge.generation.files.state_dict import StoredTensor

__all__ = ["Native", "native_of", "with_adapter"]


class Native(NamedTuple):
    """What the native engine makes of a folder.

    Attributes:
        config: Sizes and switches of the model.
        plan: How stored tensors become its weights.
        tensors: What is stored, by plain names.
    """

    config: TransformerConfig
    plan: Plan
    tensors: Mapping[str, StoredTensor]


def native_of(
    folder: Path, config: Mapping[str, Any], tensors: Mapping[str, StoredTensor] | None
) -> Native:
    """Say how the native engine runs a folder.

    Args:
        folder: For messages.
        config: What its ``config.json`` says.
        tensors: What its weights hold; ``None`` where only torch can tell.

    Raises:
        UnsupportedError: Only transformers runs it.
        CheckpointError: Its tensors are not those of the model that its config describes.
    """
    sizes = native_config(config)
    if tensors is None:
        reason = "its weights have the format that torch wrote before version 1.6"
        raise UnsupportedError(reason)
    other = next((one.dtype for one in tensors.values() if one.dtype not in FLOATS), None)
    if other is not None:
        reason = f"weights are stored as {other}"
        raise UnsupportedError(reason)
    plan = plan_of_folder(folder, sizes, {name: one.shape for name, one in tensors.items()})
    # torch's own files hold a tied head under both of its names.
    return Native(sizes, plan.read_once(tensors), tensors)


def with_adapter(native: Native, folder: Path) -> tuple[Native, tuple[Path, ...]]:
    """Add the matrices of a PEFT adapter to a model.

    Args:
        native: Of its base.
        folder: The adapter's.

    Returns:
        The model with them, and the adapter's own files.

    Raises:
        CheckpointError: It cannot be read, does not fit, or asks for what is not merged here.
    """
    check_adapter(folder)
    adapter, file = read_adapter(folder), weights_in_adapter(folder)
    state = read_weights(file)
    if state is None:
        problem = "it has the format that torch wrote before version 1.6"
        raise CheckpointError(str(folder), problem, "save it again with a newer torch")
    shapes = {name: tensor.shape for name, tensor in state.tensors.items()}
    plan = with_peft(adapter, native.plan, shapes)
    tensors = {**native.tensors, **state.tensors}
    return Native(native.config, plan, tensors), (adapter.config, file)
