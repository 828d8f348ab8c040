"""pytest-llmjudge: decide in pytest whether a finetuned language model may be released."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Preference, Record, Verdict

if TYPE_CHECKING:
    from pytest_llmjudge.kinds.exact_results import ExactAnswer, ExactResult
    from pytest_llmjudge.mmlu.accuracy import MMLUAnswer, MMLUResult
    from pytest_llmjudge.questions.answers import ChoiceAnswer, ChoicesResult

__all__ = [
    "ChoiceAnswer",
    "ChoicesResult",
    "ExactAnswer",
    "ExactResult",
    "MMLUAnswer",
    "MMLUResult",
    "Preference",
    "Record",
    "Verdict",
    "__version__",
]
__version__ = "0.1.0"

_RARE = {
    "ChoiceAnswer": "questions.answers",
    "ChoicesResult": "questions.answers",
    "ExactAnswer": "kinds.exact_results",
    "ExactResult": "kinds.exact_results",
    "MMLUAnswer": "mmlu.accuracy",
    "MMLUResult": "mmlu.accuracy",
}
"""The module of each class that few runs need."""


def __getattr__(name: str) -> object:
    # Every pytest run imports this package, judged or not: what few runs need waits.
    if name in _RARE:
        value: object = getattr(import_module(f"{__name__}.{_RARE[name]}"), name)
        return value
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
