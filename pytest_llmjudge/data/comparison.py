"""Two releases side by side: what is compared, and what came of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmjudge.data.labels import Design
    from pytest_llmjudge.data.records import JudgeIdentity

__all__ = [
    "INCONCLUSIVE",
    "NOT_WORSE",
    "NO_DROP",
    "POINTS",
    "SIGNIFICANCE",
    "WARN",
    "WORSE",
    "Comparison",
    "CorrectedChange",
    "Entry",
    "Flip",
    "Grouped",
    "Measure",
    "Reach",
    "Rule",
    "Side",
]

POINTS = "points"
"""The unit of scores from 0 to 100."""

SIGNIFICANCE = 0.05
"""A drop is real when chance alone makes one of its size less often than this, if nothing else is
asked for."""

NO_DROP = "no-drop"
"""The rule by which a suite fails when a drop is shown."""

NOT_WORSE = "not-worse"
"""The rule by which a suite passes when it is proved that nothing larger than a margin was lost."""

WORSE = "worse"
"""Cause of a gate that failed because a drop was shown."""

INCONCLUSIVE = "inconclusive"
"""Cause of a gate that can neither prove nor disprove that the suite is not worse."""

WARN = "warn"
"""Lets a gate pass that is inconclusive, with a warning."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What the scores of one kind of suite mean, and the words in which a comparison reports them.

    Attributes:
        kind: Name of the kind in results files.
        noun: What a suite consists of, in the plural.
        suite: What a suite is called.
        value: What the mean of the scores is called.
        unit: Of scores and differences, in the plural.
        verbs: What an entry that passes did before, and what one that fails does now.
        is_judged: Whether a judge gives the scores; it must be the same one on both sides.
        is_binary: Whether an entry scores all or nothing, so that McNemar's test is the exact one.
        higher_is_better: Whether a higher score is the better one.
        tolerance: What rounding may change, in a unit of its own; in points nothing.
        margin: The marker's keyword that says how much a suite may lose to its baseline.
    """

    kind: str
    noun: str = "records"
    suite: str = "suite"
    value: str = "average"
    unit: str = POINTS
    verbs: tuple[str, str] = ("passed", "fail")
    is_judged: bool = False
    is_binary: bool = False
    higher_is_better: bool = True
    tolerance: float = 0.0
    margin: str = "max_drop"

    @property
    def drop(self) -> str:
        """What a change for the worse is called."""
        return "drop" if self.higher_is_better else "rise"

    @property
    def furthest(self) -> float:
        """By how much two scores can differ."""
        return 100.0 if self.unit == POINTS else math.inf

    def gain(self, before: float, after: float) -> float:
        """Return by how much a score got better; below 0 where it got worse."""
        return after - before if self.higher_is_better else before - after

    def passes(self, score: float, passes_at: float) -> bool:
        """Say whether a score passes."""
        return self.gain(passes_at, score) >= 0


@dataclass(frozen=True, slots=True)
class Rule:
    """How a suite is held to its baseline.

    Attributes:
        name: ``no-drop`` or ``not-worse``.
        margin: What the suite may lose, in the unit of its measure.
        option: The option or keyword that sets the margin, for messages; empty where none does.
        inconclusive: What becomes of a gate that cannot tell: ``fail`` or ``warn``.
        alpha: How often a run of equal models may fail anywhere because a drop seems real, and how
            often a suite that lost the whole margin may pass for not worse.
        suites: How many suites of the run are compared with a baseline.
    """

    name: str = NO_DROP
    margin: float = 0.0
    option: str = ""
    inconclusive: str = "fail"
    alpha: float = SIGNIFICANCE
    suites: int = 1

    @property
    def drop_alpha(self) -> float:
        """How often the gate of one suite may take chance for a drop (Bonferroni)."""
        return self.alpha / self.suites

    @property
    def planned_alpha(self) -> float:
        """At which level a suite shows what the rule asks for: a proof, or a drop."""
        return self.alpha if self.name == NOT_WORSE else self.drop_alpha

    @property
    def must_prove(self) -> bool:
        """Whether a suite fails of which nothing can be said."""
        return self.name == NOT_WORSE and self.inconclusive != WARN


@dataclass(frozen=True, slots=True)
class Entry:
    """One record or question as one release answered it.

    Attributes:
        id: As in its suite.
        content: What it says besides; an id that a user gave may stay while the record changes.
        score: In the unit of its suite's measure, such as 0 to 100 points; ``None`` when it has
            none.
        response: What was answered.
        group: Of records that are not independent of each other; ``None`` for one that is alone.
        people: What people gave the response, of a record that was drawn to be labelled; ``None``
            for nothing.
    """

    id: str
    content: str
    score: float | None
    response: str | None
    group: str | None = None
    people: float | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """What one release made of a suite.

    Attributes:
        measure: What its scores mean.
        name: Of the suite.
        entries: All of its records or questions.
        judge: Who scored; ``None`` where no judge does.
        terms: What else has to be the same for two sides to compare, by name.
        passes_at: What an entry has to score; ``None`` when nothing is set.
        others: Names of the other suites of its kind in its run.
        token_digests: Of the tokens that were scored, by id and content of their record; where both
            sides have one of a record, the two have to be the same.
        corrects: Whether its changes are to be corrected by people's labels.
        design: How the labelled records were drawn; ``None`` where labels correct nothing.
    """

    measure: Measure
    name: str
    entries: tuple[Entry, ...]
    judge: JudgeIdentity | None = None
    terms: Mapping[str, str] = field(default_factory=dict)
    passes_at: float | None = None
    others: tuple[str, ...] = ()
    token_digests: Mapping[tuple[str, str], str] = field(default_factory=dict)
    corrects: bool = False
    design: Design | None = None

    @property
    def judged(self) -> Side:
        """The same by the judge's scores alone."""
        return replace(self, corrects=False)


