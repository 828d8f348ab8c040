"""Where the tests of the generation layer put their checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A checkpoint's path in an empty folder."""
    return tmp_path / "model.pth"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A checkpoint's path in a folder of its own, with the number of heads of a tiny model."""
    (tmp_path / "config.json").write_text('{"n_heads": 1}', encoding="utf-8")
    return tmp_path / "model.pth"
