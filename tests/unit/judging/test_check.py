"""Known answers: which are chosen, and when a judge is fit."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from pytest_llmjudge.data import Criterion, FollowUp, JudgeCheck, Record, Turn, Verdict
from pytest_llmjudge.judging.check import (
    INJECTIONS,
    MEETS,
    MISSED,
    NULL,
    Probe,
    decide,
    has_near_misses,
    plan_probes,
)


def make_records(outputs: list[str]) -> list[Record]:
    return [Record(f"r{n}", f"Say {n}.", "", text, {}) for n, text in enumerate(outputs)]


@given(st.lists(st.sampled_from(["a", "b", "c", "d "]), min_size=1, max_size=40))
def test_probes(outputs: list[str]) -> None:
    """Up to eight different records, each with five answers; the wrong one is never right."""
    records = make_records(outputs)

    probes = plan_probes(records)

    assert len(probes) == 5 * min(8, len(records))
    assert probes == plan_probes(records)
    assert len({probe.record.id for probe in probes}) == min(8, len(records))
    for start in range(0, len(probes), 5):
        right, wrong, null, injected, echo = probes[start : start + 5]
        assert {probe.record.id for probe in probes[start : start + 5]} == {right.record.id}
        assert [probe.kind for probe in (right, wrong, null, injected, echo)] == [
            "right", "wrong", "null", "injected", "echo",
        ]  # fmt: skip
        assert right.response == echo.response == right.record.output
        assert wrong.response.strip() != right.response.strip()
        assert null.response == NULL
        assert injected.response.startswith(wrong.response)
    assert len({probe.name for probe in probes}) == len(probes)


def test_probes_are_spread_evenly() -> None:
    """Of 80 records every tenth is asked about, from a start that the ids decide."""
    records = make_records([str(number) for number in range(80)])
    chosen = sorted({int(probe.record.id[1:]) for probe in plan_probes(records)})

    assert {after - before for before, after in itertools.pairwise(chosen)} == {10}
    others = [
        Record(f"x{record.id}", *(record.instruction, "", record.output, {})) for record in records
    ]
    starts = {plan_probes(others[:count])[0].record.id for count in range(60, 80)}
    assert len(starts) > 5


def test_one_plea_closes_the_quotation() -> None:
    """Several wordings, one of them with a back-tick."""
    assert len(set(INJECTIONS)) == len(INJECTIONS) >= 7
    assert any("`" in text for text in INJECTIONS)


def verdicts(**scores: list[int | None]) -> list[tuple[Probe, Verdict]]:
    """Make verdicts on probes of each kind."""
    judged = []
    for kind, values in scores.items():
        for number, score in enumerate(values):
            record = Record(f"r{number}", "", "", "", {})
            error = None if score is not None else "http://x: it said so; do that"
            judged.append((Probe(kind, record, ""), Verdict(score, "", error)))
    return judged


GOOD: dict[str, list[int | None]] = {
    "right": [90, 100],
    "wrong": [10, 20],
    "null": [0, 5],
    "injected": [15, 25],
    "echo": [90, 100],
}


def test_fit() -> None:
    """A judge that is fit has all numbers."""
    check = decide("llama3", verdicts(**GOOD))

    assert check.fit
    assert check.reason == "judge llama3: right 95, wrong 15, AUC 1.00, grader injection +5"
    assert (check.right, check.wrong, check.null, check.plea) == (95, 15, 2.5, 20)
    assert (check.auc, check.changed, check.asked, check.unscored) == (1, 0, 10, 0)


def test_a_plea_that_does_nothing() -> None:
    """Less than half a point has no sign of its own."""
    indifferent: dict[str, list[int | None]] = {"wrong": [15, 16], "injected": [15, 15]}

    check = decide("llama3", verdicts(**(GOOD | indifferent)))

    assert check.reason == "judge llama3: right 95, wrong 16, AUC 1.00, grader injection +0"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"right": [44, 44], "echo": [44, 44]},
            "it gives 44 to right and 15 to wrong answers where at least 30 points between them are needed",
        ),
        (
            {"null": [95, 0]},
            (
                "it does not tell right answers from wrong and empty ones, AUC 0.88 where at least 0.9 "
                "is needed"
            ),
        ),
        (
            {"injected": [25, 26]},
            "wrong answers with a grader injection get 25.5 instead of 15 where at most 10 points more are allowed",
        ),
        (
            {"right": [44.9, 44.9], "echo": [44.9, 44.9]},
            (
                "it gives 44.9 to right and 15 to wrong answers where at least 30 points between them "
                "are needed"
            ),
        ),
        ({"echo": [90, 99]}, "1 of 2 answers changed when asked about again"),
        ({"wrong": [10, None]}, "1 of 10 known answers got no score (it said so)"),
        (
            {kind: [None, None] for kind in GOOD},
            "10 of 10 known answers got no score (it said so)",
        ),
    ],
    ids=["gap", "auc", "injected", "narrow gap", "echo", "unscored", "silent"],
)
def test_unfit(changed: dict[str, list[int | None]], reason: str) -> None:
    """Each probe can fail by itself, and the reason names it."""
    check = decide("llama3", verdicts(**{**GOOD, **changed}), advice="do that")

    assert not check.fit
    assert check.reason == f"judge llama3: {reason}; do that"


@pytest.mark.parametrize(
    "changed",
    [
        {"right": [45, 45], "echo": [45, 45]},
        {"injected": [25, 25]},
    ],
    ids=["gap of 30", "injected of 10"],
)
def test_limits_are_allowed(changed: dict[str, list[int | None]]) -> None:
    """A distance of 30 is enough, and a grader injection may add 10."""
    assert decide("llama3", verdicts(**{**GOOD, **changed})).fit


def test_too_long_is_left_out() -> None:
    """What did not fit says nothing of the judge, unless nothing did."""
    judged = verdicts(**GOOD)
    long = Verdict(None, "", "too long", too_long=True)
    some = [(probe, long if probe.record.id == "r1" else verdict) for probe, verdict in judged]

    assert decide("llama3", some).fit
    nothing = decide("llama3", [(probe, long) for probe, _ in judged], advice="x")
    assert nothing.reason == "judge llama3: no known answer is short enough for it; x"
    assert not nothing.fit


@pytest.mark.parametrize(
    ("kinds", "problem"),
    [
        (("right", "echo"), "no right or echo answer is short enough for it"),
        (("wrong", "injected"), "no wrong or injected answer is short enough for it"),
        (("injected",), "no injected answer is short enough for it"),
        (("null",), "no null answer is short enough for it"),
        (("echo",), "no echo answer is short enough for it"),
    ],
)
def test_a_kind_that_was_never_asked_about(kinds: tuple[str, ...], problem: str) -> None:
    """Who was never asked about a right answer has not shown that it knows one."""
    long = Verdict(None, "", "too long", too_long=True)
    some = [
        (probe, long if probe.kind in kinds else verdict) for probe, verdict in verdicts(**GOOD)
    ]

    check = decide("llama3", some, advice="x")

    assert not check.fit
    assert check.reason == f"judge llama3: {problem}; x"


def test_an_area_just_below_the_limit() -> None:
    """No figure looks like the limit that it misses."""
    wrong: list[int | None] = [*[0] * 899, *[100] * 101]

    check = decide("x", verdicts(right=[50], wrong=wrong, null=[0], injected=wrong, echo=[50]))

    assert not check.fit
    assert "AUC 0.8991 where at least 0.9 is needed" in check.reason


def test_what_was_found_is_told_whole() -> None:
    """Whatever stands in the judge's reply, colons and semicolons included."""
    error = (
        'http://x: llama3 wrote "Verdict: good; score: high", which is none; take a larger judge'
    )
    probe = Probe("right", Record("r", "", "", "", {}), "")

    check = decide("llama3", [*verdicts(**GOOD), (probe, Verdict(None, "", error))], advice="x")

    assert check.reason == (
        'judge llama3: 1 of 11 known answers got no score (llama3 wrote "Verdict: good; score: high", '
        "which is none); x"
    )


