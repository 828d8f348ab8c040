"""Reads the config file beside a checkpoint, which tells what no tensor does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.families.gpt2.config import GPTSettings, Heads, Window
from pytest_llmjudge.generation.files.names import finite, shorten_json, stem_of
from pytest_llmjudge.generation.files.state_dict import refuse_pointer, unreadable
from pytest_llmjudge.paths import real_path
from pytest_llmjudge.reading import (
    SETTINGS_LIMIT,
    parse_json,
    read_file,
    why_no_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "COMPUTED",
    "THEIR_ACTIVATIONS",
    "Config",
    "config_beside",
    "heads_in",
    "is_gelu_exact",
    "places_of",
    "read_settings",
    "scale_in",
    "stems_of",
]

Config = tuple[Path, dict[str, object]]
"""A config file beside a checkpoint, and what it says."""

_NANOGPT = "model_args"
_GELU = ("activation", "activation_function")
_ABOUT = (_NANOGPT, "config", "cfg", "model_config", "hyper_parameters")
"""Under which names training checkpoints keep a model's config."""

_SIZES = {
    "emb_dim": ("n_embd",),
    "n_layers": ("n_layer",),
    "context_length": ("n_positions", "block_size"),
    "qkv_bias": (),
    "n_kv_heads": ("n_kv_groups",),
}
"""Sizes that the tensors tell too, and other words for them."""

COMPUTED: dict[str, tuple[object, ...]] = {
    "layer_norm_epsilon": (1e-5,),
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "add_cross_attention": (False,),
}
"""Settings of Hugging Face's GPT-2 with the values that our engine computes."""

_FIXTURE = "give the model to a fixture llm_model of your own"
_HEADS = 'write {"n_heads": …} with an integer above 0'
_SCALES = ("lora_alpha", "lora_scaling")

_ACTIVATIONS = {"gelu_tanh": False, "gelu": True}
THEIR_ACTIVATIONS = {
    "gelu_new": False,
    "gelu_pytorch_tanh": False,
    "gelu_fast": False,
    "gelu": True,
}
"""Names of GELU, here and in transformers, and whether it is the exact one."""


def places_of(path: Path) -> tuple[Path, Path]:
    """Return where other files may lie beside a checkpoint that may be a link: there or behind."""
    return path, real_path(path)


def stems_of(path: Path) -> Iterable[str]:
    """Return what the names of files begin with that are about a checkpoint, the best first."""
    return dict.fromkeys((stem_of(path), path.stem))


def config_beside(path: Path, name: str = "config.json") -> Config | None:
    """Read ``<stem>.config.json`` or else the folder's; ``None`` where there is neither.

    Args:
        path: The checkpoint.
        name: Of the folder's.

    Raises:
        CheckpointError: It cannot be read.
    """
    files = [
        place.with_name(one)
        for place in places_of(path)
        for one in (*(f"{stem}.config.json" for stem in stems_of(place)), name)
    ]
    # pathlib raises for a name that is too long. A broken link is there, and wrong.
    file = next((file for file in files if os.path.lexists(file)), None)
    if file is None:
        return None
    try:
        content = read_file(file, SETTINGS_LIMIT)
        refuse_pointer(file, content)
        config = parse_json(content)
    except OSError as error:
        raise unreadable(file, error) from None
    except ValueError as error:
        hint = "correct it, or move it away from the checkpoint"
        raise CheckpointError(str(file), why_no_json(error), hint) from None
    if not isinstance(config, dict):
        raise CheckpointError(str(file), "not a JSON object", _HEADS)
    return file, config


def read_settings(
    path: Path, about: Mapping[str, object], config_file: Config | None
) -> GPTSettings:
    """Read what no tensor of a GPT-2 tells.

    Args:
        path: The checkpoint.
        about: What a training checkpoint holds beside its weights; a config may be among it.
        config_file: The one beside the checkpoint, which goes before.

    Raises:
        CheckpointError: Something in it cannot be, or is not computed here.
    """
    inside = _config_in(about)
    file, values = config_file or (path, {})
    heads = heads_in(config_file)
    source = values if heads is not None else inside
    if heads is None and inside:
        heads = heads_in((path, inside))
    both = file, {**inside, **values}
    _check_computed(both)
    is_nanogpt = _NANOGPT in about
    return GPTSettings(
        heads,
        is_gelu_exact(both),
        is_nanogpt and not any(both[1].get(name) is not None for name in _GELU),
        _window_in(both),
        _active_experts_in(both),
        tuple(_sizes_in(source)),
    )


def _config_in(about: Mapping[str, object]) -> dict[str, object]:
    """Find the config of a GPT in what a training checkpoint holds: one that tells its heads."""
    for place in _ABOUT:
        config = about.get(place)
        if isinstance(config, dict):
            heads = config.get("n_heads", config.get("n_head"))
            if type(heads) is int and heads > 0:
                return config
    return {}


