"""What the gate over a judge's agreement with people decides, and what it says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_llmjudge.data import Agreement, AgreementLimits, GateResult, UsedLabels
from pytest_llmjudge.kinds.agreement import (
    agreement_contradictions,
    agreement_counts,
    agreement_lines,
    agreement_statement,
    decide_agreement,
    labels_line,
)

AGREEMENT = Agreement(40, 0.712, 12.34, 3.21, (0.52, 0.84), (9.8, 15.1), (-1.0, 7.4))
FIGURES = (
    "Spearman 0.71 (95 % CI 0.52 to 0.84), mean absolute error 12.3 (95 % CI 9.8 to 15.1), judge "
    "minus people +3.2 (95 % CI -1.0 to +7.4) over 40 labelled records"
)
STRICT = replace(AGREEMENT, bias=-3.21, bias_interval=(-7.4, 1.0))


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [
        (AgreementLimits(), "no limit is set"),
        (AgreementLimits(min_agreement=0.52), "Spearman >= 0.52"),
        (
            AgreementLimits(0.5, 15.1, 7.4),
            "Spearman >= 0.5, judge error <= 15.1, judge bias <= 7.4",
        ),
    ],
)
def test_an_interval_within_the_limits(limits: AgreementLimits, wanted: str) -> None:
    """Its bound may be the limit itself; the reason has all figures."""
    decision = decide_agreement(AGREEMENT, limits)

    assert decision.passed
    assert (decision.reason, decision.cause) == (f"{FIGURES}; {wanted}", None)


@pytest.mark.parametrize(
    ("limits", "missed"),
    [
        (AgreementLimits(0.53), "Spearman may be as low as 0.52, below min_agreement 0.53"),
        (AgreementLimits(0.8), "Spearman is 0.71, below min_agreement 0.8"),
        (
            AgreementLimits(max_judge_error=15),
            "mean absolute error may be as high as 15.1, above max_judge_error 15",
        ),
        (
            AgreementLimits(max_judge_error=12),
            "mean absolute error is 12.34, above max_judge_error 12",
        ),
        (
            AgreementLimits(max_judge_bias=5),
            "judge minus people may be as high as +7.4, beyond max_judge_bias 5",
        ),
        (
            AgreementLimits(max_judge_bias=3),
            "judge minus people is +3.21, beyond max_judge_bias 3",
        ),
        (
            AgreementLimits(0.6, 15, 20),
            (
                "Spearman may be as low as 0.52, below min_agreement 0.6; mean absolute error may "
                "be as high as 15.1, above max_judge_error 15"
            ),
        ),
    ],
)
def test_the_bound_against_the_judge_decides(limits: AgreementLimits, missed: str) -> None:
    """Each limit that is not kept is named, by the figure where that itself is beyond it."""
    decision = decide_agreement(AGREEMENT, limits)

    assert not decision.passed
    assert (decision.reason, decision.cause) == (f"{missed}; {FIGURES}", None)


def test_a_strict_judge_is_biased_too() -> None:
    """The lower bound counts where that is further from 0."""
    decision = decide_agreement(STRICT, AgreementLimits(max_judge_bias=5))

    assert decision.reason.startswith(
        "judge minus people may be as low as -7.4, beyond max_judge_bias 5; "
    )


@pytest.mark.parametrize(
    ("agreement", "limits", "groups", "doubt"),
    [
        (
            replace(AGREEMENT, count=19),
            AgreementLimits(0.1),
            None,
            "fewer than 20 responses are labelled, label more with llmjudge label",
        ),
        (
            replace(AGREEMENT, spearman=None, spearman_interval=None),
            AgreementLimits(0.1),
            None,
            "nearly all scores of the judge, or of people, are the same",
        ),
        (
            Agreement(40, 0.7, 12.3, 3.2),
            AgreementLimits(max_judge_bias=50),
            [0, 1] * 20,
            "the labelled records are in fewer than 3 groups, label some of others",
        ),
    ],
)
def test_what_cannot_tell(
    agreement: Agreement, limits: AgreementLimits, groups: list[int] | None, doubt: str
) -> None:
    """It fails where a limit is set, and passes else."""
    limited = decide_agreement(agreement, limits, groups)
    free = decide_agreement(agreement, AgreementLimits(), groups)

    assert not limited.passed
    assert limited.cause == "inconclusive"
    assert limited.reason.startswith(f"cannot tell: {doubt}; Spearman ")
    assert free.passed
    assert free.cause is None


def test_without_a_rank_correlation_other_limits_decide() -> None:
    """Where people gave all responses the same score, the judge's error still tells."""
    agreement = replace(AGREEMENT, spearman=None, spearman_interval=None)

    decision = decide_agreement(agreement, AgreementLimits(max_judge_error=20), [0, 0, 1, 2])

    assert decision.passed
    assert decision.reason == (
        "Spearman -, mean absolute error 12.3 (95 % CI 9.8 to 15.1), judge minus people +3.2 "
        "(95 % CI -1.0 to +7.4) over 40 labelled records in 3 groups; judge error <= 20"
    )


