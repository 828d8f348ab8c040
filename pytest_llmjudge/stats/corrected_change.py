"""Estimates how people's scores changed from one release to the next, from labels of both."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.data import CorrectedChange
from pytest_llmjudge.stats.bounds import mean_bounds
from pytest_llmjudge.stats.correction import corrected_mean
from pytest_llmjudge.stats.label_sample import Lack
from pytest_llmjudge.stats.labels import LEAST_LABELS

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from pytest_llmjudge.data import Design
    from pytest_llmjudge.stats.correction import Corrected

__all__ = ["LabelledPair", "PeopleChange", "people_change", "why_designs_differ", "why_too_few"]

_FURTHEST = 100.0


class LabelledPair(NamedTuple):
    """Scores of the responses of two releases to one record.

    Attributes:
        was: The judge's score of the baseline's response.
        now: The judge's score of this run's.
        people_were: People's score of the baseline's response; ``None`` without a label.
        people_are: People's score of this run's; ``None`` without a label.
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
        before: Estimate of their mean in the baseline.
        after: Estimate of their mean now, ``before`` plus the mean change.
        corrected: Estimate of the mean change; it has an interval.
        p: Of a drop, by Student's one-sided t test.
        behind: What results files and reports say of the correction.
        furthest: The size of the pseudo-value of a record, or group, whose labels changed by 100.
    """

    before: float
    after: float
    corrected: Corrected
    p: float
    behind: CorrectedChange
    furthest: float

    @property
    def deviation(self) -> float:
        """Standard deviation of the pseudo-values."""
        return statistics.stdev(self.corrected.pseudo_values)

    def bounds(self, level: float) -> tuple[float, float] | None:
        """Return one-sided bounds of the mean change at level 1 - ``level``.

        They are :func:`~pytest_llmjudge.stats.bounds.mean_bounds` of the pseudo-values, because
        Student's are too narrow if few records change. The largest loss that they allow for is 100
        points in a label where the judge's score does not change.

        Args:
            level: Probability that a bound is on the wrong side of the mean change.
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
    """Estimate how people's scores changed.

    See :func:`~pytest_llmjudge.stats.correction.corrected_mean`.

    Args:
        pairs: Records that the judge scored on both sides.
        groups: The group of each; ``None`` if each record is a group of its own.

    Returns:
        ``None`` if all labelled records are in one group.
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
    """Return the estimate of people's mean on one side.

    Args:
        weight: Of the judge's scores, as in the estimate of the change.
        scores: The judge's and people's; people's are ``None`` for records without both labels.
    """
    misses = [people - weight * judge for judge, people in scores if people is not None]
    others = [weight * judge for judge, people in scores if people is None]
    return statistics.fmean(misses) + (statistics.fmean(others) if others else 0.0)


def _p(corrected: Corrected) -> float:
    if not corrected.error:
        return 0.0 if corrected.estimate < 0 else 1.0
    from scipy import special

    return float(special.stdtr(corrected.degrees, corrected.estimate / corrected.error))


def why_designs_differ(before: Design | None, after: Design | None) -> Lack | None:
    """Say why the labels of two releases cannot correct their difference; ``None`` if they can.

    Args:
        before: The sample of the baseline's labels; ``None`` if they correct nothing.
        after: The same for this run.
    """
    again = "label its whole sample with llmjudge label"
    if after is None:
        return Lack("this run has no labels of a whole sample that correct its changes", again)
    if before is None:
        problem = "the baseline has no labels of a whole sample that correct its average"
        return Lack(problem, f"{again}, and make the baseline again with --llm-judge-labels")
    # A suite may have been renamed.
    before = replace(before, suite=after.suite)
    if before != after and replace(before, records=after.records) == after:
        problem = "the baseline's labels were drawn from records that have changed since"
        return Lack(problem, "label the same records in both")
    if before != after:
        problem = (
            f"the baseline's labels are of another sample ({before.size} of {before.total}, seed "
            f"{before.seed}) than this run's ({after.size} of {after.total}, seed {after.seed})"
        )
        return Lack(problem, "label the same records in both, drawn with the same size and seed")
    return None


def why_too_few(pairs: Sequence[LabelledPair]) -> Lack | None:
    """Say that too few pairs are labelled; ``None`` if there are enough."""
    number = sum(pair.label is not None for pair in pairs)
    if number >= LEAST_LABELS:
        return None
    problem = (
        f"{number} records are scored and labelled on both sides, and {LEAST_LABELS} are needed"
    )
    hint = "have all records scored, or draw a larger sample with llmjudge label --sample"
    return Lack(problem, hint)
