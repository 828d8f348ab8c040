"""A mean difference of two releases, as people's labels of both correct it."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.bounds import mean_bounds
from pytest_llmjudge.correction import corrected_mean
from pytest_llmjudge.data import CorrectedChange
from pytest_llmjudge.label_sample import Lack
from pytest_llmjudge.labels import LEAST_LABELS

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from pytest_llmjudge.correction import Corrected
    from pytest_llmjudge.data import Design

__all__ = ["LabelledPair", "PeopleChange", "people_change", "why_designs_differ", "why_too_few"]

_FURTHEST = 100.0


class LabelledPair(NamedTuple):
    """What judge and people gave the responses of two releases to one record.

    Attributes:
        was: The judge's score of the baseline's response.
        now: The judge's score of this run's.
        people_were: People's score of the baseline's response; ``None`` without a label.
        people_are: People's score of this run's.
    """

    was: float
    now: float
    people_were: float | None
    people_are: float | None

    @property
    def label(self) -> float | None:
        """By how much people's score changed; ``None`` without a label on both sides."""
        if self.people_were is None or self.people_are is None:
            return None
        return self.people_are - self.people_were


class PeopleChange(NamedTuple):
    """How people's scores changed, in points.

    Attributes:
        before: Their mean in the baseline.
        after: Their mean now, ``before`` plus the estimate of the change.
        corrected: The estimate of the mean change; it has an interval.
        p: How often chance makes a drop as large: Student's test, one-sided.
        behind: What the estimate is made of.
        furthest: How far a single label can move the estimate's pseudo-values.
    """

    before: float
    after: float
    corrected: Corrected
    p: float
    behind: CorrectedChange
    furthest: float

    @property
    def deviation(self) -> float:
        """The deviation of as many independent differences whose mean has the same error."""
        return self.corrected.error * math.sqrt(len(self.corrected.pseudo_values))

    def bounds(self, level: float) -> tuple[float, float] | None:
        """Return one-sided bounds of the mean change at level 1 - ``level``.

        They are those of :func:`~pytest_llmjudge.bounds.mean_bounds` for the pseudo-values of the
        estimate, which it takes for differences: Student's are too narrow where few records change.
        A loss that was not seen is one of 100 points that the judge does not see either.

        Args:
            level: How often each may be on the wrong side.
        """
        return mean_bounds(
            self.corrected.pseudo_values,
            level,
            is_binary=False,
            lowest=-self.furthest,
            highest=self.furthest,
        )


def people_change(
    pairs: Sequence[LabelledPair], groups: Sequence[Hashable] | None
) -> PeopleChange | None:
    """Estimate how people's scores changed; see :func:`~pytest_llmjudge.correction.corrected_mean`.

    Args:
        pairs: Records that the judge scored on both sides.
        groups: Of each; ``None`` where each is alone.

    Returns:
        ``None`` where all labelled records are in one group.
    """
    judged, people = [pair.now - pair.was for pair in pairs], [pair.label for pair in pairs]
    corrected = corrected_mean(judged, people, groups)
    if corrected.interval is None:
        return None
    own = range(len(pairs)) if groups is None else groups
    labels = Counter(group for group, label in zip(own, people, strict=True) if label is not None)
    number = labels.total()
    before = _weighted(
        corrected.weight,
        [(pair.was, None if pair.label is None else pair.people_were) for pair in pairs],
    )
    return PeopleChange(
        before=before,
        after=before + corrected.estimate,
        corrected=corrected,
        p=_p(corrected),
        behind=CorrectedChange(number, corrected.weight, statistics.fmean(judged)),
        furthest=_FURTHEST * len(corrected.pseudo_values) * max(labels.values()) / number,
    )


def _weighted(weight: float, scores: Sequence[tuple[float, float | None]]) -> float:
    """Return the estimate of people's mean on one side, with the weight of the change."""
    misses = [people - weight * judge for judge, people in scores if people is not None]
    others = [weight * judge for judge, people in scores if people is None]
    return statistics.fmean(misses) + (statistics.fmean(others) if others else 0.0)


def _p(corrected: Corrected) -> float:
    if not corrected.error:
        return 0.0 if corrected.estimate < 0 else 1.0
    from scipy import special

    return float(special.stdtr(corrected.degrees, corrected.estimate / corrected.error))


def why_designs_differ(before: Design | None, after: Design | None) -> Lack | None:
    """Say why labels of two releases do not correct their difference, and what to do.

    Args:
        before: How those of the baseline were drawn; ``None`` where they correct nothing.
        after: The same for this run.
    """
    again = "label its whole sample with llmjudge label"
    if after is None:
        return Lack("this run has no labels of a whole sample that correct its changes", again)
    if before is None:
        problem = "the baseline has no labels of a whole sample that correct its average"
        return Lack(problem, f"{again}, and make the baseline again with --llm-judge-labels")
    # A suite may have been renamed.
    if replace(before, suite=after.suite) != after:
        problem = (
            f"the baseline's labels are of another sample ({before.size} of {before.total}, seed "
            f"{before.seed}) than this run's ({after.size} of {after.total}, seed {after.seed})"
        )
        return Lack(problem, "label the same records in both, drawn with the same size and seed")
    return None


def why_too_few(pairs: Sequence[LabelledPair]) -> Lack | None:
    """Say that too few pairs are labelled, and what to do; ``None`` where there are enough."""
    number = sum(pair.label is not None for pair in pairs)
    if number >= LEAST_LABELS:
        return None
    problem = (
        f"{number} records are scored and labelled on both sides, and {LEAST_LABELS} are needed"
    )
    hint = "have all records scored, or draw a larger sample with llmjudge label --sample"
    return Lack(problem, hint)
