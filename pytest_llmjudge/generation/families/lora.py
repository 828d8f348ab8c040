"""LoRA: which small matrices are added to which weights, in the lecture's layout and in PEFT's."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.families.plan import Lora
from pytest_llmjudge.generation.files.names import finite, shorten, shorten_json, stem_of
from pytest_llmjudge.generation.files.state_dict import refuse_pointer, unreadable
from pytest_llmjudge.reading import (
    SETTINGS_LIMIT,
    RepeatedKeyError,
    parse_json,
    read_file,
    why_no_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pytest_llmjudge.generation.families.plan import Plan, Source
    from pytest_llmjudge.generation.files.names import Shape

__all__ = [
    "ADAPTER_CONFIG",
    "Adapter",
    "has_lora",
    "is_lora",
    "lecture_lora",
    "read_adapter",
    "with_lora",
    "with_peft",
]

ADAPTER_CONFIG = "adapter_config.json"

_DOWN, _UP = ".lora.A", ".lora.B"
_PEFT = "base_model.model."
_TRAINED = "save it again from the model that was trained"
_MERGE = "merge it into its model with PEFT"
_KINDS = ("weight", "default.weight")
"""How the names of an adapter's matrices end, as PEFT saves and as it holds them."""

_HARMLESS = {
    "auto_mapping",
    "base_model_name_or_path",
    "eva_config",
    "exclude_modules",
    "fan_in_fan_out",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "lora_dropout",
    "megatron_core",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "r",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
    "use_rslora",
}
"""Settings of an adapter that are read here, or by which its matrices stay what they are."""

_USUAL: dict[str, tuple[object, ...]] = {
    "bias": ("none",),
    "init_lora_weights": (True, "gaussian", "eva", "orthogonal"),
}
"""Values of further settings with which the base stays as it is, and only matrices are added."""

_OFF: tuple[object, ...] = (None, False, [], {})
"""Values with which any setting does nothing, those of future versions of PEFT included."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """What the config of a PEFT adapter says.

    Attributes:
        folder: In which it lies.
        config: Its ``adapter_config.json``.
        base: The model that it was trained for, as the config names it.
        alpha: Numerator of the scale.
        rank: Of all its matrices, if the config names it.
        is_rank_stabilised: Whether the scale is alpha / sqrt(rank) and not alpha / rank.
        targets: Names of the linear layers that it changes, where the config lists them.
    """

    folder: Path
    config: Path
    base: str | None
    alpha: float
    rank: object
    is_rank_stabilised: bool
    targets: tuple[str, ...]


def has_lora(names: Iterable[str]) -> bool:
    """Tell the lecture's LoRA layers by their names."""
    return any(is_lora(name) for name in names)


def is_lora(name: str) -> bool:
    """Tell a matrix of the lecture's LoRA layers."""
    return name.endswith((_DOWN, _UP))


def lecture_lora(path: Path, shapes: Mapping[str, Shape], scale: float | None) -> dict[str, Lora]:
    """Say what the lecture's LoRA layers add to which of the model's weights.

    There a layer adds ``scale * (x @ A @ B)``, so A is (inputs, rank) and B (rank, outputs).

    Args:
        path: The checkpoint, for messages.
        shapes: Of all stored tensors.
        scale: From a config file; the state dict does not hold it.

    Raises:
        CheckpointError: The scale is not known.
    """
    names = [name.removesuffix(_DOWN).removesuffix(_UP) for name in shapes if is_lora(name)]
    layers = list(dict.fromkeys(names))
    if scale is None:
        down = shapes.get(f"{layers[0]}{_DOWN}", ())
        rank = f" of rank {down[1]}" if len(down) == 2 else ""
        problem = f"it has LoRA layers{rank}, and no alpha to scale them by"
        hint = (
            f'write {{"lora_alpha": …}} into {stem_of(path)}.config.json beside it, or '
            '{"lora_scaling": …} with alpha / rank if its code divides by the rank'
        )
        raise CheckpointError(str(path), problem, hint)
    return {
        f"{layer}.weight": Lora(f"{layer}{_DOWN}", f"{layer}{_UP}", scale, is_turned=True)
        for layer in layers
    }


