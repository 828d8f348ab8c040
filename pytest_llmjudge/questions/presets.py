"""The forms that a marker can name."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.questions.gsm8k import GSM8K
from pytest_llmjudge.questions.hellaswag import HELLASWAG
from pytest_llmjudge.questions.labelled import ARC_CHALLENGE, ARC_EASY, OPENBOOKQA
from pytest_llmjudge.questions.mmlu_pro import MMLU_PRO, MMLU_PRO_THOUGHT
from pytest_llmjudge.questions.modes import CONTINUATION_MODE, LETTERS_MODE
from pytest_llmjudge.questions.piqa import PIQA
from pytest_llmjudge.questions.truthfulqa import TRUTHFULQA_MC1
from pytest_llmjudge.questions.winogrande import WINOGRANDE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmjudge.questions.base import ChoiceForm, ExactForm
    from pytest_llmjudge.questions.following import FollowingForm

__all__ = ["CHOICE_MODES", "CHOICE_PRESETS", "EXACT_PRESETS"]

_CHOICES: Final[tuple[ChoiceForm, ...]] = (
    *(ARC_EASY, ARC_CHALLENGE, HELLASWAG, MMLU_PRO, WINOGRANDE),
    *(PIQA, OPENBOOKQA, TRUTHFULQA_MC1),
)
_EXACT: Final[tuple[ExactForm, ...]] = (GSM8K, MMLU_PRO_THOUGHT)
_MODES: Final = (LETTERS_MODE, CONTINUATION_MODE)

CHOICE_PRESETS: Final[Mapping[str, ChoiceForm]] = MappingProxyType(
    {form.name: form for form in _CHOICES}
)
"""Of ``llm_choices(…, preset=…)``."""
CHOICE_MODES: Final[Mapping[str, FollowingForm]] = MappingProxyType(
    {form.name: form for form in _MODES}
)
"""Of ``llm_choices(…, mode=…)``; :func:`.modes.with_fields` gives their columns other names."""
EXACT_PRESETS: Final[Mapping[str, ExactForm]] = MappingProxyType(
    {form.name: form for form in _EXACT}
)
"""Of ``llm_exact(…, preset=…)``."""
