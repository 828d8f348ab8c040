"""A run in a few words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.data import Rule
from pytest_llmjudge.reporting.digest import digest
from tests.support.results import compared, exam, gate, pair, pairs, run, scored, subject, suite

if TYPE_CHECKING:
    from pytest_llmjudge.data import AnyResult

GOOD = suite([scored("r0", 80), scored("r1", 60)], min_average=50.0)
BAD = suite(
    [scored("r0", 80), scored("r1", 10, "failed")],
    "failed",
    name="test_b.py::test_b",
    min_average=55.0,
    gates=(gate("average", reason="average 45 is below min_average 55"),),
)


def causes(*suites: object, **more: object) -> tuple[str, ...]:
    (summary,) = run(*suites, **more).summaries  # type: ignore[arg-type]
    return summary.causes


def test_a_run_in_which_all_passed() -> None:
    """The decision is one sentence, and a suite has its figures and no causes."""
    summary = run(GOOD)
    result = digest(summary)

    assert (result.outcome, result.headline) == ("passed", "the suite passed")
    (row,) = summary.summaries
    assert (row.kind, row.name, row.outcome) == ("judge", "test_a.py::test_a", "passed")
    assert (row.measure, row.value, row.wanted, row.change) == (
        "average",
        "70.00",
        "average >= 50, each >= 50",
        "-",
    )
    assert row.interval == "0.0 to 100.0"
    assert row.causes == ()


@pytest.mark.parametrize(
    ("outcomes", "outcome", "headline"),
    [
        (("passed", "passed"), "passed", "all 2 suites passed"),
        (("failed",), "failed", "the suite failed"),
        (("incomplete",), "incomplete", "the suite is incomplete"),
        (("passed", "incomplete"), "incomplete", "of 2 suites 1 incomplete"),
        (("incomplete", "failed", "passed"), "failed", "of 3 suites 1 failed and 1 incomplete"),
    ],
)
def test_the_decision_counts_the_suites(
    outcomes: tuple[str, ...], outcome: str, headline: str
) -> None:
    """What failed outweighs what is incomplete."""
    result = digest(run(*(suite([scored("r0", 80)], one) for one in outcomes)))

    assert (result.outcome, result.headline) == (outcome, headline)


def test_a_run_without_any_suite() -> None:
    """Nothing was decided, so nothing passed."""
    result = digest(run())

    assert (result.outcome, result.headline) == ("incomplete", "no suite came to a result")


def test_suites_stand_in_the_order_of_the_summary() -> None:
    """Judged suites, exams, suites of pairs."""
    summary = run(BAD, exam([subject("anatomy", 3, 4)]), pairs([]))

    assert [one.kind for one in summary.summaries] == ["judge", "mmlu", "preference"]


def test_a_suite_that_failed() -> None:
    """The gate's own words come first, then the records."""
    assert causes(BAD) == (
        "average: average 45 is below min_average 55",
        "1 of 2 records scores below 50",
    )


def test_records_that_fail_in_the_body_of_the_test() -> None:
    """A score that is high enough is not what failed."""
    low = [scored("r0", 10, "failed"), scored("r1", 20, "failed")]
    own = [scored("r2", 90, "failed")]

    assert causes(suite([*low, *own], "failed")) == (
        "2 of 3 records score below 50",
        "1 of 3 records failed in the body of the test",
    )


DECIDED = [
    (
        suite(
            [
                scored(f"r{n}", 10 if n < 3 else 90, "failed" if n < 3 else "passed")
                for n in range(9)
            ],
            "failed",
            min_score=20,
            min_average=55.0,
            gates=(gate("average", "passed"), gate("baseline", cause="inconclusive")),
        ),
        (
            "failed: score >= 20 failed (3 of 9 below), baseline failed (inconclusive); average >= 55 passed "
            "(within noise)"
        ),
    ),
    (
        suite([scored("r0", 90), scored("r1", 60)], gates=(gate("average", "passed"),)),
        "passed: score >= 50",
    ),
    (
        suite(
            [scored("r0", 40, "not run"), scored("r1", 30, "not run")],
            "incomplete",
            min_average=55.0,
            gates=(gate("judge-check", "not run"), gate("average", "passed")),
        ),
        "incomplete: score >= 50 not run; average >= 55 passed (within noise)",
    ),
    (
        suite([scored("r0", 90)], "incomplete", total=9, gates=(gate("average", "not run"),)),
        "incomplete: score >= 50 incomplete (1 of 9 passed, 8 not run); average not run",
    ),
    (
        suite(
            [scored("r0", 10, "failed"), scored("r1", 90, "failed"), scored("r2", None, "error")],
            "incomplete",
            total=5,
            min_average=55.0,
            gates=(gate("average"),),
        ),
        (
            "incomplete: records failed (1 of 5), score >= 50 failed (1 of 5 below, 1 with an error, "
            "2 not run), average >= 55 failed (3 of 5 unscored)"
        ),
    ),
    (
        suite(
            [scored("r0", 10, "failed"), scored("r1", 90)],
            "failed",
            min_score=None,
            gates=(gate("average", "passed"),),
        ),
        "failed: records failed (1 of 2)",
    ),
    (
        exam(
            [subject("anatomy", 1, 4, "failed"), subject("astronomy", 0, 0, "error")],
            "incomplete",
            min_subject_accuracy=0.5,
            gates=(gate("average"),),
        ),
        (
            "incomplete: accuracy of each subject >= 0.5 failed (1 of 2 below, 1 with an error), "
            "accuracy >= 0.25 failed (1 of 2 subjects without a result)"
        ),
    ),
    (
        pairs([pair("r0", "a"), pair("r1", "b", "failed")], "failed", gates=(gate("win-rate"),)),
        "failed: pairs failed (1 of 2), win rate >= 0.5 failed (within noise)",
    ),
]


