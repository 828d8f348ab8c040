"""The pages of the documentation, and the blocks of code in them."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import NamedTuple

__all__ = ["DOCS", "PAGES", "REPO", "Block", "Command", "blocks", "commands"]

REPO = Path(__file__).parents[2]
DOCS = REPO / "docs"
PAGES = [REPO / "README.md", *sorted(DOCS.rglob("*.md"))]

_BLOCK = re.compile(r"^( *)```(\w+)(?: title=\"(.+?)\")?\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """A block of code: its language, the file that it is, ``""`` for none, and its text."""

    language: str
    file: str
    text: str


class Command(NamedTuple):
    """A command of a page, in one line, and the lines of its output that the page shows."""

    text: str
    output: list[str]


def blocks(page: Path, language: str = "") -> list[Block]:
    """Return a page's blocks of code, in one language or all, in their order."""
    parsed = []
    for _, name, title, code in _BLOCK.findall(page.read_text("utf-8")):
        text = textwrap.dedent(code)
        first = re.match(r"# (\S+\.py)\n", text)
        parsed.append(Block(name, title or (first[1] if first else ""), text))
    return [block for block in parsed if language in {"", block.language}]


def commands(text: str) -> list[Command]:
    """Return the commands of a block; a backslash at the end of a line continues it."""
    parsed: list[Command] = []
    for line in text.replace("\\\n", "").splitlines():
        if line.startswith("$ "):
            command = re.sub(r"  +# .*", "", line.removeprefix("$ "))
            parsed.append(Command(re.sub(r"  +", " ", command), []))
        elif parsed:
            parsed[-1].output.append(line)
    return parsed
