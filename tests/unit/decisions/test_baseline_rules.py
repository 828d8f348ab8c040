"""Rules for the baseline: what is proved at which level, and how many records that takes."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from pytest_llmjudge.data import Entry, Measure, Rule
from pytest_llmjudge.decisions.comparison import compare
from pytest_llmjudge.decisions.gates import decide_baseline
from pytest_llmjudge.decisions.rules import rule_of
from pytest_llmjudge.decisions.sample_size import reach_under, too_few
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.settings import read_settings
from pytest_llmjudge.stats.basics import detectable_drop, probability
from pytest_llmjudge.stats.bounds import mean_bounds, records_to_tell
from tests.unit.decisions.test_comparison import JUDGED, exam, side

if TYPE_CHECKING:
    from pytest_llmjudge.data import Comparison
    from pytest_llmjudge.settings import Settings

LOSS = Measure("loss", unit="nats", higher_is_better=False, tolerance=1e-4, margin="max_rise")
PROOF = Rule("not-worse", 5, "--llm-judge-max-drop")
NOISY = [-12, 9, 4, -3, 0, 7, -8, 2, 15, -16, 1, -2]
BASE = Path("base")


def compared(*differences: float, rule: Rule = PROOF, measure: Measure = JUDGED) -> Comparison:
    """Compare a release at 50 with one that differs so much."""
    old = side(*[50.0] * len(differences), measure=measure)
    return compare(old, side(*[50.0 + one for one in differences], measure=measure), rule)


@cache
def noisy(measure: Measure) -> Comparison:
    """Compare two releases of which nothing is told."""
    return compared(*NOISY, measure=measure)


def bounded(worst: float, best: float, *, rule: Rule = PROOF, measure: Measure = JUDGED) -> Any:  # noqa: ANN401
    """Return the decision where the mean difference lies between these bounds."""
    return decide_baseline(replace(noisy(measure), rule=rule, bounds=(worst, best)))


@given(st.floats(-20, 20), st.floats(0, 20), st.floats(0.5, 20), st.sampled_from(["fail", "warn"]))
def test_three_outcomes(worst: float, width: float, margin: float, how: str) -> None:
    """Passed above -M, worse below it, and else nothing is told, whichever way is the better."""
    rule = replace(PROOF, margin=margin, inconclusive=how)
    best = worst + width
    expected: tuple[bool, str | None] = (how == "warn", "inconclusive")
    if worst > -margin:
        expected = True, None
    elif best < -margin:
        expected = False, "worse"

    scores = bounded(worst, best, rule=rule)
    losses = bounded(-worst, -best, rule=rule, measure=LOSS)

    assert (scores.passed, scores.cause) == expected
    assert (losses.passed, losses.cause) == expected


@pytest.mark.parametrize(
    ("bounds", "sentence"),
    [
        (
            (-4.96, 4.2),
            "not worse by 5 points or more: -0.2 points, at least -4.96 with 95 % confidence",
        ),
        (
            (-9.0, -5.2),
            "worse by 5 points or more: -0.2 points, at most -5.2 with 95 % confidence",
        ),
        (
            (-5.0, 4.2),
            (
                "cannot tell whether it is worse by 5 points or more: -0.2 points, at least -5.0 with "
                "95 % confidence; 83 records would tell in 80 % of all cases where the two are "
                "equal, at the deviation seen"
            ),
        ),
    ],
)
def test_the_sentences(bounds: tuple[float, float], sentence: str) -> None:
    """What was to be proved, the bound that decides, and what would tell."""
    assert bounded(*bounds).reason == sentence


def test_the_sentences_of_a_loss() -> None:
    """The bound towards the worse is the highest rise."""
    rule = Rule("not-worse", 5, "max_rise", "warn")

    assert bounded(6.0, -3.0, rule=rule, measure=LOSS).reason == (
        "cannot tell whether it is worse by 5 nats or more: -0.2 nats, at most +6.0 with 95 % "
        "confidence; 22 records would tell in 80 % of all cases where the two are equal, at the "
        "deviation seen; it passes because of inconclusive=warn"
    )


def test_losses_that_are_all_as_before() -> None:
    """Nothing shows how far one may rise that was not seen."""
    decision = decide_baseline(compared(*[0.0] * 12, rule=PROOF, measure=LOSS))

    assert decision.cause == "inconclusive"
    assert decision.reason == (
        "cannot tell whether it is worse by 5 nats or more: 0.0 nats, all scores are as before, and "
        "nothing bounds how far a score can rise"
    )


@pytest.mark.parametrize(
    ("differences", "end"),
    [
        ([-4, -5, -4, -5, -4, -5] * 11, "; 1 "),
        (
            [0] * 5,
            (
                "; 61 records would tell in 80 % of all cases where the two are equal, at the "
                "deviation seen"
            ),
        ),
        ([-4] * 5, "; all scores moved alike, which does not tell how many records would"),
        ([-4], ", with one pair"),
        ([0.5, 1.0] * 50, "; more records would tell, and these do not say how many"),
    ],
)
def test_what_would_tell(differences: list[float], end: str) -> None:
    """Where the number of records is not what is missing, or is not known."""
    comparison = compared(*differences)
    bounds = None if len(differences) == 1 else (-6.0, 1.0)

    reason = decide_baseline(replace(comparison, bounds=bounds)).reason

    if end == "; 1 ":
        needed = records_to_tell(comparison.deviation or 0.0, 5, 0.05)
        end = (
            f"; {needed} records are enough where the two are equal: it is the change that was "
            "seen, not their number, that leaves this open"
        )
    assert reason.endswith(end)


def test_a_drop_fails_by_either_rule() -> None:
    """In the same words, where it is larger than the margin; a refusal has no cause."""
    for name in ("no-drop", "not-worse"):
        rule = replace(PROOF, name=name)
        decision = decide_baseline(compared(*[-9, -8, -7, -6, -9, -8], rule=rule))
        refused = decide_baseline(replace(compared(*NOISY, rule=rule), refusal="no; do"))

        assert (decision.passed, decision.cause) == (False, "worse")
        assert decision.reason.startswith("dropped by 7.83 points (95 % CI -8.5 to -6.8, p = 0.016")
        assert (refused.passed, refused.cause) == (False, None)


@pytest.mark.parametrize("suites", [1, 4])
@pytest.mark.parametrize("measure", [JUDGED, LOSS])
def test_the_bounds_that_are_taken(suites: int, measure: Measure) -> None:
    """The worse one at alpha, as all suites have to pass; the better one at alpha / k."""
    comparison = compared(*NOISY, rule=replace(PROOF, suites=suites), measure=measure)
    furthest = 100.0 if measure is JUDGED else math.inf
    ends: dict[str, Any] = {"is_binary": False, "lowest": -furthest, "highest": furthest}
    differences = [float(one) for one in NOISY]
    order = sorted(range(len(NOISY)), key=lambda place: f"r{place}")
    proof = mean_bounds([differences[place] for place in order], 0.05, **ends)
    drop = mean_bounds([differences[place] for place in order], 0.05 / suites, **ends)
    assert proof is not None
    assert drop is not None
    expected = (proof[0], drop[1]) if measure is JUDGED else (proof[1], drop[0])

    assert comparison.bounds == expected
    assert compared(*NOISY, rule=Rule()).bounds is None


@pytest.mark.parametrize("suites", [1, 3, 16])
def test_one_error_rate(suites: int) -> None:
    """Each suite has alpha / k, and detectable drops are those of that level."""
    comparison = compared(*NOISY, rule=Rule(alpha=0.1, suites=suites))

    assert comparison.alpha == pytest.approx(0.1 / suites)
    reach = norm.ppf(1 - 0.1 / suites) + norm.ppf(0.8)
    expected = reach * (comparison.deviation or 0.0) / math.sqrt(len(NOISY))
    assert comparison.detectable == pytest.approx(expected)


def test_two_tests_share_the_level_of_a_suite() -> None:
    """Where records did not pair up on both sides: so that the two together keep the promise."""
    old = side(*[50] * 12)
    entries = (*side(*[50] * 10).entries, Entry("new", "", 50, ""), Entry("other", "", 40, ""))
    new = replace(old, entries=entries)

    one, both = compare(old, old, Rule(suites=2)), compare(old, new, Rule(suites=2))

    assert (one.alpha, one.unpaired_alpha) == (0.025, None)
    assert both.unpaired_alpha == pytest.approx(0.005)
    assert both.alpha + (both.unpaired_alpha or 0.0) == pytest.approx(0.025)
    assert not decide_baseline(replace(both, unpaired_p=0.004)).passed
    assert decide_baseline(replace(both, unpaired_p=0.006)).passed


@given(st.floats(0.0001, 1), st.sampled_from([0.05, 0.01, 0.0125, 0.05 / 3, 0.0123, 0.3]))
def test_a_p_is_shown_on_its_side_of_the_level(p: float, alpha: float) -> None:
    """However close the two are."""
    shown = float(probability(p, alpha).removeprefix("= "))

    assert (shown < alpha) == (p < alpha)
    assert shown == pytest.approx(p, rel=0.1, abs=0.005)


@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.05 / 4, 0.05 / 16])
@pytest.mark.parametrize("power", [0.8, 0.946])
def test_records_needed(alpha: float, power: float) -> None:
    """The fewest of which a one-sided z test has the power; for a proof some more."""
    rules = Rule(alpha=alpha * 2, suites=2), Rule("not-worse", alpha=alpha, suites=9)
    shown, proved = (
        reach_under(rule, [1, 2], 31.7, 110, drop=3, power=power).needed for rule in rules
    )

    def has_power(count: int) -> bool:
        return bool(norm.sf(norm.isf(alpha), loc=3 * math.sqrt(count) / 31.7) >= power)

    assert proved == records_to_tell(31.7, 3, alpha, power)
    assert has_power(shown or 0)
    assert not has_power((shown or 0) - 1)
    assert detectable_drop(31.7, shown or 0, power, alpha) == pytest.approx(3, abs=0.01)


def test_too_few() -> None:
    """By what is known of earlier differences, else by what the scores let assume."""
    old = side(*[20, 80] * 55)
    keys = [(one.id, one.content) for one in old.entries]

    assert too_few(old, keys, PROOF, 31.7, 110) == (
        "its 110 records are too few for a margin of 5 points: it takes 277 to prove in 80 % of "
        "all cases that an equal model is not worse, where differences deviate by 31.7 points "
        "(measured on 110 pairs)"
    )
    assert "(assumed from its scores)" in (too_few(old, keys, PROOF, None, 0) or "")
    assert too_few(old, keys, replace(PROOF, margin=9), 31.7, 110) is None
    assert too_few(side(50, 50), keys, PROOF, None, 0) is None


def test_an_exam_is_proved_by_a_bound_of_its_own() -> None:
    """Right and wrong answers are told to the bound, which is exact for them."""
    old, new = exam("x" * 60 + "." * 20), exam("x" * 58 + "." * 20 + "xx")
    differences = [-100.0] * 2 + [100.0] * 2 + [0.0] * 76
    ends: dict[str, Any] = {"is_binary": True, "lowest": -100.0, "highest": 100.0}
    expected = mean_bounds(differences, 0.05, **ends)

    bounds = compare(old, new, PROOF).bounds

    assert bounds == pytest.approx(expected)


def settings(**given: str) -> Settings:
    """Read options as from the command line."""
    named = {f"llm_judge_{name}": (text, "cli") for name, text in given.items()}
    return read_settings(named, BASE, BASE, "pytest.ini")


def test_what_marker_and_options_say() -> None:
    """The marker wins; a measure that is not in points has no margin from the options."""
    given = settings(
        baseline="old.json",
        baseline_rule="not-worse",
        max_drop="3",
        alpha="0.01",
        inconclusive="warn",
    )
    by_options = Rule("not-worse", 3.0, "--llm-judge-max-drop", "warn", 0.01)
    own = {"baseline_rule": "no-drop", "max_drop": 2}

    assert rule_of("s", {}, given, JUDGED) == by_options
    assert rule_of("s", {"max_drop": None}, given, JUDGED) == by_options
    assert rule_of("s", own, given, JUDGED) == Rule("no-drop", 2.0, "max_drop", "warn", 0.01)
    assert rule_of("s", {"max_rise": 0.05}, given, LOSS).margin == 0.05
    assert rule_of("s", {}, settings(), LOSS) == Rule(margin=1e-4)


def test_a_loss_without_a_margin() -> None:
    """Points say nothing of nats."""
    given = settings(baseline="old.json", baseline_rule="not-worse", max_drop="3")

    with pytest.raises(SettingsError) as caught:
        rule_of("s", {}, given, LOSS)

    assert str(caught.value) == (
        "s: the rule not-worse needs a margin in nats, and there is none; give max_rise= in the "
        "marker, or take the rule no-drop"
    )
    # Nothing is compared in the run that makes the baseline.
    assert rule_of("s", {"baseline_rule": "not-worse"}, settings(), LOSS).name == "not-worse"


@pytest.mark.parametrize("how", ["fail", "warn"])
def test_records_without_a_score_prove_nothing(how: str) -> None:
    """Those that are left may be the ones that did not get worse; a drop is one all the same."""
    rule = replace(PROOF, margin=20, inconclusive=how)
    old = side(*[50.0] * 40)

    decision = decide_baseline(compare(old, side(*[50.0] * 37, None, None, None), rule))
    dropped = decide_baseline(compare(old, side(*[20.0] * 37, None, None, None), rule))
    lacking = decide_baseline(compare(side(*[50.0] * 37, None, None, None), old, rule))

    assert (decision.passed, decision.cause, dropped.cause) == (False, "inconclusive", "worse")
    assert decision.reason == (
        "cannot tell whether it is worse by 20 points or more: 3 of 40 records are unscored, and "
        "may be what got worse; have them all scored"
    )
    assert lacking.passed


@pytest.mark.parametrize("margin", [0.005, 0.00015, 0.125])
def test_a_small_margin_is_shown_as_it_was_given(margin: float) -> None:
    """Two decimals would make another margin of it."""
    rule = Rule("not-worse", margin, "max_rise")
    risen = compared(*[0.3 + place / 100 for place in range(8)], rule=rule, measure=LOSS)

    assert f"more than max_rise {margin:g};" in decide_baseline(risen).reason
    unsure = bounded(margin, -1, rule=rule, measure=LOSS).reason
    assert f"cannot tell whether it is worse by {margin:g} nats or more: " in unsure


@pytest.mark.parametrize(
    ("alpha", "shown"), [(0.05, "95"), (0.05 / 16, "99.69"), (1e-5, "99.999"), (1e-6, "99.9999")]
)
def test_nothing_is_certain(alpha: float, shown: str) -> None:
    """A confidence below 100 % is not rounded to it."""
    reason = bounded(-9, 9, rule=replace(PROOF, alpha=alpha)).reason

    assert f" with {shown} % confidence" in reason


@pytest.mark.parametrize(
    ("margin", "worst", "shown"),
    [(0.06, 0.0534, "0.053"), (0.3, 0.2749, "0.27"), (0.004, 0.00396, "0.00396"), (5, 4.94, "4.9")],
)
def test_a_bound_is_as_fine_as_its_margin(margin: float, worst: float, shown: str) -> None:
    """No proof reads as if more than the margin may have been lost."""
    reason = bounded(worst, -1, rule=replace(PROOF, margin=margin), measure=LOSS).reason

    assert f"not worse by {margin:g} nats or more: " in reason
    assert f", at most +{shown} with " in reason


def test_a_single_group() -> None:
    """No margin can be proved with it, whatever is known of other groups."""
    reach = reach_under(
        PROOF, [50.0] * 6, deviation=5.0, pairs=6, drop=5, groups=[0] * 6, effect=3.0
    )

    assert reach.needed is not None
    assert reach.detectable is None
