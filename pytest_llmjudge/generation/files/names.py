"""Names of tensors and files, as all formats of checkpoints use them."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

__all__ = ["Shape", "finite", "name_some", "plain_name", "stem_of"]

Shape = tuple[int, ...]

_INDEX = re.compile(r"\.(safetensors|bin)\.index\.json$")
_PREFIXES = re.compile(r"\A(?:_orig_mod\.|module\.)+")
_NAMES_SHOWN = 3


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


def name_some(names: Collection[str]) -> str:
    """Name the first few of many, for a message."""
    shown = ", ".join(list(names)[:_NAMES_SHOWN]) or "nothing"
    more = len(names) - _NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
