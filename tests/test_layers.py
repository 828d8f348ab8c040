"""Which layer may import which."""

from __future__ import annotations

import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import grimp
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "pytest_llmjudge"
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


@pytest.fixture(name="graph", scope="module")
def build_graph() -> grimp.ImportGraph:
    """Return all imports of the package, those in functions and for type checkers included."""
    return grimp.build_graph(PACKAGE, exclude_type_checking_imports=False, cache_dir=None)


def check_acyclic(imports: dict[str, set[str]]) -> None:
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def packages(graph: grimp.ImportGraph) -> Iterator[str]:
    """Yield the packages that have modules of their own."""
    return (name for name in sorted(graph.modules) if graph.find_children(name))


def test_no_modules_import_each_other(graph: grimp.ImportGraph) -> None:
    """Each module can be read without one that is read after it."""
    check_acyclic({name: graph.find_modules_directly_imported_by(name) for name in graph.modules})


def test_no_siblings_import_each_other(graph: grimp.ImportGraph) -> None:
    """Of two modules or packages that lie side by side at most one imports from the other."""
    for package in packages(graph):
        depth = package.count(".") + 2

        def sibling(module: str, depth: int = depth) -> str:
            return ".".join(module.split(".")[:depth])

        imports: dict[str, set[str]] = {}
        for module in graph.find_descendants(package):
            imported = graph.find_modules_directly_imported_by(module)
            inside = {sibling(name) for name in imported if name.startswith(f"{package}.")}
            imports.setdefault(sibling(module), set()).update(inside - {sibling(module)})
        check_acyclic(imports)
