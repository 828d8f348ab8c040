"""A corrected change is that of independent computations, and honest where few records change."""

from __future__ import annotations

import statistics
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from pytest_llmjudge.data import Design, Entry, JudgeIdentity, Rule, Side
from pytest_llmjudge.data.comparison import NOT_WORSE
from pytest_llmjudge.decisions.comparison import compare
from pytest_llmjudge.decisions.gates import decide_baseline
from pytest_llmjudge.kinds.judged import JUDGED
from pytest_llmjudge.stats.bounds import mean_bounds
from pytest_llmjudge.stats.corrected_change import (
    LabelledPair,
    PeopleChange,
    people_change,
    why_designs_differ,
)

DESIGN = Design("test_q.py::test_i", 60, 30, 123, "a" * 64)
JUDGE = JudgeIdentity("m", "ollama", "1", "d", {})


def pairs(drop: float = 0.0, labels: int = 30, count: int = 60) -> list[LabelledPair]:
    """Return pairs whose scores scatter, and fell by as much in the eyes of people."""
    lots = np.random.default_rng(123)
    was, now = lots.integers(10, 90, (2, count)).astype(float)
    noise = lots.normal(0, 8, (2, count))
    return [
        LabelledPair(
            was[at],
            now[at],
            was[at] * 0.8 + noise[0, at] if at < labels else None,
            now[at] * 0.8 + noise[1, at] - drop if at < labels else None,
        )
        for at in range(count)
    ]


def change_of(given: list[LabelledPair]) -> PeopleChange:
    """Return a change that there is."""
    change = people_change(given, None)
    assert change is not None
    return change


def test_beside_numpy() -> None:
    """Estimate, both means, p and deviation are those of numpy and scipy."""
    given, count = pairs(drop=5), 60
    f = np.array([pair.now - pair.was for pair in given])
    y = np.array([pair.label for pair in given[:30]], dtype=float)

    def estimate(keep: np.ndarray) -> tuple[float, float]:
        """Return the estimate without some pairs, and its weight."""
        labelled, others = f[:30][keep[:30]], f[30:][keep[30:]]
        own = y[keep[:30]]
        pooled = np.concatenate([labelled, others]).var(ddof=1)
        weight = np.cov(own, labelled, ddof=0)[0, 1] / pooled / (1 + len(own) / len(others))
        weight = float(np.clip(weight, 0, 1))
        return float(weight * others.mean() + (own - weight * labelled).mean()), weight

    everything = np.ones(count, dtype=bool)
    expected, weight = estimate(everything)
    without = []
    for out in range(count):
        keep = everything.copy()
        keep[out] = False
        without.append(estimate(keep)[0])
    error = float(np.sqrt((count - 1) * np.var(without)))

    change = change_of(given)

    assert change.corrected.estimate == pytest.approx(expected)
    assert change.behind.weight == pytest.approx(weight)
    assert change.behind.judged == pytest.approx(f.mean())
    assert change.after - change.before == pytest.approx(expected)
    before = np.array([pair.was for pair in given])
    people = np.array([pair.people_were for pair in given[:30]], dtype=float)
    side = weight * before[30:].mean() + (people - weight * before[:30]).mean()
    assert change.before == pytest.approx(side)
    assert change.p == pytest.approx(stats.t.cdf(expected / error, 29))
    assert change.deviation == pytest.approx(error * np.sqrt(count))


def test_all_labelled() -> None:
    """The change is that of people's scores, and its p Student's."""
    given = pairs(drop=5, labels=60)
    labels = [pair.label for pair in given if pair.label is not None]

    change = change_of(given)

    assert change.corrected.estimate == pytest.approx(statistics.fmean(labels))
    assert change.p == pytest.approx(stats.ttest_1samp(labels, 0, alternative="less").pvalue)
    assert change.bounds(0.05) == pytest.approx(
        mean_bounds(labels, 0.05, is_binary=False, lowest=-100, highest=100), abs=0.02
    )


def test_nothing_changed() -> None:
    """Labels that are as before leave open as large a loss as none of so many would show."""
    given = [LabelledPair(50, 50, *(60, 60) if at < 20 else (None, None)) for at in range(110)]

    low, high = change_of(given).bounds(0.05) or (0.0, 0.0)

    # A share s of lost records is missing among 20 labels with probability (1 - s)^20.
    assert low == pytest.approx(-100 * (1 - 0.05 ** (1 / 20)), abs=2)
    assert high == -low
    assert change_of(given).p == 1
    assert change_of([one._replace(people_are=one.people_are and 55) for one in given]).p == 0