@pytest.mark.parametrize(("result", "line"), DECIDED, ids=range(len(DECIDED)))
def test_what_became_of_each_thing_that_was_asked(result: AnyResult, line: str) -> None:
    """Each has a word of its own, the worst first, and what was not run has no verdict."""
    assert run(result).summaries[0].decided == line


def test_a_judge_check_that_alone_was_left_out() -> None:
    """It is said, and does not hide why the suite failed."""
    gates = (gate("judge-check", "not run", "it was not run"), gate("average", reason="too low"))

    (row,) = run(suite([scored("r0", 80)], "failed", min_average=90.0, gates=gates)).summaries

    assert row.decided == ("failed: average >= 90 failed; judge-check not run; score >= 50 passed")
    assert row.causes == ("average: too low", "judge-check: it was not run")


def test_what_was_not_run_is_no_cause_of_a_failure() -> None:
    """It is said to be missing, whatever its scores are."""
    records = [scored("r0", 40, "not run"), scored("r1", 30, "not run")]
    missed = (gate("average", "not run", "it was not run"),)

    assert causes(suite(records, "incomplete", min_average=55.0, gates=missed)) == (
        "average: it was not run",
        "2 of 2 records were not run",
    )


def test_a_record_whose_score_came_too_late() -> None:
    """Its item erred, and that is why the suite failed."""
    result = suite([scored("r0", 90, "error"), scored("r1", 90)], "failed")

    assert causes(result) == ("1 of 2 records erred, and had a score only for a gate",)


def test_records_that_failed_in_teardown_or_were_expected_to_fail() -> None:
    """Both have a score of their own, and neither their body nor their score failed."""
    torn, unexpected = "its teardown failed", "it passed and was expected to fail (xfail, strict)"
    records = [
        scored("r0", 90, "error", error=torn),
        scored("r1", 10, "failed", error=torn),
        scored("r2", 90, "failed", error=unexpected),
        scored("r3", 90, "failed", error=f"{unexpected}; {torn}"),
        scored("r4", 90, "error", error="the process that ran it crashed"),
        scored("r5", 90, "failed"),
    ]

    assert causes(suite(records, "failed")) == (
        "1 of 6 records scores below 50",
        "2 of 6 records passed and were expected to fail (xfail, strict)",
        "1 of 6 records failed in the body of the test",
        "3 of 6 records failed in teardown",
        "1 of 6 records crashed when the score was there",
    )


def test_pairs_that_failed_in_teardown_or_were_expected_to_fail() -> None:
    """As records do."""
    results = [
        pair("r0", "a", "error", error="its teardown failed"),
        pair("r1", "a", "failed", error="it passed and was expected to fail (xfail, strict)"),
        pair("r2", "a", "error"),
    ]

    (row,) = run(pairs(results, "failed")).summaries

    assert row.causes == (
        "1 of 3 pairs passed and was expected to fail (xfail, strict)",
        "1 of 3 pairs failed in teardown",
        "1 of 3 pairs erred, and had a winner only for a gate",
    )


def test_a_reason_of_several_lines() -> None:
    """They stand in one, each for itself."""
    reason = "3 of 3 records are unscored, so there is no average: r0, r1, r2\nfirst cause: http"
    result = suite([scored("r0", 90)], "failed", gates=(gate("average", reason=reason),))

    (cause,) = causes(result)

    assert cause == (
        "average: 3 of 3 records are unscored, so there is no average: r0, r1, r2; first cause: http"
    )


def test_unscored_records_a_broken_rig_and_what_was_not_run() -> None:
    """Three things that are kept apart; of such a suite there is no average."""
    records = [
        scored("r0", 80),
        scored("r1", None, "error", cause="record"),
        scored("r2", None, "error", cause="rig"),
        scored("r3", None, "error", cause="rig"),
        scored("r4", None, "not run"),
    ]
    result = suite(records, "incomplete", total=7)

    (row,) = run(result).summaries

    assert (row.value, row.interval) == ("-", "-")
    assert row.causes == (
        "1 of 7 records is unscored",
        "2 of 7 records had an infrastructure error",
        "3 of 7 records were not run",
    )