def test_lines_of_a_summary() -> None:
    """Intervals have a line of their own, where there are any."""
    assert list(agreement_lines("a.py::t", Agreement(2, None, 5.0, -5.0))) == [
        "people in a.py::t: 2 records, Spearman -, mean absolute error 5.0, judge minus people -5.0"
    ]
    assert list(agreement_lines("a.py::t", AGREEMENT))[1] == (
        "people in a.py::t, 95 % intervals: Spearman 0.52 to 0.84, mean absolute error 9.8 to "
        "15.1, judge minus people -1.0 to +7.4"
    )
    assert labels_line(UsedLabels("l.jsonl", None, 40, 37, 1, 2)) == (
        "l.jsonl: 37 of 40 labels are of responses of this run, 1 is of other responses, 2 are of "
        "other records"
    )


@pytest.mark.parametrize(
    ("count", "outcome", "text"),
    [
        (40, "passed", "agreement: passed, over 40 labelled records"),
        (19, "failed", "agreement: failed, it cannot tell, over 19 labelled records"),
        (40, "error", ""),
        (40, "not run", ""),
    ],
)
def test_what_the_head_of_a_report_says(count: int, outcome: str, text: str) -> None:
    """It stands beside the judge's check, with the figures for reports that have room."""
    gates = [GateResult("average", "failed", ""), GateResult("agreement", outcome, "")]

    statements = list(agreement_statement(replace(AGREEMENT, count=count), gates))

    assert [one.text for one in statements] == list(filter(None, [text]))
    assert all(one.figures == FIGURES.partition(" over ")[0] for one in statements)
    assert list(agreement_statement(None, gates)) == []


def test_figures_for_junit() -> None:
    """They are left out where nobody labelled anything."""
    assert agreement_counts(None) == ()
    assert agreement_counts(AGREEMENT) == (
        ("labelled", "40"),
        ("spearman", "0.71"),
        ("judge_error", "12.3"),
        ("judge_bias", "+3.2"),
    )


def test_what_a_results_file_says_is_what_its_records_say() -> None:
    """Counts and figures are computed anew; older files have no scores of people."""
    records = [
        {"score": 50, "human_score": 40.5, "labelers": 2},
        {"score": 30, "human_score": 40.0},
        {"score": None, "human_score": 40, "labelers": 1},
        {"score": 70},
    ]
    agreement = {"count": 2, "mean_absolute_error": 9.75, "bias": -0.25, "spearman": 1}
    suite = {"records": records, "agreement": agreement, "labels": {"used": 3}}

    def problems(**changed: object) -> list[str]:
        return list(agreement_contradictions({**suite, **changed}))

    assert problems() == []
    assert problems(records=[{"score": 70}], labels={"used": 0}) == []
    assert problems(agreement={**agreement, "bias": 2.0, "spearman": -1}, labels={"used": 4}) == [
        'its "bias" is 2.0, and by its records -0.25',
        'its "spearman" is -1, and by its records 1',
        'its "used" is 4, and by its records 3',
    ]
    assert problems(agreement=None)[0] == 'its "count" is null, and by its records 2'
