"""How far one labeler has come, and how far all labelers of these responses agree."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_llmjudge.stats.krippendorff import alpha, alpha_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.data import Label
    from pytest_llmjudge.labelling.sample import Sample

__all__ = ["LabelerAgreement", "Labeling", "Outcome", "label_outcome"]


@dataclass(frozen=True, slots=True)
class Labeling:
    """What one labeler gave.

    Attributes:
        labels: How many.
        mean: Of the scores; ``None`` without any.
    """

    labeler: str
    labels: int
    mean: float | None


@dataclass(frozen=True, slots=True)
class LabelerAgreement:
    """How far labelers agree.

    Attributes:
        alpha: Krippendorff's, for interval data; ``None`` where all scores are the same.
        interval: Its 95 % bootstrap interval over responses; ``None`` where there is none.
        responses: How many have the labels of two people or more.
    """

    alpha: float | None
    interval: tuple[float, float] | None
    responses: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a labeler stands.

    Attributes:
        responses: How many the labeler is asked about.
        own: What the labeler gave to these.
        others: What others gave to them; empty until the labeler has labelled all, so as not to
            influence anybody.
        agreement: Of all labelers; ``None`` until then, and with one labeler.
        elsewhere: Labels of the file that are of none of these responses, by anybody.
    """

    responses: int
    own: Labeling
    others: tuple[Labeling, ...]
    agreement: LabelerAgreement | None
    elsewhere: int


def label_outcome(sample: Sample, labels: Sequence[Label], labeler: str) -> Outcome:
    """Sum up the labels of a file.

    Args:
        sample: What the labeler is asked.
        labels: Of everybody, each labeler's once for each response.
        labeler: Whose session it is.
    """
    keys = {item.key for item in sample.items}
    here = [label for label in labels if label.key in keys]
    scores: defaultdict[str, list[int]] = defaultdict(list)
    units: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for label in here:
        scores[label.labeler].append(label.score)
        units[label.key].append(label.score)
    own = _labeling(labeler, scores.pop(labeler, []))
    is_done = own.labels == len(keys)
    shared = [unit for unit in units.values() if len(unit) > 1]
    return Outcome(
        responses=len(keys),
        own=own,
        others=tuple(_labeling(*one) for one in sorted(scores.items())) if is_done else (),
        agreement=_agreement(shared) if is_done and shared else None,
        elsewhere=len(labels) - len(here),
    )


def _agreement(units: Sequence[Sequence[int]]) -> LabelerAgreement:
    return LabelerAgreement(alpha(units), alpha_interval(units), len(units))


def _labeling(labeler: str, scores: Sequence[int]) -> Labeling:
    return Labeling(labeler, len(scores), sum(scores) / len(scores) if scores else None)