def test_a_judge_that_is_not_fit() -> None:
    """Each other gate only points there, and is left out."""
    missed = (
        gate("average", "error", "test_a.py::test_a[judge-check]: the judge failed; see there"),
        gate("judge-check", reason="known answers:\nall got 85"),
    )
    unscored = [scored("r0", None, "error", cause="rig")]

    assert causes(suite(unscored, "incomplete", gates=missed)) == (
        "judge-check: known answers: all got 85",
        "1 of 1 records had an infrastructure error",
    )


def test_change_against_the_baseline() -> None:
    """In points, with a sign; or that nothing could be compared."""
    refused = compared(None, refusal="its model was llama3 and is other now")
    gates = (gate("baseline", reason="not compared: its model was llama3 and is other now"),)
    summary = run(
        suite([scored("r0", 80)], comparison=compared(-3.24)),
        suite([scored("r0", 80)], "failed", comparison=refused, gates=gates),
        suite([scored("r0", 80)]),
    )

    assert [one.change for one in summary.summaries] == ["-3.2 points", "not compared", "-"]
    assert summary.summaries[1].causes == (
        "baseline: not compared: its model was llama3 and is other now",
    )


@pytest.mark.parametrize(
    ("rule", "drop"),
    [
        (Rule(), "no drop"),
        (Rule(margin=2.5), "drop <= 2.5 points"),
        (Rule("not-worse", 2.5), "drop < 2.5 points proved"),
    ],
)
def test_all_gates_are_told(rule: Rule, drop: str) -> None:
    """Those of each record or subject too, and the baseline where its gate came to anything."""
    records, subjects = [scored("r0", 80)], [subject("anatomy", 3, 4)]
    beside = (gate("baseline", "error", "the judge failed"),)
    summary = run(
        suite(records, min_score=20, min_average=55.0, comparison=compared()),
        suite(records, min_score=None, gates=beside),
        suite(records, min_score=20),
        suite(records, min_score=None),
        replace(exam(subjects), min_subject_accuracy=0.2, comparison=compared()),
        replace(exam(subjects), min_accuracy=None),
        rules=dict.fromkeys((suite([]).name, exam(subjects).name), rule),
    )

    assert [one.wanted for one in summary.summaries] == [
        f"average >= 55, each >= 20, {drop}",
        drop,
        "each >= 20",
        "-",
        f"accuracy >= 0.25, each subject >= 0.2, {drop}",
        "-",
    ]


def test_an_exam() -> None:
    """All questions count the same, and failed subjects are named."""
    subjects = [subject("anatomy", 3, 4), subject("astronomy", 0, 4, "failed")]

    (row,) = run(exam(subjects, "failed")).summaries

    assert (row.measure, row.value, row.wanted) == ("accuracy", "0.3750", "accuracy >= 0.25")
    assert row.interval == "0.1368 to 0.6943"
    assert row.causes == ("1 of 2 subjects failed: astronomy",)


def test_an_exam_with_missing_subjects() -> None:
    """Of a part there is no accuracy; the first five are named."""
    subjects = [
        subject("anatomy", 3, 4),
        *(subject(f"s{number}", 0, 0, "error") for number in range(7)),
        subject("astronomy", 0, 0, "not run"),
    ]

    (row,) = run(exam(subjects, "incomplete")).summaries

    assert (row.value, row.interval) == ("-", "-")
    assert row.causes == (
        "7 of 9 subjects ended with an error: s0, s1, s2, s3, s4 and 2 more",
        "1 of 9 subjects was not run: astronomy",
    )


def test_a_suite_of_pairs() -> None:
    """A tie counts half."""
    results = [pair("r0", "a"), pair("r1", "tie"), pair("r2", "a"), pair("r3", "b")]

    (row,) = run(pairs(results)).summaries

    assert (row.measure, row.value, row.wanted) == ("win rate", "0.625", "win rate >= 0.5")
    assert row.interval == "0.219 to 0.908"
    assert row.causes == ()


def test_pairs_that_were_lost_failed_or_have_no_winner() -> None:
    """Each is a cause, and of a part of the pairs there is no win rate."""
    results = [
        pair("r0", "b", "failed"),
        pair("r1", None, "error", cause="record"),
        pair("r2", None, "error", cause="rig"),
    ]

    (row,) = run(pairs(results, "incomplete")).summaries

    assert (row.value, row.interval) == ("-", "-")
    assert row.causes == (
        "1 of 3 pairs failed in the body of the test",
        "1 of 3 pairs has no winner",
        "1 of 3 pairs had an infrastructure error",
    )
