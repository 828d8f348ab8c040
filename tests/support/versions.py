"""Which versions of another implementation tests compare with."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import pytest
from packaging.version import Version

__all__ = ["with_current_transformers"]


def _is_older(package: str, least: str) -> bool:
    try:
        return Version(version(package)) < Version(least)
    except PackageNotFoundError:
        # The tests that import it skip themselves.
        return False


with_current_transformers = pytest.mark.skipif(
    _is_older("transformers", "5.20"),
    reason="transformers before 5.20 has other configs of OLMo 3 and Gemma 3, and computes some "
    "settings of GPT-2 in another way",
)
