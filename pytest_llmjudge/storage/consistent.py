"""Whether a results file agrees with itself: its figures are those of its own records."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.stats import mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["contradiction"]

_ROUNDED = 0.5e-4 + 1e-9
"""How far a figure that was written with four decimals may be from the whole one."""
_SCORES = {"a": 1.0, "tie": 0.5, "b": 0.0}


def contradiction(document: Mapping[str, Any]) -> str | None:
    """Say in what a results file that follows its schema contradicts itself; ``None`` if nowhere.

    A file that was written in one piece does not; one that was edited or joined may.
    """
    names = [suite["name"] for suite in document["suites"]]
    twice = _twice(names)
    if twice is not None:
        return f"it has two suites named {twice}"
    for suite in document["suites"]:
        found = next(_CHECKS.get(suite["kind"], _unknown)(suite), None)
        if found is not None:
            return f"{suite['name']}: {found}"
    return None


def _of_records(suite: Mapping[str, Any]) -> Iterator[str]:
    records = suite["records"]
    scores = [record["score"] for record in records if record["score"] is not None]
    yield from _repeated("records", [record["id"] for record in records])
    yield from _counted(suite, len(records), len(scores))
    # Of a part of the records there is no average.
    average = mean(scores) if len(scores) == suite["total"] else None
    yield from _differs(suite, "average", average)


def _of_pairs(suite: Mapping[str, Any]) -> Iterator[str]:
    records = suite["records"]
    winners = [record["winner"] for record in records if record["winner"] is not None]
    yield from _repeated("records", [record["id"] for record in records])
    yield from _counted(suite, len(records), len(winners))
    for name, winner in (("wins", "a"), ("ties", "tie"), ("losses", "b")):
        yield from _differs(suite, name, winners.count(winner))
    rate = sum(map(_SCORES.__getitem__, winners)) / len(winners) if winners else None
    yield from _differs(suite, "win_rate", rate if len(winners) == suite["total"] else None)


def _of_exam(suite: Mapping[str, Any]) -> Iterator[str]:
    subjects = suite["subjects"]
    questions = [question for subject in subjects for question in subject["questions"]]
    yield from _repeated("subjects", [subject["subject"] for subject in subjects])
    yield from _repeated("questions", [question["id"] for question in questions])
    for subject in subjects:
        for found in _share(subject, subject["questions"]):
            yield f"{subject['subject']}: {found}"
    # Of a part of the subjects there is no accuracy.
    is_whole = all(subject["questions"] for subject in subjects)
    yield from _share(suite, questions if is_whole else [])


def _unknown(_: Mapping[str, Any]) -> Iterator[str]:
    """Say nothing of suites of a later version's kinds."""
    return iter(())


_CHECKS = {"judge": _of_records, "preference": _of_pairs, "mmlu": _of_exam}


def _share(told: Mapping[str, Any], questions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    correct = sum(question["prediction"] == question["answer"] for question in questions)
    total = len(questions)
    yield from _differs(told, "total", total or None)
    yield from _differs(told, "correct", correct if total else None)
    yield from _differs(told, "accuracy", correct / total if total else None)


def _counted(suite: Mapping[str, Any], listed: int, scored: int) -> Iterator[str]:
    # A file may leave out records that were not run.
    yield from _differs(suite, "total", max(listed, suite["total"]))
    yield from _differs(suite, "scored", scored)
    yield from _differs(suite, "unscored", suite["total"] - scored)


def _differs(told: Mapping[str, Any], name: str, actual: float | None) -> Iterator[str]:
    """Say so when a figure is not the one that its records have."""
    given = told[name]
    if given is None and actual is None:
        return
    if given is None or actual is None or abs(given - actual) > _ROUNDED:
        shown = "none" if actual is None else f"{actual:.4f}".rstrip("0").rstrip(".")
        yield f'its "{name}" is {"null" if given is None else given}, and by its records {shown}'


def _repeated(noun: str, ids: Sequence[str]) -> Iterator[str]:
    twice = _twice(ids)
    if twice is not None:
        yield f"two of its {noun} have the id {twice}"


def _twice(names: Sequence[str]) -> str | None:
    return next((name for name, number in Counter(names).items() if number > 1), None)
