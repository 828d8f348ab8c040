"""Parts of scores: what they average, what they are called, and how reports show them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.data import CategoryResult, Criterion, RecordResult
from pytest_llmjudge.kinds.document import results_document
from pytest_llmjudge.kinds.parts import (
    average_by_part,
    nouns_of,
    part_contradictions,
    plain_parts,
)
from pytest_llmjudge.reporting.markup import joined
from pytest_llmjudge.reporting.run_markdown import run_sections
from pytest_llmjudge.reporting.terminal import summary_lines
from tests.support.results import run, scored, suite
from tests.support.runs import run as run_of
from tests.support.runs import suite as suite_of
from tests.support.schema import check_results

NAMES = st.sampled_from(["correct", "polite", "turn 1"])


def result(score: int | None, *parts: tuple[str, int]) -> RecordResult:
    return scored("r0", score, "error" if score is None else "passed", parts=parts)


def part(name: str, *scores: int) -> CategoryResult:
    return CategoryResult(name, len(scores), scores, None)


@given(st.lists(st.dictionaries(NAMES, st.integers(0, 100)), min_size=1))
def test_averages(scores: list[dict[str, int]]) -> None:
    """They are numpy's means of all records that have the part."""
    results = [result(50, *parts.items()) for parts in scores]

    plain = plain_parts(average_by_part(results, len(results)))

    assert set(plain) == {name for parts in scores for name in parts}
    for name, figures in plain.items():
        own = [parts[name] for parts in scores if name in parts]
        assert figures["scored"] == len(own)
        assert figures["average"] == pytest.approx(np.mean(own), abs=1e-4)


def test_an_unscored_record_may_have_any_part() -> None:
    """So no part has an average: what has no score may be the worst."""
    results = [result(60, ("correct", 80), ("polite", 40)), result(None)]

    correct, polite = average_by_part(results, 2)

    assert correct == CategoryResult("correct", 2, (80,), None)
    assert plain_parts([polite]) == {"polite": {"scored": 1, "average": None, "ci95": None}}
    assert average_by_part(results[:1], 2)[0].whole == ()


@pytest.mark.parametrize(
    ("names", "nouns"),
    [
        (["correct", "polite"], ("criterion", "criteria")),
        (["turn 1", "turn 2"], ("turn", "turns")),
        (["turn 1: polite", "turn 2: polite"], ("part", "parts")),
        (["turn 1", "polite"], ("part", "parts")),
        (["turn of phrase"], ("criterion", "criteria")),
    ],
)
def test_what_parts_are_called(names: list[str], nouns: tuple[str, str]) -> None:
    """Criteria, turns, or parts where they are of both kinds."""
    assert nouns_of([part(name, 1) for name in names]) == nouns


def saved(**figures: object) -> dict[str, Any]:
    """Return a suite of a results file with two records that have one part."""
    parts = {"polite": {"scored": 2, "average": 70.0, "ci95": None, **figures}}
    records = [{"parts": [{"name": "polite", "score": score}]} for score in (60, 80)]
    return {"total": 2, "scored": 2, "parts": parts, "records": records}


def test_a_results_file_that_contradicts_itself() -> None:
    """Figures of a part are those of its records; files of earlier versions have none."""
    assert list(part_contradictions(saved())) == []
    assert list(part_contradictions({"total": 0, "scored": 0, "records": []})) == []
    assert list(part_contradictions({**saved(average=None), "total": 3})) == []
    assert list(part_contradictions(saved(average=75.0))) == [
        'part polite: its "average" is 75.0, and by its records 70'
    ]


def test_the_results_file() -> None:
    """The suite has the averages, each record its scores; both follow the schema."""
    of = replace(result(60).record, criteria=(Criterion("polite", "Says please."),))
    record = replace(result(60, ("correct", 80), ("polite", 40)), record=of, thoughts="Hm.")
    parts = average_by_part([record], 1)

    document = results_document(run_of(suite_of([record], parts=parts)), "0.1.0")

    check_results(document)
    (plain,) = document["suites"]
    assert plain["parts"] == {
        "correct": {"scored": 1, "average": 80, "ci95": None},
        "polite": {"scored": 1, "average": 40, "ci95": None},
    }
    (row,) = plain["records"]
    assert row["parts"] == [{"name": "correct", "score": 80}, {"name": "polite", "score": 40}]
    assert row["thoughts"] == "Hm."


def test_the_terminal() -> None:
    """A row for each part, below the table of suites, without a column of outcomes."""
    parts = (part("correct", 80, 90), part("polite", 40, 60))
    summary = run(suite([result(60), result(75)], parts=parts))

    lines = [f"{line.text}{line.result}" for line in summary_lines(summary, 100)]

    start = lines.index("Averages by criterion in test_a.py::test_a: 2 criteria")
    assert lines[start + 1 : start + 4] == [
        "criterion  scored  average  95 % interval",
        "correct         2    85.00  21.5 to 100.0",
        "polite          2    50.00  0.0 to 100.0",
    ]


def test_many_parts() -> None:
    """The twelve that average lowest; ``-v`` and Markdown have all."""
    parts = tuple(part(f"turn {number}", 100 - number) for number in range(1, 15))
    summary = run(suite([result(60)], parts=parts))

    def rows(verbosity: int) -> list[str]:
        lines = summary_lines(summary, 100, verbosity)
        return [line.text[:7] for line in lines if re.match(r"turn \d", line.text)]

    assert rows(0)[0] == "turn 14"
    assert len(rows(0)) == 12
    assert len(rows(1)) == 14
    text = joined(list(run_sections(summary)))
    assert "### Averages by turn: test\\_a.py::test\\_a" in text
    assert "The 12 turns of 14 that average lowest." in text
    assert "<summary>14 turns</summary>" in text
    assert text.count("| turn 1 | 1 | 99.00 | - |") == 1