@dataclass(frozen=True, slots=True)
class Flip:
    """A record that got worse.

    Attributes:
        id: As in its suite.
        before: Its score in the baseline.
        after: Its score now.
        fails_now: Whether it passed before and fails now.
        response_before: The baseline's answer.
        response_after: The answer now.
    """

    id: str
    before: float
    after: float
    fails_now: bool
    response_before: str | None
    response_after: str | None


@dataclass(frozen=True, slots=True)
class Grouped:
    """The groups of the pairs of a comparison, by the side that is compared.

    Attributes:
        groups: How many there are.
        changed: How many have another sum of scores now, which is what a test sees of them.
        design_effect: By what they multiply the variance of the mean difference; ``None`` where
            that is not known.
    """

    groups: int
    changed: int
    design_effect: float | None


@dataclass(frozen=True, slots=True)
class CorrectedChange:
    """What stands behind a mean difference that people's labels correct.

    Attributes:
        labels: How many pairs are labelled on both sides.
        weight: How far the judge's scores count, from 0 (not at all) to 1.
        judged: The mean difference of the judge's scores alone.
    """

    labels: int
    weight: float
    judged: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a suite did beside the baseline. Differences are now - before, in the measure's unit.

    Where labels correct them, ``before``, ``after``, ``difference``, ``interval``, ``p``,
    ``deviation``, ``detectable`` and ``bounds`` are estimates of people's scores; all else is the
    judge's.

    Attributes:
        measure: What the scores mean.
        refusal: Why the two do not compare; ``None`` when they do.
        paired: Records that have a score on both sides.
        added: Records that only this run has.
        removed: Records that only the baseline has.
        unscored_before: Records without a score in the baseline.
        unscored_after: Records without a score in this run.
        before: Average of the pairs in the baseline; ``None`` without pairs.
        after: Average of the pairs now.
        difference: Mean difference.
        interval: Its 95 % bootstrap interval (BCa); ``None`` for fewer than two pairs.
        p: How often chance makes a change for the worse as large: sign-flip test, which flips
            groups whole, or McNemar's where scores are binary and each record is alone.
        deviation: Standard deviation of the differences; ``None`` for fewer than two pairs.
        detectable: The smallest drop that this many pairs show with 80 % power at ``alpha``.
        losses: Pairs that passed and now fail; ``None`` when nothing says what passes.
        wins: Pairs that failed and now pass.
        mcnemar_p: One-sided p of McNemar's exact test on losses and wins; with groups that of the
            sign-flip test of their losses and wins.
        flips: The ten that got worst, the worst first.
        note: What a reader should know besides; empty for nothing.
        changed: Pairs whose score is another now; ``None`` where a file does not say.
        worse: Pairs that got worse, of which ``flips`` are the first; ``None`` as above.
        baseline_suite: Name of the suite in the baseline; empty where it is the same.
        unpaired_before: Records of the baseline that have a score and did not pair up.
        unpaired_after: Records of this run that have a score and did not pair up.
        unpaired_average_before: Average of those of the baseline; ``None`` without any.
        unpaired_average_after: Average of those of this run.
        unpaired_p: How often chance makes the unpaired fall as far beside the paired; ``None``
            where a side has none.
        rule: By which the suite is held to its baseline.
        alpha: What ``p`` has to be below to fail the suite.
        unpaired_alpha: The same for ``unpaired_p``; ``None`` where that is.
        bounds: Under ``not-worse`` how bad and how good the mean difference may be: one-sided
            confidence bounds, the worse one at 1 - the rule's alpha, the better one at 1 -
            ``alpha``; ``None`` where nothing can be said.
        grouped: The groups of the pairs; ``None`` where each record is alone.
        corrected: How labels correct the difference; ``None`` where they do not.
    """

    measure: Measure
    refusal: str | None
    paired: int
    added: int
    removed: int
    unscored_before: int
    unscored_after: int
    before: float | None
    after: float | None
    difference: float | None
    interval: tuple[float, float] | None
    p: float | None
    deviation: float | None
    detectable: float | None
    losses: int | None
    wins: int | None
    mcnemar_p: float | None
    flips: tuple[Flip, ...]
    note: str = ""
    changed: int | None = None
    worse: int | None = None
    baseline_suite: str = ""
    unpaired_before: int = 0
    unpaired_after: int = 0
    unpaired_average_before: float | None = None
    unpaired_average_after: float | None = None
    unpaired_p: float | None = None
    rule: Rule = Rule()
    alpha: float = SIGNIFICANCE
    unpaired_alpha: float | None = None
    bounds: tuple[float, float] | None = None
    grouped: Grouped | None = None
    corrected: CorrectedChange | None = None

    @property
    def counted_flips(self) -> str:
        """How many ``flips`` there are, and of how many."""
        listed = len(self.flips)
        return f"{listed} of {self.worse}" if self.worse and self.worse > listed else str(listed)


@dataclass(frozen=True, slots=True)
class Reach:
    """What drops a suite can show.

    Attributes:
        records: How many of its records have a score.
        spread: Standard deviation of the scores; ``None`` for fewer than two.
        deviation: Standard deviation of the differences between two releases; ``None`` when
            nothing is known of it.
        pairs: How many pairs it was measured on; 0 when it is assumed.
        needed: How many records would show the drop that was asked for.
        detectable: The smallest drop that the records there are show; ``None`` where they show
            none, however large.
        groups: How many groups the records are in; ``None`` where each is alone.
        groups_needed: How many groups of this size have as many records as are needed.
        design_effect: By what groups multiply the number of records that are needed.
    """

    records: int
    spread: float | None
    deviation: float | None
    pairs: int
    needed: int | None
    detectable: float | None
    groups: int | None = None
    groups_needed: int | None = None
    design_effect: float | None = None
