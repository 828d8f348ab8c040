"""Names of tensors and files, as all formats of checkpoints use them."""

from __future__ import annotations

import json
import re
import sys
from itertools import islice
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

__all__ = [
    "Shape",
    "finite",
    "name_some",
    "plain_name",
    "plain_names",
    "shorten",
    "shorten_json",
    "stem_of",
]

Shape = tuple[int, ...]

_INDEX = re.compile(r"\.(safetensors|bin)\.index\.json$")
_WRAPPERS = re.compile(
    r"(?:\A|(?<=\.))(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module)\."
)
"""What ``torch.compile``, FSDP, activation checkpointing and Lightning put into names."""
_PARALLEL = re.compile(r"\A(?:module\.)+")
_EMBEDDINGS = (
    "tok_emb.weight",
    "transformer.wte.weight",
    "wte.weight",
    "model.embed_tokens.weight",
    "tok_embeddings.weight",
)
"""The token embedding in the layouts that are read."""
_NAMES_SHOWN = 3
_NAME_LIMIT = 80
"""Characters of a name or a value in a message."""


def stem_of(path: Path) -> str:
    """Return the name that the files beside a checkpoint share with it.

    That of ``model.safetensors.index.json``, which stands for several files, is ``model``.
    """
    return _INDEX.sub("", path.name) if _INDEX.search(path.name) else path.stem


def plain_name(name: str) -> str:
    """Drop what ``torch.compile`` and parallel training put into a parameter's name."""
    return _PARALLEL.sub("", _WRAPPERS.sub("", name))


def plain_names(names: Iterable[str]) -> dict[str, str]:
    """Return the plain name of each parameter of a whole model.

    A model that was an attribute of another module, as in checkpoints of Lightning, has that
    attribute's name before all names. It is dropped too.
    """
    plain = {name: plain_name(name) for name in names}
    prefix = _attribute(plain.values())
    return {name: one.removeprefix(prefix) for name, one in plain.items()}


def _attribute(names: Collection[str]) -> str:
    """Return what stands before the layout's own name of the embedding, and before all names."""
    prefixes = [
        name.removesuffix(embedding)
        for name in names
        for embedding in _EMBEDDINGS
        if name == embedding or name.endswith(f".{embedding}")
    ]
    prefix = min(prefixes, key=len, default="")
    return prefix if all(name.startswith(prefix) for name in names) else ""


def finite(value: object) -> float | None:
    """Return a finite number out of a config; ``None`` for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) <= sys.float_info.max else None


def shorten(name: str) -> str:
    """Cut a name that a file holds to what a message has room for."""
    return one_line(name, _NAME_LIMIT)


def shorten_json(value: object) -> str:
    """Write a value of a config as JSON, cut to what a message has room for."""
    return shorten(json.dumps(value))


def name_some(names: Collection[object]) -> str:
    """Name the first few of many, for a message."""
    shown = ", ".join(map(_shown, islice(names, _NAMES_SHOWN))) or "nothing"
    more = len(names) - _NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _shown(name: object) -> str:
    if isinstance(name, (str, int, float)):
        return shorten(str(name))
    # The text of a tuple can be thousands of times as large as the file.
    return "a key that is no text"
