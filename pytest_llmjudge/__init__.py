"""pytest-llmjudge: decide in pytest whether a finetuned language model may be released."""

from __future__ import annotations

from pytest_llmjudge.data import Record, Verdict
from pytest_llmjudge.mmlu.accuracy import MMLUAnswer, MMLUResult

__all__ = ["MMLUAnswer", "MMLUResult", "Record", "Verdict", "__version__"]
__version__ = "0.1.0"
