"""Known pairs: which are chosen, and when a judge may compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.data import PairCheck, Preference, Record
from pytest_llmjudge.judging.pair_check import INJECTIONS, PairProbe, decide_pairs, plan_pairs

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDS = [Record(f"r{n}", f"Say {n}.", "", f"{n}", {}) for n in range(8)]
RIGHT = Preference("a", ("A", "B"))
WRONG = Preference("b", ("B", "A"))
FLIP = Preference("tie", ("A", "A"))
TIE = Preference("tie", ("tie", "tie"))


def decide(say: Callable[[PairProbe], Preference]) -> PairCheck:
    return decide_pairs("j", [(probe, say(probe)) for probe in plan_pairs(RECORDS)], advice="do x")


def sane(probe: PairProbe) -> Preference:
    return TIE if probe.kind == "same" else RIGHT


@given(st.lists(st.sampled_from(["a", "b", "c", "d "]), min_size=1, max_size=40))
def test_pairs(outputs: list[str]) -> None:
    """Three pairs for each of up to eight records; the reference is the better or the same."""
    records = [Record(f"r{n}", f"Say {n}.", "", text, {}) for n, text in enumerate(outputs)]

    probes = plan_pairs(records)

    assert len(probes) == 3 * min(8, len(records))
    assert len({probe.name for probe in probes}) == len(probes)
    for start in range(0, len(probes), 3):
        reference, injected, same = probes[start : start + 3]
        assert (reference.kind, injected.kind, same.kind) == ("reference", "injected", "same")
        assert reference.a == injected.a == same.a == same.b == reference.record.output
        assert reference.b.strip() != reference.a.strip()
        assert injected.b.startswith(reference.b)
        assert any(injected.b.endswith(text) for text in INJECTIONS)


def test_a_sane_judge() -> None:
    """Right answers win, pleas do not, the same is a tie."""
    check = decide(sane)

    assert check.fit
    assert check.reason == "judge j: right beats wrong 1.00, with grader injections 1.00, flips 0 %"
    assert (check.reference, check.plea, check.untied, check.flips) == (1.0, 1.0, 0, 0.0)
    assert (check.asked, check.unscored) == (24, 0)


def test_a_favourite_place_for_the_same_is_no_fault() -> None:
    """Who says A to identical answers in both orders has come to a tie."""
    assert decide(lambda probe: FLIP if probe.kind == "same" else RIGHT).fit


@pytest.mark.parametrize(
    ("say", "problem"),
    [
        (
            lambda probe: TIE if probe.kind == "same" else FLIP,
            (
                "right answers win 0.50 of the pairs with wrong ones where at least 0.9 is needed "
                "(position bias in 100 % of the pairs); do x"
            ),
        ),
        (
            lambda probe: TIE if probe.kind == "same" else WRONG,
            "right answers win 0.00 of the pairs with wrong ones where at least 0.9 is needed; do x",
        ),
        (
            lambda probe: WRONG if probe.kind == "injected" else sane(probe),
            (
                "right answers win 0.00 instead of 1.00 where wrong ones have a grader injection, and at most "
                "0.1 less is allowed; do x"
            ),
        ),
        (
            lambda probe: RIGHT,
            "it prefers one of two identical answers in 8 of 8 pairs; do x",
        ),
        (
            lambda probe: (
                Preference(None, error="http://x: it is down; start it")
                if probe.name == "same r1"
                else sane(probe)
            ),
            "1 of 24 known pairs got no preference (it is down); do x",
        ),
        (
            lambda probe: Preference(None, error="x: long; y", too_long=True),
            "no known pair is short enough for it; do x",
        ),
        (
            lambda probe: (
                Preference(None, error="x: long; y", too_long=True)
                if probe.kind == "injected"
                else sane(probe)
            ),
            "no injected pair is short enough for it; do x",
        ),
    ],
)
def test_unfit(say: Callable[[PairProbe], Preference], problem: str) -> None:
    """Each fault is reported with its numbers."""
    check = decide(say)

    assert not check.fit
    assert check.reason == f"judge j: {problem}"


@pytest.mark.parametrize(("ties", "fit"), [(1, True), (2, False)])
def test_the_limit(ties: int, fit: bool) -> None:  # noqa: FBT001  # a parameter
    """One tie of eight is 0.94, two are 0.875."""
    tied = {f"reference r{number}" for number in range(ties)}

    assert decide(lambda probe: TIE if probe.name in tied else sane(probe)).fit is fit


def test_a_long_pair_is_left_out() -> None:
    """What does not fit into the judge's context says nothing of the judge."""
    long = Preference(None, error="x: long; y", too_long=True)

    check = decide(lambda probe: long if probe.record.id == "r3" else sane(probe))

    assert check.fit
    assert check.unscored == 3


def test_load_is_told() -> None:
    """What changes under load may be the load."""
    said = [(probe, RIGHT) for probe in plan_pairs(RECORDS)]

    reason = decide_pairs("j", said, in_flight=4, advice="do x").reason

    assert reason == (
        "judge j: it prefers one of two identical answers in 8 of 8 pairs with 4 requests in "
        "flight; do x, or lower --llm-judge-concurrency"
    )


COUNTED = [*RECORDS, Record("n", "How many are there?", "", "There are 5.", {})]


def fond_of_near_misses(probe: PairProbe) -> Preference:
    return FLIP if probe.kind == "near" else sane(probe)


def test_near_misses_are_compared() -> None:
    """Right answers are compared with them as well, and a limit decides."""
    probes = plan_pairs(COUNTED)
    (near,) = (probe for probe in probes if probe.kind == "near")
    said = [(probe, fond_of_near_misses(probe)) for probe in probes]

    check = decide_pairs("j", said, advice="do x")
    limited = decide_pairs("j", said, advice="do x", least_near=0.75)

    assert (near.a, near.record.id) == ("There are 5.", "n")
    assert near.b in {"There are 4.", "There are 6."}
    assert (check.fit, check.near, check.near_asked, check.flips) == (True, 0.5, 1, 0)
    assert check.reason == (
        "judge j: right beats wrong 1.00, with grader injections 1.00, flips 0 %, right beats near "
        "misses 0.50"
    )
    assert not limited.fit
    assert limited.reason == (
        "judge j: right answers win 0.50 of the pairs with near misses where at least 0.75 is "
        "needed; do x, or lower --llm-judge-check-near"
    )
    assert decide_pairs("j", said, least_near=0.5).fit


def test_near_misses_that_are_not_compared() -> None:
    """Without a limit it does not matter that one gets no preference."""
    lost = Preference(None, (), error="x: it said so; do that")
    said = [(probe, lost if probe.kind == "near" else sane(probe)) for probe in plan_pairs(COUNTED)]

    assert decide_pairs("j", said).fit
    limited = decide_pairs("j", said, advice="do x", least_near=0.5)
    assert limited.reason == "judge j: 1 of 25 known pairs got no preference (it said so); do x"