@given(st.integers(0, 2**32))
def test_random_judges_are_refused(seed: int) -> None:
    """A judge that answers at random has no chance on forty answers."""
    dice = random.Random(seed)  # noqa: S311  # no secret
    scores = {kind: [dice.randint(0, 100) for _ in range(8)] for kind in GOOD}

    assert not decide("llama3", verdicts(**scores)).fit  # type: ignore[arg-type]


@pytest.mark.parametrize(("echo", "fit"), [([90, 100], True), ([89, 100], False)])
def test_the_tolerance_of_an_echo(echo: list[int | None], *, fit: bool) -> None:
    """A way of asking may allow for arithmetic that differs from request to request."""
    said = verdicts(right=[100, 100], wrong=[0, 0], null=[0, 0], injected=[0, 0], echo=echo)

    assert decide("x", said, echo_tolerance=10).fit is fit
    assert decide("x", said).changed == 1


def test_an_injection_that_a_decoy_showed() -> None:
    """It counts as refused, where one without any score counts as a failure."""
    said = verdicts(right=[100], wrong=[20], null=[0], injected=[None], echo=[100])
    shown = [
        (probe, replace(verdict, injection=True) if verdict.score is None else verdict)
        for probe, verdict in said
    ]

    assert not decide("x", said).fit
    check = decide("x", shown)
    assert (check.fit, check.plea, check.unscored) == (True, 0, 0)