def read_adapter(folder: Path) -> Adapter:
    """Read the config of a PEFT adapter.

    Raises:
        CheckpointError: It cannot be read, or asks for what is not merged here.
    """
    file = folder / ADAPTER_CONFIG
    hint = "save the adapter again, or merge it into its model with PEFT"
    try:
        content = read_file(file, SETTINGS_LIMIT)
        refuse_pointer(file, content)
        config = parse_json(content)
    except OSError as error:
        raise unreadable(file, error) from None
    except RepeatedKeyError as error:
        raise CheckpointError(str(file), why_no_json(error), hint) from None
    except ValueError:
        raise CheckpointError(str(file), "not JSON", hint) from None
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise CheckpointError(str(file), "no config of a LoRA adapter", hint)
    for name, value in config.items():
        if name not in _HARMLESS and value not in (*_OFF, *_USUAL.get(name, ())):
            problem = f"{shorten(name)} is {shorten_json(value)}, which is not merged here"
            raise CheckpointError(str(file), problem, _MERGE)
    alpha = finite(config.get("lora_alpha"))
    if alpha is None:
        problem = f"lora_alpha is {shorten_json(config.get('lora_alpha'))}"
        raise CheckpointError(str(file), problem, hint)
    base, targets = config.get("base_model_name_or_path"), config.get("target_modules")
    named = [one for one in targets if isinstance(one, str)] if isinstance(targets, list) else []
    return Adapter(
        folder,
        file,
        base if isinstance(base, str) else None,
        alpha,
        config.get("r"),
        is_rank_stabilised=bool(config.get("use_rslora")),
        targets=tuple(sorted(named)),
    )


def with_peft(adapter: Adapter, plan: Plan, shapes: Mapping[str, Shape]) -> Plan:
    """Let a plan add the matrices of a PEFT adapter.

    Args:
        adapter: Its config.
        plan: Of its base.
        shapes: Of its matrices.

    Raises:
        CheckpointError: Something is no LoRA matrix, lacks its other half, or does not fit the
            base.
    """
    return with_lora(adapter.folder, plan, _peft_lora(adapter, plan, shapes), shapes)


def _peft_lora(adapter: Adapter, plan: Plan, shapes: Mapping[str, Shape]) -> dict[str, Lora]:
    """Say what an adapter adds to which of the model's weights."""
    places: dict[str, list[str]] = {}
    for own in plan.sources:
        places.setdefault(plan.stored_name(own), []).append(own)
    added: dict[str, Lora] = {}
    for name, shape in shapes.items():
        down = name.replace(".lora_B.", ".lora_A.")
        layer, mark, kind = down.removeprefix(_PEFT).partition(".lora_A.")
        if not mark or kind not in _KINDS or len(shape) != 2:
            problem = f"it has {shorten(name)}, which is no LoRA matrix of a linear layer"
            raise CheckpointError(str(adapter.folder), problem, _MERGE)
        if down not in shapes:
            problem = f"it has {shorten(name)} without its {shorten(down.removeprefix(_PEFT))}"
            raise CheckpointError(str(adapter.folder), problem, _TRAINED)
        weight = f"{layer.removeprefix('transformer.')}.weight"
        if weight not in places:
            problem = f"its base has no {shorten(weight)}"
            hint = "name the model that it was trained for with --llm-judge-base"
            raise CheckpointError(str(adapter.folder), problem, hint)
        if name != down:
            continue
        if places[weight][0] in added:
            problem = f"it has several pairs of matrices for {shorten(weight)}"
            raise CheckpointError(str(adapter.folder), problem, "save each adapter by itself")
        if adapter.rank not in (None, shape[0]):
            # Of another adapter, most likely, and so would alpha be.
            problem = (
                f"r is {shorten_json(adapter.rank)}, and {shorten(name)} has the rank {shape[0]}"
            )
            hint = "put the config and the matrices of one adapter together"
            raise CheckpointError(str(adapter.config), problem, hint)
        divisor = math.sqrt(shape[0]) if adapter.is_rank_stabilised else shape[0]
        up = name.replace(".lora_A.", ".lora_B.")
        lora = Lora(name, up, adapter.alpha / max(1, divisor), is_turned=False)
        added |= dict.fromkeys(places[weight], lora)
    if not added:
        problem = "it holds no LoRA matrices"
        raise CheckpointError(str(adapter.folder), problem, "save the adapter again")
    return added


def with_lora(
    path: Path, plan: Plan, added: Mapping[str, Lora], shapes: Mapping[str, Shape]
) -> Plan:
    """Let a plan add LoRA's matrices to the weights that they belong to.

    Args:
        path: The checkpoint, for messages.
        plan: Without them.
        added: For each weight of the model what is added to it.
        shapes: Of all stored tensors.

    Raises:
        CheckpointError: A weight or a matrix is missing, or they do not fit each other.
    """
    sources = dict(plan.sources)
    for own, lora in added.items():
        source = sources.get(own)
        up, down = shapes.get(lora.up, ()), shapes.get(lora.down, ())
        if lora.is_turned:
            up, down = up[::-1], down[::-1]
        if source is None or not _fit(source, up, down):
            names = [shorten(name) for name in (lora.down, lora.up, plan.stored_name(own))]
            problem = f"{names[0]}, {names[1]} and {names[2]} do not fit each other"
            raise CheckpointError(str(path), problem, _TRAINED)
        sources[own] = replace(source, lora=lora)
    return replace(plan, sources=sources)


def _fit(source: Source, up: Shape, down: Shape) -> bool:
    if len(up) != 2 or len(down) != 2 or up[1] != down[0] or len(source.shape) != 2:
        return False
    return source.stored_shape == (up[0], down[1])
