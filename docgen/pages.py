"""Writes what is made out of the code into the pages, between the lines that ask for it.

A page asks by ``<!-- made: options -->`` and says by ``<!-- end: options -->`` how far that goes.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from docgen.classes import classes_table
from docgen.commands import command_sections
from docgen.messages import ERRORS, messages_table
from docgen.options import options_table
from docgen.schemas import schema_block

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["MAKERS", "PART", "filled", "write_pages"]

MAKERS: dict[str, Callable[[], str]] = {
    "options": options_table,
    "commands": command_sections,
    "classes": classes_table,
    **{
        f"schema {name}": partial(schema_block, f"{name}.json")
        for name in ("results", "vote", "label")
    },
    **{f"messages {kind}": partial(messages_table, kind) for kind in ERRORS},
}
"""What can be asked for, and what makes it."""

PART = re.compile(
    r"^<!-- made: (?P<name>.+?) -->$.*?^<!-- end: (?P=name) -->$", re.DOTALL | re.MULTILINE
)
"""A part of a page that is made, with the lines around it."""


def filled(markdown: str) -> str:
    """Return a page with all that it asks for, in place of what stood there.

    Raises:
        KeyError: It asks for something that nothing makes.
    """
    return PART.sub(_made, markdown)


def _made(asked: re.Match[str]) -> str:
    name = asked["name"]
    return f"<!-- made: {name} -->\n\n{MAKERS[name]()}\n\n<!-- end: {name} -->"


def write_pages(folder: Path) -> None:
    """Fill every page in a folder.

    Raises:
        KeyError: A page asks for something that nothing makes.
    """
    for page in sorted(folder.glob("*.md")):
        page.write_text(filled(page.read_text("utf-8")), encoding="utf-8")