CRITERIA = (Criterion("", "It is kind."),)


def free_records(count: int, references: int = 0) -> list[Record]:
    """Make records with criteria, of which the first few have references."""
    return [
        Record(
            f"r{n}", f"Say {n}.", "", f"It is {n}." if n < references else "", {}, criteria=CRITERIA
        )
        for n in range(count)
    ]


def test_no_record_has_a_reference() -> None:
    """The wrong answer is one that misses a criterion, and there is no right one."""
    probes = plan_probes(free_records(2))

    assert [probe.kind for probe in probes] == ["meets", "wrong", "null", "injected", "echo"] * 2
    meets, wrong, null, injected, echo = probes[:5]
    assert meets.response in MEETS
    assert (meets.record.id, meets.record.criteria) == (wrong.record.id, (MISSED,))
    assert "rivers" in meets.record.instruction
    assert (wrong.response, wrong.record.criteria) == (NULL, (MISSED,))
    assert (null.response, null.record.criteria) == (NULL, CRITERIA)
    assert (echo.response, echo.record) == (NULL, null.record)
    assert injected.response.startswith(NULL)
    assert injected.record.criteria == (MISSED,)


def test_some_records_have_references() -> None:
    """They are the wrong answers to the others, by whose own criteria they are judged."""
    probes = plan_probes(free_records(4, references=2))

    kinds = {(probe.kind, bool(probe.record.output)) for probe in probes}
    assert ("right", False) not in kinds
    assert ("right", True) in kinds
    assert {probe.record.criteria for probe in probes} == {CRITERIA}
    wrong = {probe.response for probe in probes if probe.kind == "wrong"}
    assert wrong == {"It is 0.", "It is 1."}


def fitness(scores: dict[str, int], records: list[Record]) -> JudgeCheck:
    """Decide over a judge that gives each kind of known answers a score."""
    said = [(probe, Verdict(scores[probe.kind])) for probe in plan_probes(records)]
    return decide("j", said, advice="do x")


def test_a_judge_of_answers_without_references() -> None:
    """It is fit by what it gives to answers that miss a criterion."""
    scores = {"meets": 80, "wrong": 50, "null": 95, "injected": 60, "echo": 95}

    check = fitness(scores, free_records(8))

    assert check.fit
    assert check.reason == (
        "judge j: criterion met 80, missed 50, grader injection +10; right and wrong answers "
        "could not be probed, as no record has a reference"
    )
    assert (check.right, check.auc) == (None, None)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"meets": 79},
            (
                "it gives 79 to answers that meet a criterion and 50 to answers that miss it where at "
                "least 30 points between them are needed"
            ),
        ),
        (
            {"injected": 61},
            (
                "wrong answers with a grader injection get 61 instead of 50 where at most 10 points "
                "more are allowed"
            ),
        ),
        ({"echo": 94}, "8 of 8 answers changed when asked about again"),
    ],
)
def test_an_unfit_judge_of_answers_without_references(changed: dict[str, int], reason: str) -> None:
    """Each of the three demands counts."""
    scores = {"meets": 80, "wrong": 50, "null": 95, "injected": 60, "echo": 95} | changed

    assert fitness(scores, free_records(8)).reason == f"judge j: {reason}; do x"


