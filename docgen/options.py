"""The table of options, from the options themselves."""

from __future__ import annotations

from pytest_llmjudge.settings import OPTIONS

__all__ = ["options_table"]


def options_table() -> str:
    """Return every option with its name in ini files and its meaning, as a Markdown table."""
    rows = ["| option | ini option | meaning |", "|---|---|---|"]
    for option in OPTIONS:
        flag = f"{option.flag} {option.metavar}".strip()
        rows.append(f"| `{flag}` | `{option.key}` | {option.help.replace('|', '&#124;')} |")
    return "\n".join(rows)
