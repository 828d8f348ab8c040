"""Loads a checkpoint's weights into a model of its family."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.checkpoint_info import describe
from pytest_llmjudge.generation.families.decoder import Decoder
from pytest_llmjudge.generation.families.describe import recognise
from pytest_llmjudge.generation.families.gpt2.book import is_latent
from pytest_llmjudge.generation.families.gpt2.config import GPTConfig, is_weight
from pytest_llmjudge.generation.families.gpt2.config_file import read_settings
from pytest_llmjudge.generation.families.gpt2.key_mapping import make_plan
from pytest_llmjudge.generation.families.gpt2.model import GPTModel
from pytest_llmjudge.generation.families.gpt2.sizes import read_sizes
from pytest_llmjudge.generation.families.lora import has_lora
from pytest_llmjudge.generation.families.transformer import Transformer
from pytest_llmjudge.generation.files.contents import ContentChangedError, open_same
from pytest_llmjudge.generation.files.foreign import refuse_foreign_tensors
from pytest_llmjudge.generation.files.names import plain_names
from pytest_llmjudge.generation.files.state_dict import COPY, SAVE, state_dict_in
from pytest_llmjudge.generation.files.tensors import TensorReader
from pytest_llmjudge.generation.nonfinite import check_weight

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from pytest_llmjudge.generation.checkpoint_info import CheckpointInfo
    from pytest_llmjudge.generation.families.plan import Plan, Source
    from pytest_llmjudge.generation.families.transformer_config import TransformerConfig
    from pytest_llmjudge.generation.files.contents import Stamp

__all__ = ["fill", "load"]

Model = TypeVar("Model", bound=Decoder)


def load(
    path: Path,
    device: torch.device,
    dtype: torch.dtype,
    *,
    base: Path | None = None,
    info: CheckpointInfo | None = None,
) -> Decoder:
    """Load a model for evaluation; each tensor is read into its place, so that none is there twice.

    Args:
        path: A checkpoint in any of the known layouts.
        base: The model that a LoRA adapter is added to, whatever model its config names.
        device: Where the model shall run.
        dtype: In which numbers it shall run; the file may hold others.
        info: Of the checkpoint, where it is known already.

    Raises:
        ContentChangedError: A file may hold something else than its digest is of.
        CheckpointError: The file is no such checkpoint, or holds weights that are no numbers.
    """
    info = info or describe(path, base)
    contents = info.contents
    config: GPTConfig | TransformerConfig
    if info.plan is None or info.tensors is None or info.config is None:
        # An archive in the format before torch 1.6 tells its shapes only now.
        tensors, about = _read_old(info.path, contents[info.path].stamp)
        refuse_foreign_tensors(path, tensors)
        plan = make_plan({name: tuple(tensor.shape) for name, tensor in tensors.items()})
        if has_lora(tensors) or recognise(tensors) is not None:
            what = "LoRA layers" if has_lora(tensors) else "the weights of no GPT-2"
            problem = f"it has {what}, in the format that torch wrote before version 1.6"
            raise CheckpointError(str(path), problem, "save it again with a newer torch")
        settings = read_settings(path, about, info.beside)
        is_published = not is_latent(tensors)
        config = read_sizes(
            path, plan.shapes, settings, plan.stored_name, is_published=is_published
        )
        read = tensors.__getitem__
    else:
        plan, config, stored = info.plan, info.config, info.tensors
        reader = TensorReader(contents)

        def read(name: str) -> Tensor:
            return reader.read(stored[name])

    def make() -> Decoder:
        return GPTModel(config) if isinstance(config, GPTConfig) else Transformer(config)

    return fill(path, make, plan, read, device=device, dtype=dtype)


def fill(
    path: Path,
    make: Callable[[], Model],
    plan: Plan,
    read: Callable[[str], Tensor],
    *,
    device: torch.device,
    dtype: torch.dtype,
) -> Model:
    """Make a model for evaluation and give it its weights.

    Args:
        path: For messages.
        make: Makes the model, on torch's device ``meta``; what is no weight must not be made yet.
        plan: How stored tensors become its weights.
        read: Reads a stored tensor by its name.
        device: Where the model shall run.
        dtype: In which numbers it shall run.

    Raises:
        CheckpointError: Weights are no numbers.
    """
    with torch.device("meta"), _Uninitialised():
        model = make()
    model.load_state_dict(dict(_weights(plan, read, device, dtype)), assign=True)
    model.requires_grad_(requires_grad=False).eval()
    _check_finite(path, model, plan)
    model.prepare()
    return model


def _weights(
    plan: Plan, read: Callable[[str], Tensor], device: torch.device, dtype: torch.dtype
) -> Iterator[tuple[str, Tensor]]:
    """Yield the model's weights; those of one stored tensor follow each other."""
    tied: dict[Source, Tensor] = {}
    last_name, last = "", torch.empty(0)
    shared = Counter(plan.sources.values())
    for own, source in plan.sources.items():
        if source in tied:
            yield own, tied[source]
            continue
        if source.name is None:
            last_name, last = "", torch.zeros(source.shape)
        elif source.name != last_name:
            last_name, last = source.name, read(source.name)
        weight = _part(last, source, read)
        weight = weight.to(device=device, dtype=dtype).contiguous()
        if weight.untyped_storage().nbytes() > weight.nbytes:
            # A third of a tensor would keep all of it.
            weight = weight.clone()
        if shared[source] > 1:
            tied[source] = weight
        yield own, weight


def _part(stored: Tensor, source: Source, read: Callable[[str], Tensor]) -> Tensor:
    weight = stored.t() if source.is_turned else stored
    if source.lora is not None:
        up, down = (read(name).float() for name in (source.lora.up, source.lora.down))
        product = (down @ up).t() if source.lora.is_turned else up @ down
        weight = weight.float() + source.lora.scale * product
    if source.rows is None:
        return weight
    parts = [weight[rows.start : rows.stop : rows.step] for rows in source.rows]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


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


def _read_old(path: Path, stamp: Stamp) -> tuple[dict[str, Tensor], dict[str, object]]:
    try:
        with open_same(path, stamp) as stream:
            whole = torch.load(stream, map_location="cpu", weights_only=True)
    except ContentChangedError:
        raise
    except Exception as error:  # noqa: BLE001 - torch documents no exceptions
        # Its text would advise to run what the file says.
        problem = f"torch cannot load it ({type(error).__name__})"
        raise CheckpointError(str(path), problem, COPY) from None
    content: Any
    content, about = state_dict_in(path, whole, lambda value: isinstance(value, Tensor))
    weights = content.items() if isinstance(content, dict) else [("", content)]
    # Only a causal mask may be of another type: some programs save it as truth values.
    weights = [(name, value) for name, value in weights if not _is_mask(name, value)]
    if not all(_is_weight_tensor(name, value) for name, value in weights):
        raise CheckpointError(str(path), "no state dict of floating-point tensors", SAVE)
    plain = plain_names([name for name, _ in weights])
    return {plain[name]: tensor for name, tensor in weights}, about


def _is_mask(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, Tensor) and not is_weight(name)


def _is_weight_tensor(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, Tensor) and value.is_floating_point()


def _check_finite(path: Path, model: Decoder, plan: Plan) -> None:
    for name, weight in model.named_parameters():
        check_weight(path, plan.stored_name(name), weight)
