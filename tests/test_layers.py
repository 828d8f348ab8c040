"""Which layer may import which."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"
LINT = (
    "import sys; from importlinter.cli import lint_imports; "
    "sys.exit(lint_imports(config_filename=sys.argv[1], no_cache=True))"
)


def test_imports_go_downwards_only() -> None:
    """No module imports a layer above its own, nor what its layer must not know."""
    # In a process of its own: import-linter silences the loggers of all that run with it.
    run = subprocess.run(
        [sys.executable, "-c", LINT, str(PYPROJECT)], capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stdout + run.stderr
