"""Whether labels are those of a whole random sample, so that they can correct an average."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge.labels import draw, records_digest

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pytest_llmjudge.data import LabelsFile

__all__ = ["LEAST_LABELS", "Lack", "why_no_sample", "why_not_labelled"]

LEAST_LABELS = 20
"""Fewer labels do not correct an average: by simulation their intervals are not to be trusted."""

Lack = tuple[str, str]
"""Why labels do not correct an average, and what to do."""

_NAMED = 5
_LABEL = "llmjudge label"


def why_no_sample(file: LabelsFile, contents: Sequence[tuple[str, str]]) -> Lack | None:
    """Say why the labels of a file are not those of a sample of a suite; ``None`` where they are.

    Args:
        file: The labels.
        contents: Id and :func:`~pytest_llmjudge.keys.content_digest` of each record of the suite.
    """
    name, design = Path(file.path).name, file.design
    if design is None:
        problem = f"{name} does not say how its records were drawn, so it corrects no average"
        return problem, f"draw a sample and label it with {_LABEL}"
    if design.records != records_digest(contents):
        problem = (
            f"the sample of {name} was drawn from other records ({design.total} of "
            f"{design.suite}) than the {len(contents)} of this suite"
        )
        return problem, f"draw a sample of these records and label it with {_LABEL}"
    ids = [record for record, _ in contents]
    drawn = draw(ids, design.size, design.seed)
    if len(drawn) < LEAST_LABELS:
        problem = (
            f"the sample of {name} has {len(drawn)} records, and {LEAST_LABELS} are needed to "
            "correct an average"
        )
        return problem, f"draw a larger sample with {_LABEL} --sample"
    labelled = {label.record for label in file.labels}
    return why_not_labelled(drawn, labelled, "no label", f"label the whole sample with {_LABEL}")


def why_not_labelled(
    drawn: Sequence[str], labelled: Collection[str], what: str, hint: str
) -> Lack | None:
    """Say which records of a sample are not labelled; ``None`` where all are.

    The mean of those that are would be off where a record was left out for what it says.

    Args:
        drawn: Their ids.
        labelled: Ids of those that are.
        what: The others have, such as ``no label``.
        hint: What to do about them.
    """
    missing = [record for record in drawn if record not in labelled]
    if not missing:
        return None
    have = "has" if len(missing) == 1 else "have"
    problem = f"{len(missing)} of the {len(drawn)} records drawn {have} {what}: {_named(missing)}"
    return problem, hint


def _named(ids: Sequence[str]) -> str:
    """Return the first ids, and how many there are beside them."""
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return f"{', '.join(ids[:_NAMED])}{more}"
