"""Names of tensors and files, as all formats of checkpoints use them."""

from __future__ import annotations

import json
import re
import sys
from itertools import islice
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

__all__ = ["Shape", "finite", "name_some", "plain_name", "shorten", "shorten_json", "stem_of"]

Shape = tuple[int, ...]

_INDEX = re.compile(r"\.(safetensors|bin)\.index\.json$")
_PREFIXES = re.compile(r"\A(?:_orig_mod\.|module\.)+")
_NAMES_SHOWN = 3
_NAME_LIMIT = 80
"""Characters of a name or a value in a message."""


def stem_of(path: Path) -> str:
    """Return the name that the files beside a checkpoint share with it.

    That of ``model.safetensors.index.json``, which stands for several files, is ``model``.
    """
    return _INDEX.sub("", path.name) if _INDEX.search(path.name) else path.stem


def plain_name(name: str) -> str:
    """Drop the prefixes of ``torch.compile`` and of parallel training from a parameter's name."""
    return _PREFIXES.sub("", name)


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