def _sizes_in(config: Mapping[str, object]) -> Iterator[tuple[str, str, object]]:
    for own, names in _SIZES.items():
        for name in (own, *names):
            if config.get(name) is not None:
                yield name, own, config[name]


def _check_computed(config_file: Config) -> None:
    """Refuse settings by which our engine would compute another model."""
    file, config = config_file
    for name, values in COMPUTED.items():
        if config.get(name, values[0]) not in values:
            problem = f"{name} is {shorten_json(config[name])}, which is not computed here"
            raise CheckpointError(str(file), problem, _FIXTURE)
    layers, producing = (config.get(name) for name in ("n_layers", "n_kv_producing_layers"))
    if producing is not None and producing != layers:
        problem = "n_kv_producing_layers lets blocks share keys, which is not computed here"
        raise CheckpointError(str(file), problem, _FIXTURE)
    room, kept = (config.get(name) for name in ("context_length", "kv_window_size"))
    if isinstance(kept, int) and isinstance(room, int) and kept < room:
        problem = f"kv_window_size is {kept}: with its cache the model sees less than without"
        hint = (
            f'remove it for full attention, or write {{"sliding_window_size": {kept}, '
            '"sliding_window_stride": -1}'
        )
        raise CheckpointError(str(file), problem, hint)


def _window_in(config_file: Config) -> Window | None:
    """Read the sliding windows of attention.

    Raises:
        CheckpointError: They are no numbers, or one is missing.
    """
    file, config = config_file
    size, stride = (config.get(name) for name in ("sliding_window_size", "sliding_window_stride"))
    if size is None:
        return None
    if type(size) is not int or size < 1:
        hint = 'write {"sliding_window_size": …} with the tokens that a token sees, itself included'
        raise CheckpointError(str(file), f"sliding_window_size is {shorten_json(size)}", hint)
    if type(stride) is not int:
        given = "missing" if stride is None else shorten_json(stride)
        hint = (
            'write {"sliding_window_stride": …} with the blocks with a window before one without, '
            "or -1 if all have one"
        )
        raise CheckpointError(str(file), f"sliding_window_stride is {given}", hint)
    return Window(size, stride)


def _active_experts_in(config_file: Config) -> int | None:
    """Read how many experts a token takes.

    Raises:
        CheckpointError: It is no number.
    """
    file, config = config_file
    active = config.get("num_experts_per_tok")
    if active is not None and (type(active) is not int or active < 1):
        hint = 'write {"num_experts_per_tok": …} with an integer above 0'
        raise CheckpointError(str(file), f"num_experts_per_tok is {shorten_json(active)}", hint)
    return active


def heads_in(config_file: Config | None) -> Heads | None:
    """Read the number of heads, which is ours or Hugging Face's to name.

    Raises:
        CheckpointError: It is none.
    """
    if config_file is None:
        return None
    file, config = config_file
    heads = config.get("n_heads", config.get("n_head"))
    if heads is None:
        return None
    if type(heads) is not int or heads < 1:
        raise CheckpointError(str(file), f"n_heads is {shorten_json(heads)}", _HEADS)
    return Heads(heads, file)


def is_gelu_exact(config_file: Config | None) -> bool:
    """Read which GELU the model was trained with; GPT-2's own is the approximation by tanh.

    Raises:
        CheckpointError: It is another function.
    """
    if config_file is None:
        return False
    file, config = config_file
    name, theirs = (config.get(key) for key in _GELU)
    if name is not None:
        if not isinstance(name, str) or name not in _ACTIVATIONS:
            hint = 'write {"activation": "gelu_tanh"}, or "gelu" for the exact one'
            raise CheckpointError(str(file), f"activation is {shorten_json(name)}", hint)
        return _ACTIVATIONS[name]
    if theirs is None:
        return False
    if not isinstance(theirs, str) or theirs not in THEIR_ACTIVATIONS:
        problem = (
            f"activation_function is {shorten_json(theirs)}, and only gelu_new and gelu are run"
        )
        raise CheckpointError(str(file), problem, "serve the model, or write a fixture for it")
    return THEIR_ACTIVATIONS[theirs]


def scale_in(config_file: Config | None) -> float | None:
    """Read what the lecture's LoRA layers multiply by: alpha, or a factor of another name.

    Raises:
        CheckpointError: It is no finite number, or there are both.
    """
    if config_file is None:
        return None
    file, config = config_file
    names = [name for name in _SCALES if config.get(name) is not None]
    if len(names) > 1:
        both = "it has lora_alpha and lora_scaling, either of which is the whole factor"
        raise CheckpointError(str(file), both, "keep the one that the layers multiply by")
    if not names:
        return None
    value, scale = config[names[0]], finite(config[names[0]])
    if scale is None:
        hint = f'write {{"{names[0]}": …}} with a number'
        raise CheckpointError(str(file), f"{names[0]} is {shorten_json(value)}", hint)
    return scale
