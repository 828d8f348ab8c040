"""The 57 subjects of MMLU and the four categories that papers report."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["ALL", "CATEGORIES", "category_of", "choose_subjects"]

CATEGORIES: Final[Mapping[str, tuple[str, ...]]] = {
    "stem": (
        "abstract_algebra",
        "astronomy",
        "college_biology",
        "college_chemistry",
        "college_computer_science",
        "college_mathematics",
        "college_physics",
        "computer_security",
        "conceptual_physics",
        "electrical_engineering",
        "elementary_mathematics",
        "high_school_biology",
        "high_school_chemistry",
        "high_school_computer_science",
        "high_school_mathematics",
        "high_school_physics",
        "high_school_statistics",
        "machine_learning",
    ),
    "humanities": (
        "formal_logic",
        "high_school_european_history",
        "high_school_us_history",
        "high_school_world_history",
        "international_law",
        "jurisprudence",
        "logical_fallacies",
        "moral_disputes",
        "moral_scenarios",
        "philosophy",
        "prehistory",
        "professional_law",
        "world_religions",
    ),
    "social sciences": (
        "econometrics",
        "high_school_geography",
        "high_school_government_and_politics",
        "high_school_macroeconomics",
        "high_school_microeconomics",
        "high_school_psychology",
        "human_sexuality",
        "professional_psychology",
        "public_relations",
        "security_studies",
        "sociology",
        "us_foreign_policy",
    ),
    "other": (
        "anatomy",
        "business_ethics",
        "clinical_knowledge",
        "college_medicine",
        "global_facts",
        "human_aging",
        "management",
        "marketing",
        "medical_genetics",
        "miscellaneous",
        "nutrition",
        "professional_accounting",
        "professional_medicine",
        "virology",
    ),
}
"""Subjects by category, as Hendrycks' ``categories.py`` groups them."""

ALL: Final = "all"
"""Stands for every subject that a folder has."""

_CATEGORY_OF: Final = {
    subject: category for category, subjects in CATEGORIES.items() for subject in subjects
}


def category_of(subject: str) -> str | None:
    """Return the category of one of the 57 subjects, ``None`` for a subject of one's own."""
    return _CATEGORY_OF.get(subject)


def choose_subjects(where: str, wanted: Iterable[str], available: Sequence[str]) -> tuple[str, ...]:
    """Turn names of subjects and categories into subjects, each once, in the order of the names.

    Args:
        where: For messages.
        wanted: Subjects, categories such as ``stem`` or ``social_sciences``, or ``all``.
        available: Subjects that the data has; of a category those are meant that are there.

    Raises:
        SettingsError: A name is neither, or what it means is not there.
    """
    chosen: dict[str, None] = {}
    for name in wanted:
        category = name.replace("_", " ").lower()
        if name == ALL:
            subjects: Iterable[str] = available
        elif category in CATEGORIES:
            subjects = [subject for subject in CATEGORIES[category] if subject in available]
        else:
            subjects = [name] if name in available else []
        if not subjects:
            raise _unknown(where, name, available)
        chosen.update(dict.fromkeys(subjects))
    return tuple(chosen)


def _unknown(where: str, name: str, available: Sequence[str]) -> SettingsError:
    known = [*available, *(category.replace(" ", "_") for category in CATEGORIES), ALL]
    if name in _CATEGORY_OF or name.replace("_", " ").lower() in CATEGORIES:
        problem = (
            f'the data has no subject "{name}"'
            if name in _CATEGORY_OF
            else f'the data has no subject of "{name}"'
        )
        return SettingsError(where, problem, f"it has {_some(available)}")
    close = difflib.get_close_matches(name, known, n=3)
    hint = f"close to it are {', '.join(close)}" if close else f"the data has {_some(available)}"
    return SettingsError(where, f'"{name}" is no subject of MMLU', hint)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:10])
    return f"{shown} and {len(names) - 10} more" if len(names) > 10 else shown or "none"
