"""pytest-llmjudge: decide in pytest whether a finetuned language model may be released."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.data import Preference, Record, Verdict

if TYPE_CHECKING:
    from pytest_llmjudge.mmlu.accuracy import MMLUAnswer, MMLUResult

__all__ = ["MMLUAnswer", "MMLUResult", "Preference", "Record", "Verdict", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # Every pytest run imports this package, judged or not: what few runs need waits.
    if name in {"MMLUAnswer", "MMLUResult"}:
        from pytest_llmjudge.mmlu import accuracy

        value: object = getattr(accuracy, name)
        return value
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
