"""Says in what a value does not follow its JSON Schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.errors import one_line

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

__all__ = ["schema_problem"]

_SHOWN = 60
"""Characters of a value or a key: behind them stands what is wrong."""


def schema_problem(error: ValidationError, otherwise: str = "") -> str:
    """Return where something is wrong, and what.

    Args:
        error: Of the schema.
        otherwise: Stands for the place where it is the whole value.
    """
    place = ".".join(one_line(str(part), _SHOWN) for part in error.absolute_path) or otherwise
    value = repr(error.instance)
    message = error.message
    if message.startswith(value):
        message = one_line(value, _SHOWN) + message[len(value) :]
    return f"{place}: {message}" if place else message
