"""How suites of exact answers are read back from results files."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_llmjudge.kinds.exact import EXACT_ANSWERS
from pytest_llmjudge.kinds.exact_results import shown_answer


def saved_record(name: str, extracted: str | None, *, correct: bool | None) -> dict[str, Any]:
    filters = {"last-number": {"extracted": extracted, "correct": bool(correct)}}
    return {
        "id": name,
        "instruction": "How many?",
        "input": "",
        "output": "5",
        "response": "It is 5.",
        "extracted": extracted,
        "filters": {} if correct is None else filters,
        "correct": correct,
        "error": None,
        "outcome": "passed",
    }


def saved_suite(*records: dict[str, Any], **values: object) -> dict[str, Any]:
    return {
        "name": "test_a.py::test_a",
        "kind": "exact",
        "preset": None,
        "extract": "last-number",
        "shots": 0,
        "shots_digest": None,
        "total": 2,
        "scored": 2,
        "unscored": 0,
        "correct": 1,
        "accuracy": 0.5,
        "ci95": [0.1, 0.9],
        "filters": {"last-number": {"correct": 1, "accuracy": 0.5}},
        "cut": 0,
        "records": records
        or [saved_record("a", "5", correct=True), saved_record("b", None, correct=False)],
        **values,
    }


def test_a_file_without_contradictions() -> None:
    """Whole, and with a record of which nobody knows what is extracted from its answer."""
    part = saved_suite(
        saved_record("a", "5", correct=True),
        saved_record("b", None, correct=None),
        **dict.fromkeys(("correct", "accuracy", "ci95")),
        scored=1,
        unscored=1,
        filters={},
    )

    assert [*EXACT_ANSWERS.contradictions(saved_suite())] == []
    assert [*EXACT_ANSWERS.contradictions(part)] == []


def test_filters_in_another_order() -> None:
    """Whatever sorts a file's names, the filter decides that the extraction names."""
    filters = {
        "flexible-extract": {"extracted": "5", "correct": True},
        "strict-match": {"extracted": None, "correct": False},
    }
    record = {**saved_record("a", None, correct=False), "filters": filters}
    shares = {
        "flexible-extract": {"correct": 1, "accuracy": 1.0},
        "strict-match": {"correct": 0, "accuracy": 0.0},
    }
    values = {"total": 1, "scored": 1, "correct": 0, "accuracy": 0.0}
    suite = saved_suite(record, extract="gsm8k", filters=shares, **values)

    assert [*EXACT_ANSWERS.contradictions(suite)] == []


def test_a_file_of_an_earlier_version_that_was_sorted() -> None:
    """The filter that decides is the first of a result, and its reference stands in for itself."""
    filters = {
        "flexible-extract": {"extracted": "5", "correct": True},
        "strict-match": {"extracted": None, "correct": False},
    }
    record = {**saved_record("a", None, correct=False), "filters": filters, "output": "#### 5"}
    limits = {"min_accuracy": 0.5, "every_right": False, "outcome": "failed"}
    asked = {"extract": "gsm8k", "max_new_tokens": None, "responses": None}
    suite = saved_suite(record, **asked, **limits, checkpoint=None, data="data.json", total=1)

    (one,) = EXACT_ANSWERS.from_document(suite, None).records

    assert list(one.facts["filters"]) == ["strict-match", "flexible-extract"]
    assert (one.shown, one.expected) == ("(nothing found) It is 5.", "#### 5")


FILTER = {"last-number": {"correct": 2, "accuracy": 0.5}}
SHARE = {"last-number": {"correct": 1, "accuracy": 0.7}}
OTHER = {"strict-match": {"correct": 1, "accuracy": 0.5}}


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        (saved_suite(filters=FILTER), 'filter last-number: its "correct" is 2'),
        (saved_suite(filters=SHARE), 'filter last-number: its "accuracy" is 0.7'),
        (saved_suite(filters=OTHER), 'its "filters" are not those of its records'),
        (saved_suite(filters={}), 'its "filters" are not those of its records'),
        (
            saved_suite(
                saved_record("a", "5", correct=True), saved_record("b", None, correct=None)
            ),
            'its "filters" are not those of its records',
        ),
        (saved_suite(cut=1), 'its "cut" is 1'),
        (saved_suite(accuracy=0.6), 'its "accuracy" is 0.6'),
        (saved_suite(records=[]), 'its "filters" are not those of its records'),
        (saved_suite(extract="exact"), 'a: its "correct" is true, and by its answer null'),
        (
            saved_suite(
                saved_record("a", None, correct=True), saved_record("b", None, correct=False)
            ),
            'a: its "correct" is true, and by its answer false',
        ),
        *(
            (
                saved_suite(
                    saved_record("a", "5", correct=True) | {"extracted": extracted},
                    saved_record("b", None, correct=False),
                ),
                'a: its "extracted" is not what last-number found',
            )
            for extracted in ("6", None)
        ),
        (
            saved_suite(
                saved_record("a", None, correct=None) | {"extracted": "5"},
                saved_record("b", None, correct=False),
            ),
            'a: its "extracted" is not what last-number found',
        ),
    ],
)
def test_contradictions(suite: dict[str, Any], message: str) -> None:
    """A figure that is not that of the records is found; what found nothing is not right."""
    problems = [*EXACT_ANSWERS.contradictions(suite)]

    assert any(problem.startswith(message) for problem in problems), problems


def test_what_has_to_be_the_same() -> None:
    """Extraction, preset, shots and their number; the prompt may be each model's own."""
    own = {"preset": None, "extract": "exact", "shots": 0, "shots_digest": None}
    preset = {"preset": "gsm8k", "extract": "gsm8k", "shots": 5, "shots_digest": "abc"}

    assert EXACT_ANSWERS.compared(own) == {
        "extraction": "exact",
        "preset": "none",
        "number of shots": "0",
    }
    assert EXACT_ANSWERS.compared(preset) == {
        "extraction": "gsm8k",
        "preset": "gsm8k",
        "number of shots": "5",
        "digest of the shots": "abc",
    }


def test_how_an_answer_is_shown() -> None:
    """With what was extracted before it, unless that is all of it."""
    assert shown_answer("It is 5.", "5") == "5 (from: It is 5.)"
    assert shown_answer(" 5\n", "5") == " 5\n"
    assert shown_answer("It is.", None) == "(nothing found) It is."


@pytest.mark.parametrize(
    ("extract", "wrong"),
    [("gsm8k", False), ("gsm8k-flexible", True), ("last-number", True)],
)
def test_the_filter_that_decides(extract: str, *, wrong: bool) -> None:
    """It is the one that the extraction names, whatever stands first in a file written anew."""
    filters: dict[str, dict[str, Any]] = {
        "flexible-extract": {"extracted": "5", "correct": True},
        "strict-match": {"extracted": None, "correct": False},
    }
    record = saved_record("a", None, correct=False)
    figures = {
        name: {"correct": int(one["correct"]), "accuracy": float(one["correct"])}
        for name, one in filters.items()
    }

    problems = [
        *EXACT_ANSWERS.contradictions(
            saved_suite(
                record | {"filters": filters},
                extract=extract,
                filters=figures,
                total=1,
                scored=1,
                correct=0,
                accuracy=0.0,
            )
        )
    ]

    assert bool(problems) is wrong
