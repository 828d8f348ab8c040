"""Which layer may import which."""

from __future__ import annotations

from pathlib import Path

from importlinter.cli import lint_imports

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


def test_imports_go_downwards_only() -> None:
    """No module imports a layer above its own, nor what its layer must not know."""
    assert lint_imports(config_filename=str(PYPROJECT), no_cache=True) == 0
