"""Reads the config file beside a checkpoint, which tells what no tensor does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.families.gpt2.config import Heads
from pytest_llmjudge.generation.files.names import finite, shorten_json, stem_of
from pytest_llmjudge.generation.files.state_dict import refuse_pointer, unreadable
from pytest_llmjudge.reading import (
    SETTINGS_LIMIT,
    parse_json,
    read_file,
    why_no_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "THEIR_ACTIVATIONS",
    "Config",
    "config_beside",
    "heads_in",
    "is_gelu_exact",
    "places_of",
    "scale_in",
    "stems_of",
]

Config = tuple[Path, dict[str, object]]
"""A config file beside a checkpoint, and what it says."""

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
    return path, path.resolve()


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
    name, theirs = (config.get(key) for key in ("activation", "activation_function"))
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
