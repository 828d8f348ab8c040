"""The table of the public classes, from their docstrings."""

from __future__ import annotations

import pytest_llmjudge

__all__ = ["classes_table"]


def classes_table() -> str:
    """Return each public class with the first sentence of its docstring, as a Markdown table."""
    rows = ["| class | is |", "|---|---|"]
    for name in pytest_llmjudge.__all__:
        member = getattr(pytest_llmjudge, name)
        if isinstance(member, type):
            rows.append(f"| `{name}` | {str(member.__doc__).splitlines()[0]} |")
    return "\n".join(rows)
