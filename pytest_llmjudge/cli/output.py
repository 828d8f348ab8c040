"""How a command prints."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["print_json", "print_text"]


def print_text(text: str) -> None:
    """Print text and end the line."""
    sys.stdout.write(f"{text}\n")


def print_json(document: Mapping[str, Any]) -> None:
    """Print a document for other programs."""
    print_text(json.dumps(document, indent=1))