def side(given: list[LabelledPair], *, is_after: bool, design: Design | None = DESIGN) -> Side:
    """Return one side of labelled pairs."""
    entries = tuple(
        Entry(
            f"r{at:02}",
            "",
            pair.now if is_after else pair.was,
            "",
            people=pair.people_are if is_after else pair.people_were,
        )
        for at, pair in enumerate(given)
    )
    base = Side(JUDGED.measure, "s", entries, judge=JUDGE)
    return replace(base, corrects=is_after, design=design)


def decided(given: list[LabelledPair], rule: Rule) -> tuple[bool, str]:
    """Return what the gate decides."""
    comparison = compare(side(given, is_after=False), side(given, is_after=True), rule)
    decision = decide_baseline(comparison)
    return decision.passed, decision.reason


def test_no_drop() -> None:
    """The gate fails when people's scores fell, and not when only the judge's did."""
    passed, reason = decided(pairs(drop=20), Rule(margin=1, option="max_drop"))
    assert not passed
    assert reason.startswith("dropped by ")
    assert ", corrected by 30 labels on both sides (by the judge alone " in reason

    stricter = [pair._replace(now=pair.now - 30) for pair in pairs()]
    passed, reason = decided(stricter, Rule())
    assert passed
    assert reason.startswith("no drop shown: ")


def test_what_labels_can_show() -> None:
    """That depends on how their changes scatter, be they of three groups, and not on the judge."""
    alike = [LabelledPair(50, at, *(60, 60) if at < 30 else (None, None)) for at in range(60)]
    _, reason = decided(alike, Rule())
    assert reason.endswith(
        "; all labels are as before, which does not tell what drops this suite can show"
    )
    before, after = (side(pairs(), is_after=is_after) for is_after in (False, True))
    groups = [replace(one, group=f"g{at % 3}") for at, one in enumerate(after.entries)]
    reason = decide_baseline(compare(before, replace(after, entries=tuple(groups)))).reason
    assert "; this suite can show drops of " in reason


def test_not_worse() -> None:
    """A loss below the margin is proved, a larger one is found, and little can be told of others."""
    rule = Rule(NOT_WORSE, 25, "max_drop")
    passed, reason = decided(pairs(), rule)
    assert passed
    assert reason.startswith("not worse by 25 points or more: ")
    assert decided(pairs(drop=60), rule)[1].startswith("dropped by ")
    passed, reason = decided(pairs(), replace(rule, margin=1))
    assert not passed
    assert reason.startswith("cannot tell whether it is worse by 1 point or more: ")


def test_too_few_labels_on_both_sides() -> None:
    """Records without a score on one side take their labels with them."""
    given = pairs(labels=21)
    before = side(given, is_after=False)
    entries = [replace(one, score=None) if at < 2 else one for at, one in enumerate(before.entries)]

    comparison = compare(replace(before, entries=tuple(entries)), side(given, is_after=True))

    assert comparison.refusal == (
        "19 records are scored and labelled on both sides, and 20 are needed; have all records "
        "scored, or draw a larger sample with llmjudge label --sample"
    )
    assert comparison.corrected is None


def test_designs() -> None:
    """Both sides have to be labelled on one sample; the suite's name may have changed."""
    assert why_designs_differ(DESIGN, replace(DESIGN, suite="other")) is None
    lack = why_designs_differ(None, DESIGN)
    assert lack is not None
    assert lack[0] == "the baseline has no labels of a whole sample that correct its average"
    assert why_designs_differ(DESIGN, None) == (
        "this run has no labels of a whole sample that correct its changes",
        "label its whole sample with llmjudge label",
    )
    problem, hint = why_designs_differ(DESIGN, replace(DESIGN, seed=7)) or ("", "")
    assert problem == (
        "the baseline's labels are of another sample (30 of 60, seed 123) than this run's (30 of "
        "60, seed 7)"
    )
    assert hint == "label the same records in both, drawn with the same size and seed"
    assert why_designs_differ(DESIGN, replace(DESIGN, suite="other", records="b" * 64)) == (
        "the baseline's labels were drawn from records that have changed since",
        "label the same records in both",
    )
