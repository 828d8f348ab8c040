"""What is said of a suite's overlap with the training data, and how it is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_llmjudge.data import Duplicate, Overlap, TrainingFile
from pytest_llmjudge.data.summary import Excerpts
from pytest_llmjudge.kinds.overlap import (
    decide_overlap,
    overlap_blocks,
    overlap_contradictions,
    overlap_from_plain,
    overlap_panel,
    overlap_text,
    saved_overlap,
    wanted_overlap,
)


def make(exact: int, near: int, most: float | None = None, unread: int = 0) -> Overlap:
    """Make an overlap of 20 records; each near one is a little less alike than the one before."""
    problem = "record 3: it is a number" if unread else ""
    duplicates = [
        Duplicate(
            f"{'e' if is_exact else 'r'}{number}",
            is_exact=is_exact,
            similarity=1.0 if is_exact else 0.99 - number / 100,
            file="t.json",
            place=f"record {number}",
            text="Say it.",
        )
        for is_exact, count in ((False, near), (True, exact))
        for number in range(count)
    ]
    return Overlap(20, (TrainingFile("t.json", 30, unread, problem),), tuple(duplicates), most)


@pytest.mark.parametrize(
    ("overlap", "reason"),
    [
        (make(0, 0), "none of 20 records appears in the training data, word for word or nearly"),
        (make(0, 3), "none of 20 records appears in the training data word for word (3 nearly)"),
        (
            make(1, 0),
            (
                "1 of 20 records appears in the training data word for word; take it out of the "
                "training data, or out of the suite"
            ),
        ),
        (
            make(2, 3),
            (
                "2 of 20 records appear in the training data word for word (3 nearly); take them out of "
                "the training data, or out of the suite"
            ),
        ),
        (
            make(2, 3, 0.25),
            (
                "5 of 20 records (2 word for word and 3 nearly) appear in the training data, a share of "
                "0.25, no more than max_overlap 0.25"
            ),
        ),
        (
            make(0, 3, 0.1),
            (
                "3 of 20 records (0 word for word and 3 nearly) appear in the training data, a share of "
                "0.15, more than max_overlap 0.1"
            ),
        ),
        (
            make(0, 0, unread=2),
            (
                "none of 20 records appears in the training data, word for word or nearly; 2 of 30 "
                "records of t.json could not be read, and were left out (record 3: it is a number)"
            ),
        ),
    ],
)
def test_why(overlap: Overlap, reason: str) -> None:
    """One line says how many records appear there, and how; what was not compared too."""
    decision = decide_overlap(overlap)

    assert decision.reason == reason
    assert decision.passed == overlap.is_allowed


def test_the_first_ten_are_listed() -> None:
    """Exact ones by where they stand, near ones with their similarity and text, most alike first."""
    lines = overlap_text(make(12, 2)).splitlines()

    assert lines[1:3] == ["word for word:", "  e0  t.json: record 0"]
    assert lines[10:] == [
        "  e8  t.json: record 8",
        "  e9  t.json: record 9",
        "  and 2 more",
        "nearly:",
        "  0.99  r0  t.json: record 0: Say it.",
        "  0.98  r1  t.json: record 1: Say it.",
    ]
    assert len(overlap_text(make(12, 2), None).splitlines()) == 1 + 13 + 3


def test_kept_and_read_back() -> None:
    """All of them are in a results file, beside the figure without them."""
    overlap = make(1, 2, 0.5, unread=1)
    saved: dict[str, Any] = saved_overlap(overlap, "average", 41.23456, (30.0, 50.00001))
    plain = json.loads(json.dumps(saved["overlap"]))

    assert plain.pop("without") == {"total": 17, "average": 41.2346, "ci95": [30.0, 50.0]}
    assert overlap_from_plain(plain) == overlap
    assert saved_overlap(overlap, "average", None, None)["overlap"]["without"] is None
    assert saved_overlap(None, "average", None, None) == {}
    assert overlap_from_plain(None) is None


def test_figures_that_are_not_those_of_the_records() -> None:
    """A results file that contradicts itself is known by that."""
    saved = saved_overlap(make(1, 2), "average", None, None)

    assert list(overlap_contradictions({})) == list(overlap_contradictions(saved)) == []
    records = saved["overlap"]["records"]
    saved["overlap"] |= {"exact": 2, "records": [*records, records[0]]}
    assert list(overlap_contradictions(saved)) == [
        "two of its overlapping records have the id r0",
        'overlap: its "exact" is 2, and by its records 1',
        'overlap: its "near" is 2, and by its records 3',
    ]


def test_what_reports_show() -> None:
    """A line, the records, and the figure without them; nothing where the gate has not run."""
    line, excerpts = overlap_blocks("s", make(1, 1), "average", "50.00", "45.00")
    (panel,) = overlap_panel(make(1, 11), "average", "45.00")

    assert line == f"overlap of s: {decide_overlap(make(1, 1)).reason}"
    assert isinstance(excerpts, Excerpts)
    assert excerpts.title == "in the training data of s (average 50.00, without them 45.00)"
    assert [tuple(one) for one in excerpts.entries] == [
        ("exact", "e0", "t.json: record 0", "Say it."),
        ("0.99", "r0", "t.json: record 0", "Say it."),
    ]
    assert panel.facts[:4] == (
        ("training records", "30"),
        ("appear there word for word", "1"),
        ("appear there nearly", "11"),
        ("average without them", "45.00"),
    )
    assert panel.facts[4:6] == (("e0 (exact)", "record 0"), ("r0 (0.99)", "record 0"))
    assert (len(panel.facts), panel.lead) == (14, "and 2 more, which are in the results file")
    assert panel.is_bad
    assert len(list(overlap_blocks("s", make(0, 0), "average", "50.00", ""))) == 1
    assert not [*overlap_blocks("s", None, "average", "1", ""), *overlap_panel(None, "average", "")]
    assert wanted_overlap(make(0, 0)) == "no exact overlap"
    assert wanted_overlap(make(0, 0, 0.05)) == "overlap <= 0.05"
    assert wanted_overlap(None) == ""
