"""The JSON Schemas of the files, as they ship."""

from __future__ import annotations

from importlib.resources import files

__all__ = ["schema_block"]


def schema_block(name: str) -> str:
    """Return a schema of ``pytest_llmjudge/schemas`` as a block of JSON."""
    text = (files("pytest_llmjudge") / "schemas" / name).read_text("utf-8")
    return f"```json\n{text.rstrip()}\n```"
