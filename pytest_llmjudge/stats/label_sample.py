"""Checks that labels are those of a whole random sample, so that they can correct an average."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.stats.labels import LEAST_LABELS, draw, records_digest

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pytest_llmjudge.data import LabelsFile

__all__ = ["ONE_GROUP", "Lack", "drawn_sample", "why_not_labelled"]

_NAMED = 5
_LABEL = "llmjudge label"


class Lack(NamedTuple):
    """Why labels cannot correct an average or a change, and what to do about it."""

    problem: str
    hint: str


ONE_GROUP = Lack(
    "all labelled records are in one group", "draw a sample with records of several groups"
)
"""Labels of one group do not show how far groups differ."""


def drawn_sample(file: LabelsFile, contents: Sequence[tuple[str, str]]) -> tuple[str, ...] | Lack:
    """Return the ids of the records drawn from a suite, all of which have a label in the file.

    Args:
        file: The labels.
        contents: Id and :func:`~pytest_llmjudge.keys.content_digest` of each record of the suite.

    Returns:
        A :class:`Lack` where the file does not hold the labels of a whole sample of this suite.
    """
    name, design = Path(file.path).name, file.design
    if design is None:
        problem = f"{name} does not say how its records were drawn, so it corrects no average"
        return Lack(problem, f"draw a sample and label it with {_LABEL}")
    if design.records != records_digest(contents):
        problem = (
            f"the sample of {name} was drawn from other records ({design.total} of "
            f"{design.suite}) than the {len(contents)} of this suite"
        )
        return Lack(problem, f"draw a sample of these records and label it with {_LABEL}")
    ids = [record for record, _ in contents]
    drawn = draw(ids, design.size, design.seed)
    if len(drawn) < LEAST_LABELS:
        problem = (
            f"the sample of {name} has {len(drawn)} records, and {LEAST_LABELS} are needed to "
            "correct an average"
        )
        return Lack(problem, f"draw a larger sample with {_LABEL} --sample")
    labelled = {label.record for label in file.labels}
    hint = f"label the whole sample with {_LABEL}"
    return why_not_labelled(drawn, labelled, "no label", hint) or drawn


def why_not_labelled(
    drawn: Sequence[str], labelled: Collection[str], what: str, hint: str
) -> Lack | None:
    """Say which records of a sample are not labelled; ``None`` where all are.

    A part of a sample is no random sample: records may lack a label because they are hard to score.

    Args:
        drawn: Ids of the records of the sample.
        labelled: Ids of the records that are labelled.
        what: What the others have, such as ``no label``.
        hint: What to do about them.
    """
    missing = [record for record in drawn if record not in labelled]
    if not missing:
        return None
    have = "has" if len(missing) == 1 else "have"
    problem = f"{len(missing)} of the {len(drawn)} records drawn {have} {what}: {_named(missing)}"
    return Lack(problem, hint)


def _named(ids: Sequence[str]) -> str:
    """Return the first ids, and how many more there are."""
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return f"{', '.join(ids[:_NAMED])}{more}"
