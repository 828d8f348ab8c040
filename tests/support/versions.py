"""Which versions of another implementation tests compare with."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

import pytest
from packaging.version import Version

__all__ = ["need_current_configs", "with_current_transformers"]


def _is_older(package: str, least: str) -> bool:
    try:
        return Version(version(package)) < Version(least)
    except PackageNotFoundError:
        # The tests that import it skip themselves.
        return False


_REASON: Final = "transformers before 5.20 {}"
_OF_OLD: Final = _is_older("transformers", "5.20")
_CHANGED: Final = {"gemma", "gemma3_text", "olmo2", "olmo3"}

with_current_transformers = pytest.mark.skipif(
    _OF_OLD, reason=_REASON.format("has configs that tell no fields, and computes GPT-2 otherwise")
)


def need_current_configs(kind: str) -> None:
    """Skip the families that an older transformers configures otherwise, such as RoPE of OLMo 3."""
    if _OF_OLD and kind in _CHANGED:
        pytest.skip(_REASON.format(f"has other configs of {kind}"))
