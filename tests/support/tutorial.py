"""The tutorial as a reader follows it: its files and commands, in their order."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.pages import DOCS, REPO, Block, Command, blocks, commands

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Reader", "steps"]

# Done already, by whoever made the environment that the tests run in.
_DONE = ("python -m venv", ". .venv", "python -m pip install", "ollama pull")


def steps() -> Iterator[Block | Command]:
    """Yield what a reader writes and what a reader types; not what installs."""
    for block in blocks(DOCS / "tutorial.md"):
        if block.file:
            yield block
        elif block.language == "console":
            yield from (one for one in commands(block.text) if not one.text.startswith(_DONE))


class Reader:
    """Somebody with a checkout in ``folder`` and a shell.

    Args:
        folder: An empty one, in which the reader begins.
        environment: Of the shell, besides this process's.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        scripts = str(Path(sys.executable).parent)
        self._environment = {
            **{key: value for key, value in os.environ.items() if key != "PYTEST_ADDOPTS"},
            "PATH": os.pathsep.join([scripts, os.environ["PATH"]]),
            "COLUMNS": "100",
            **environment,
        }
        checkout = folder / "pytest-llmjudge"
        checkout.mkdir()
        for part in ("example_suite", "checkpoints"):
            shutil.copytree(REPO / part, checkout / part)
        shutil.copy(REPO / "pyproject.toml", checkout)

    def write(self, block: Block) -> None:
        """Write a file of the page into the present folder."""
        (self.folder / block.file).write_text(block.text, encoding="utf-8")

    def type(self, text: str) -> str:
        """Run a command and return what it prints."""
        if text.startswith("cd "):
            self.folder = self.folder / text.removeprefix("cd ")
            return ""
        done = subprocess.run(
            ["bash", "-c", text],  # noqa: S607  # as a reader has it
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout
