"""Several judges compared with people on the same responses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_llmjudge.cost import Cost
    from pytest_llmjudge.data.records import JudgeIdentity
    from pytest_llmjudge.data.results import Agreement

__all__ = [
    "AGREEMENT",
    "ERROR",
    "JudgeChoice",
    "JudgeDifference",
    "JudgeStanding",
    "LabelledJudge",
    "LabelledScores",
]

ERROR: Final = "error"
AGREEMENT: Final = "agreement"
"""By what judges are compared: their mean absolute error, or their rank correlation."""


@dataclass(frozen=True, slots=True)
class LabelledJudge:
    """One judge's scores of responses that people labelled.

    Attributes:
        path: Of its results file.
        suite: Node id of the test function.
        judge: Who it is.
        scored: How many of the labelled responses it scored.
        scores: Of the responses that all judges scored, in the same order for all.
        unscored: Id and error of each labelled response in its results file without a score.
        missing: How many labelled responses are not in its results file.
        cost: Mean over all records of its suite, labelled or not.
    """

    path: str
    suite: str
    judge: JudgeIdentity
    scored: int
    scores: tuple[int, ...]
    unscored: tuple[tuple[str, str], ...]
    missing: int
    cost: Cost

    @property
    def name(self) -> str:
        """The model and how it was asked, in a few words."""
        return " ".join(filter(None, (self.judge.model, self.judge.ask)))


@dataclass(frozen=True, slots=True)
class LabelledScores:
    """People's and several judges' scores of the same responses.

    Attributes:
        labelled: How many responses have a label.
        labelers: How many people labelled them.
        people: Mean over labelers, for each response that all judges scored.
        groups: The group of the record of each; ``None`` for one that is a group of its own.
        judges: In the order of their files.
    """

    labelled: int
    labelers: int
    people: tuple[float, ...]
    groups: tuple[str | None, ...]
    judges: tuple[LabelledJudge, ...]

    @property
    def units(self) -> int:
        """How many groups the records are in; one that is alone is a group."""
        alone = self.groups.count(None)
        return alone + len({*self.groups} - {None})


@dataclass(frozen=True, slots=True)
class JudgeStanding:
    """A judge in a comparison with others.

    Attributes:
        labelled: Its scores.
        agreement: With people, over the responses that all judges scored.
    """

    labelled: LabelledJudge
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class JudgeDifference:
    """The difference between two judges.

    Attributes:
        first: Index of a judge.
        second: Index of another, larger than ``first``.
        difference: Of the figure that decides, the first judge's minus the second's; ``None`` if
            one of them has no such figure.
        interval: Its 95 % interval, not corrected for the number of comparisons.
        p: Two-sided, corrected for the number of comparisons.
        needed: About how many labels would show a difference of this size; ``None`` if the
            difference is 0, or is significant already.
    """

    first: int
    second: int
    difference: float | None
    interval: tuple[float, float] | None
    p: float
    needed: int | None


@dataclass(frozen=True, slots=True)
class JudgeChoice:
    """Which of several judges to take.

    Attributes:
        by: The figure that decides, :data:`ERROR` or :data:`AGREEMENT`.
        standings: Of all judges, in the order of their files.
        differences: Of every pair of judges; empty if there are too few labels.
        best: Index of the judge with the best figure; ``None`` if no judge has that figure.
        rivals: Indices of the judges that do not differ significantly from it.
    """

    by: str
    standings: tuple[JudgeStanding, ...]
    differences: tuple[JudgeDifference, ...]
    best: int | None
    rivals: tuple[int, ...]
