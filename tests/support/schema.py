"""Results files beside their schema, which for what we write is to leave nothing untold."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import jsonschema

__all__ = ["check_results"]


def check_results(document: object) -> None:
    """Raise where a results file does not follow its schema, or has keys it does not name."""
    schema = resources.files("pytest_llmjudge").joinpath("schemas/results.json").read_text()
    jsonschema.Draft202012Validator(_closed(json.loads(schema))).validate(document)


def _closed(schema: Any) -> Any:  # noqa: ANN401  # any JSON
    """Forbid keys that are not named; those who read are to bear them."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    # What only looks at a suite's kind names no more than that.
    if schema.get("type") == "object" and "properties" in schema and "allOf" not in schema:
        closed.setdefault("additionalProperties", False)
    return closed
