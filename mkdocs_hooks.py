"""Puts what is made out of the code into the pages that ask for it, when the site is built.

A page asks by a line of its own, ``<!-- made: options -->``.
"""

from __future__ import annotations

import re
import textwrap
from functools import partial
from typing import TYPE_CHECKING

from docgen.commands import command_sections
from docgen.messages import ERRORS, messages_table
from docgen.options import options_table
from docgen.schemas import schema_block

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAKERS", "filled", "on_page_markdown"]

MAKERS: dict[str, Callable[[], str]] = {
    "options": options_table,
    "commands": command_sections,
    **{f"schema {name}": partial(schema_block, f"{name}.json") for name in ("results", "vote")},
    **{f"messages {kind}": partial(messages_table, kind) for kind in ERRORS},
}
"""What can be asked for, and what makes it."""


def filled(markdown: str) -> str:
    """Return a page with all that it asks for, set in as far as the line that asks.

    Raises:
        KeyError: It asks for something that nothing makes.
    """
    return re.sub(r"^( *)<!-- made: (.+?) -->$", _made, markdown, flags=re.MULTILINE)


def _made(asked: re.Match[str]) -> str:
    indent, name = asked.groups()
    return textwrap.indent(MAKERS[name](), indent)


def on_page_markdown(markdown: str, **_: object) -> str:
    """Fill a page; mkdocs calls this for each."""
    return filled(markdown)
