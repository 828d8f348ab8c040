"""How a command prints: nothing that it shows can command a terminal or the runner of a CI job."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_llmjudge.errors import printable, printable_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

__all__ = ["LABELS_ERROR", "Parser", "print_json", "print_text"]

LABELS_ERROR = 4
"""Exit status for a labels file that cannot be used, as a run has it."""


def print_text(text: str, stream: TextIO | None = None) -> None:
    """Print text and end the line, at once for whoever reads through a pipe.

    Args:
        text: May have several lines.
        stream: Where to, by default standard output.
    """
    print(printable(text), file=stream, flush=True)


def print_json(document: Mapping[str, Any]) -> None:
    """Print a document for other programs."""
    sys.stdout.write(f"{printable_json(json.dumps(document, indent=1))}\n")


class Parser(argparse.ArgumentParser):
    """Reads a command line; a usage error repeats words of it.

    Attributes:
        usage_status: What it exits with then.
    """

    usage_status = 2

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and exit."""
        self.print_usage(sys.stderr)
        advice = f"see '{self.prog} --help'"
        self.exit(self.usage_status, f"{self.prog}: error: {printable(message)}; {advice}\n")
