"""Loads a checkpoint's weights into a GPTModel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.archive import describe
from pytest_llmjudge.generation.gpt import GPTModel
from pytest_llmjudge.generation.layout import is_weight, plain_name, read_sizes
from pytest_llmjudge.generation.statedict import COPY, SAVE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

__all__ = ["load"]


def load(path: Path, device: torch.device, dtype: torch.dtype) -> GPTModel:
    """Load a model for evaluation.

    On the CPU its weights may be a memory map of the file, which then must not be overwritten.

    Args:
        path: A state dict with the lecture's parameter names, with or without its causal masks.
        device: Where the model shall run.
        dtype: In which numbers it shall run; the file may hold others.

    Raises:
        CheckpointError: The file is no such state dict, or holds weights that are no numbers.
    """
    info = describe(path)
    weights = _read_weights(path, mapped=info.shapes is not None)
    # Read off again: an archive in the format before torch 1.6 tells its shapes only now.
    config = read_sizes(path, {name: tuple(weights[name].shape) for name in weights}, info.heads)
    with torch.device("meta"), _Uninitialised():
        model = GPTModel(config)
    model.load_state_dict(weights, assign=True)
    model.to(device=device, dtype=dtype).requires_grad_(requires_grad=False).eval()
    _check_finite(path, model)
    return model


class _Uninitialised(TorchFunctionMode):
    """Skips the drawing of initial weights, for which torch would import its compiler here."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Collection[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function returns
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def _read_weights(path: Path, *, mapped: bool) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # noqa: BLE001 - torch documents no exceptions
        # Its text would advise to run what the file says.
        found = f"torch cannot load it ({type(error).__name__})"
        raise CheckpointError(str(path), found, COPY) from None
    weights = content.items() if isinstance(content, dict) else [("", content)]
    # Only a causal mask may be of another type: some programs save it as truth values.
    weights = [(name, value) for name, value in weights if not _is_mask(name, value)]
    if not all(_is_weight_tensor(name, value) for name, value in weights):
        raise CheckpointError(str(path), "no state dict of floating-point tensors", SAVE)
    return {plain_name(name): tensor for name, tensor in weights}


def _is_mask(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, Tensor) and not is_weight(name)


def _is_weight_tensor(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, Tensor) and value.is_floating_point()


def _check_finite(path: Path, model: GPTModel) -> None:
    for name, weight in model.named_parameters():
        if not all(bound.isfinite() for bound in weight.aminmax()):
            found = f"{name} holds NaN or infinite values"
            todo = "the training diverged: use an earlier checkpoint or a lower learning rate"
            raise CheckpointError(str(path), found, todo)
