"""The help of the command ``llmjudge``, from its parser."""

from __future__ import annotations

import argparse
import re
from functools import partial
from typing import TYPE_CHECKING

from pytest_llmjudge.cli import make_parser

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["command_sections", "commands"]

_WIDTH = 88


def commands() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each command by its name."""
    parsers: dict[str, argparse.ArgumentParser] = {}
    for action in make_parser()._actions:  # noqa: SLF001  # argparse lists them nowhere else
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            parsers |= action.choices
    return parsers


def command_sections() -> str:
    """Return a section of Markdown for each command, with its help as it is printed."""
    return "\n\n".join(_sections())


def _sections() -> Iterator[str]:
    for name, parser in commands().items():
        # Neither the terminal of whoever builds the pages nor its colours are of any interest.
        parser.formatter_class = partial(argparse.HelpFormatter, width=_WIDTH)
        text = re.sub(r"\x1b\[[\d;]*m", "", parser.format_help()).rstrip()
        yield f"## llmjudge {name}\n\n```text\n{text}\n```"
