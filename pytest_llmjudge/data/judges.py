"""Several judges beside what people gave the same responses."""

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
    """What one judge made of responses that people labelled.

    Attributes:
        path: Of its results file.
        suite: Node id of the test function.
        judge: Who it is.
        scored: How many of the labelled responses it scored.
        scores: Of the responses that all judges scored, in the same order for all.
        unscored: Id and error of each labelled response that it was asked about and did not score.
        missing: How many labelled responses its results file does not have.
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
    """Responses that people labelled, and what several judges made of them.

    Attributes:
        labelled: How many responses have a label.
        labelers: How many people labelled them.
        people: The mean over people, for each response that all judges scored.
        groups: The group of the record of each; ``None`` for one that is alone.
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
        labelled: What it made of the responses.
        agreement: With people, over the responses that all judges scored.
    """

    labelled: LabelledJudge
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class JudgeDifference:
    """Two judges, and whether chance may have made the difference between them.

    Attributes:
        first: Place of a judge among all, from 0.
        second: Place of another, behind the first.
        difference: Of the figure that decides, the first judge's minus the second's; ``None`` where
            one of them has none.
        interval: Its 95 % interval, not corrected for the number of comparisons.
        p: How often chance makes a difference as large, two-sided, corrected for the number of
            comparisons.
        needed: About how many labels would show a difference of this size; ``None`` where the two
            do not differ, or have been told apart.
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
        by: :data:`ERROR` or :data:`AGREEMENT`: what decides.
        standings: Of all judges, in the order of their files.
        differences: Of each two of them; empty where there are too few labels to compare any.
        best: Place of the judge with the best figure; ``None`` where no judge has one.
        rivals: Places of the judges that cannot be told from it.
    """

    by: str
    standings: tuple[JudgeStanding, ...]
    differences: tuple[JudgeDifference, ...]
    best: int | None
    rivals: tuple[int, ...]