def test_injections_that_fake_the_question() -> None:
    """A record with criteria is tried with one that brings its own, a conversation likewise."""
    talk = Record("r", "And?", "", "Yes.", {}, turns=(Turn("user", "Hello?"),))

    (first,) = (one for one in plan_probes(free_records(1)) if one.kind == "injected")
    (second,) = (one for one in plan_probes([talk]) if one.kind == "injected")

    assert "\n\nCriteria:\n" in first.response
    assert "\n\nAssistant:\n" in second.response


def test_near_misses_are_asked_about() -> None:
    """Up to eight, of the probed records first and of others where they have none."""
    records = make_records([f"It is {n}." for n in range(40)])
    numbers = [Record(f"n{n}", f"How many {n}?", "", f"It is {n + 50}.", {}) for n in range(5)]

    probes = plan_probes([*records, *numbers])

    near = [probe for probe in probes if probe.kind == "near"]
    assert len(probes) == 5 * 8 + len(near)
    assert {probe.record.id for probe in near} == {record.id for record in numbers}
    assert all(probe.response != probe.record.output for probe in near)
    assert len({probe.name for probe in probes}) == len(probes)
    assert not any(probe.kind == "near" for probe in plan_probes(records))
    assert has_near_misses([*records, *numbers])
    assert not has_near_misses(records)


def test_a_turn_has_a_near_miss() -> None:
    """Each question of a conversation is asked about by itself."""
    talk = Record(
        *("t", "Say hello.", "", "Hello.", {}), follow_ups=(FollowUp("How many?", "It is 5."),)
    )

    (near,) = (probe for probe in plan_probes([talk]) if probe.kind == "near")

    assert near.record.id == "t turn 2"
    assert near.response in {"It is 4.", "It is 6."}


NEAR: dict[str, list[int | None]] = {**GOOD, "near": [80, 95, 85, 100]}


def test_near_misses_do_not_decide() -> None:
    """Without a limit they are reported, and nothing more, even where they get no score."""
    check = decide("llama3", verdicts(**NEAR))

    assert check.fit
    assert check.reason == (
        "judge llama3: right 95, wrong 15, AUC 1.00, grader injection +5, near 90 (AUC 0.69)"
    )
    area = mannwhitneyu([90, 100], [80, 95, 85, 100]).statistic / 8
    assert (check.near, check.near_auc, check.near_asked) == (90, area, 4)
    assert (check.right, check.auc, check.asked, check.unscored) == (95, 1, 14, 0)

    silent: dict[str, list[int | None]] = {**GOOD, "near": [None, None]}
    unscored = decide("llama3", verdicts(**silent))
    assert (unscored.fit, unscored.near, unscored.near_asked, unscored.unscored) == (
        True, None, 2, 2,
    )  # fmt: skip
    assert unscored.reason.endswith(", near - (AUC -)")


def test_a_limit_for_near_misses() -> None:
    """The judge has to reach it, and the reason says what else could be done."""
    assert decide("j", verdicts(**NEAR), least_near=0.6875).fit

    check = decide("j", verdicts(**NEAR), advice="do x", least_near=0.75)

    assert not check.fit
    assert check.reason == (
        "judge j: it gives 95 to right answers and 90 to near misses, AUC 0.69 where at least 0.75 "
        "is needed; do x, or lower --llm-judge-check-near"
    )
    narrow = decide("j", verdicts(**NEAR), least_near=0.69)
    assert "AUC 0.6875 where at least 0.69 is needed" in narrow.reason


def test_near_misses_that_cannot_be_asked_about() -> None:
    """With a limit one that gets no score counts like any other, and so does having none."""
    half: dict[str, list[int | None]] = {**GOOD, "near": [80, None]}
    said = verdicts(**half)
    check = decide("j", said, advice="x", least_near=0.5)
    assert check.reason == "judge j: 1 of 12 known answers got no score (it said so); x"

    long = Verdict(None, "", "too long", too_long=True)
    some = [(probe, long if probe.kind == "near" else verdict) for probe, verdict in said]
    check = decide("j", some, advice="x", least_near=0.5)
    assert check.reason == "judge j: no near answer is short enough for it; x"
    assert decide("j", some).fit


def test_near_misses_need_right_answers() -> None:
    """Where no record that is asked about has a reference there is nothing to compare them with."""
    records = [*free_records(800), Record("n", "How many?", "", "It is 5.", {})]

    probes = plan_probes(records)

    assert not any(probe.kind in {"right", "near"} for probe in probes)
    assert not has_near_misses(records)
