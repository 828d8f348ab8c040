"""What a marker asks of a model: subjects, shots, mode, and the gates over them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.mmlu.files import open_mmlu
from pytest_llmjudge.mmlu.prompts import MODES
from pytest_llmjudge.mmlu.subjects import ALL, choose_subjects
from pytest_llmjudge.settings import BASELINE_KEYWORDS, checkpoint_of
from pytest_llmjudge.values import (
    check_accuracy,
    check_choice,
    check_path,
    integer_check,
    read_keywords,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pytest_llmjudge.mmlu.files import MMLUData
    from pytest_llmjudge.mmlu.results import MMLUQuestion
    from pytest_llmjudge.settings import Settings

__all__ = ["MOST_SHOTS", "Exam", "load_exam", "make_exam"]

MOST_SHOTS = 5
"""How many solved questions MMLU has for each subject."""


@dataclass(frozen=True, slots=True, eq=False)
class Exam:
    """Subjects of one copy of MMLU, asked in one way.

    Attributes:
        name: Node id of the test function.
        data: The copy.
        path: Where it lies.
        subjects: In the order in which they were asked for.
        shots: Solved questions before each question.
        mode: ``letters``, ``lm-eval`` or ``continuation``.
        limit: How many questions of a subject are drawn, ``None`` for all.
        min_accuracy: Of all questions together.
        min_subject_accuracy: Of each subject.
        checkpoint: The model under test.
    """

    name: str
    data: MMLUData
    path: Path
    subjects: tuple[str, ...]
    shots: int = MOST_SHOTS
    mode: str = "letters"
    limit: int | None = None
    min_accuracy: float | None = None
    min_subject_accuracy: float | None = None
    checkpoint: Path | str | None = None

    def questions(self, subject: str) -> tuple[MMLUQuestion, ...]:
        """Return the questions of a subject in file order, those that were drawn.

        Raises:
            DatasetError: They cannot be read.
        """
        questions = self.data.questions(subject)
        if self.limit is None or self.limit >= len(questions):
            return questions
        # The same ones in every run and on every machine, and those and more for a higher limit.
        order = sorted(range(len(questions)), key=lambda index: _lot(questions[index]))
        return tuple(questions[index] for index in sorted(order[: self.limit]))

    def solved(self, subject: str) -> tuple[MMLUQuestion, ...]:
        """Return the questions that are shown solved before each question of a subject.

        Raises:
            DatasetError: There are too few.
        """
        return self.data.shots(subject, self.shots)


def load_exam(
    name: str, folder: str, keywords: Mapping[str, object], base: Path, settings: Settings
) -> Exam:
    """Settle what a marker asks for.

    Args:
        name: Node id of the test function, also used in messages.
        folder: The copy of MMLU, relative to ``base``.
        keywords: What the marker says besides.
        base: Folder of the test file.
        settings: The run's options.

    Raises:
        SettingsError: The marker cannot be used.
        DatasetError: The data cannot be used.
    """
    values = read_keywords(name, keywords, _KEYWORDS)
    gated = "min_accuracy" in values or "min_subject_accuracy" in values
    if not gated and settings.baseline is None:
        hint = "set min_accuracy, for example 0.25, or compare with --llm-judge-baseline"
        raise SettingsError(name, "it has no gate and so cannot fail", hint)
    checkpoint = settings.checkpoint
    if "checkpoint" in values and not settings.checkpoint_forced:
        checkpoint = checkpoint_of(values["checkpoint"], base)
    path = base / folder
    data = open_mmlu(path)
    wanted = values.get("subjects", (ALL,))
    for keyword in BASELINE_KEYWORDS:
        values.pop(keyword, None)
    values["subjects"] = choose_subjects(f"{name}: subjects", wanted, data.subjects)
    return Exam(name, data, path, **{**values, "checkpoint": checkpoint})


def make_exam(
    where: str, path: Path, subject: object, *, shots: object, mode: object, limit: object
) -> Exam:
    """Settle what a call of the ``mmlu`` fixture asks for.

    Raises:
        SettingsError: An argument cannot be used.
        DatasetError: The data cannot be used.
    """
    data = open_mmlu(path)
    return Exam(
        where,
        data,
        path,
        _one_subject(f"{where}: subject", subject, data.subjects),
        shots=_check_shots(f"{where}: shots", shots),
        mode=_check_mode(f"{where}: mode", mode),
        limit=None if limit is None else _check_limit(f"{where}: limit", limit),
    )


def _one_subject(where: str, subject: object, available: Sequence[str]) -> tuple[str]:
    if not isinstance(subject, str) or not subject:
        hint = 'give one subject\'s name, as in mmlu("anatomy")'
        raise SettingsError(where, f"{shown(subject)} is no name", hint)
    if choose_subjects(where, [subject], available) != (subject,):
        hint = "ask each one, or mark a test with llm_mmlu"
        raise SettingsError(where, f'"{subject}" means several subjects', hint)
    return (subject,)


def _lot(question: MMLUQuestion) -> bytes:
    return hashlib.sha256(f"mmlu {question.id}".encode()).digest()


def _check_subjects(where: str, value: object) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not names:
        hint = 'give a list of names, a category such as "stem", or "all"'
        raise SettingsError(where, f"{shown(value)} names no subjects", hint)
    for name in names:
        if not isinstance(name, str) or not name:
            raise SettingsError(where, f"{shown(name)} is no name", "give strings in quotes")
    return tuple(names)


_check_shots = integer_check(
    "{value} is no number of solved questions",
    f"a whole number from 0 to {MOST_SHOTS}",
    lambda shots: 0 <= shots <= MOST_SHOTS,
)
_check_limit = integer_check(
    "{value} is no number of questions", "a whole number of 1 or more", lambda limit: limit >= 1
)
_check_mode = check_choice(*MODES)

_KEYWORDS: dict[str, Callable[[str, object], object]] = {
    "subjects": _check_subjects,
    "shots": _check_shots,
    "mode": _check_mode,
    "limit": _check_limit,
    "min_accuracy": check_accuracy,
    "min_subject_accuracy": check_accuracy,
    **BASELINE_KEYWORDS,
    "checkpoint": check_path,
}
