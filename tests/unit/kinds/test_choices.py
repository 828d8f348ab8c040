"""How suites of choices are read back from results files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_llmjudge.data import Record
from pytest_llmjudge.kinds.accuracy import shots_digest
from pytest_llmjudge.kinds.accuracy_results import AnsweredRecord
from pytest_llmjudge.kinds.choices import CHOICES
from pytest_llmjudge.questions.base import ChoiceQuestion, ExactQuestion


def saved_record(name: str, *logprobs: float, answer: str = "A", norm: str = "A") -> dict[str, Any]:
    prediction = "ABC"[max(range(3), key=logprobs.__getitem__)]
    return {
        "id": name,
        "instruction": "Which?",
        "input": "",
        "output": "one",
        "choices": ["one", "2", "six"],
        "answer": answer,
        "prediction": prediction,
        "prediction_norm": norm,
        "logprobs": list(logprobs),
        "shots": 0,
        "is_cut": False,
        "correct": prediction == answer,
        "category": "law",
        "error": None,
        "outcome": "passed",
    }


def saved_suite(**values: object) -> dict[str, Any]:
    records = [saved_record("a", -1, -2, -3), saved_record("b", -2, -1, -3)]
    law = {"total": 2, "scored": 2, "correct": 1, "accuracy": 0.5, "ci95": None}
    return {
        "name": "test_a.py::test_a",
        "kind": "choices",
        "preset": None,
        "mode": "continuation",
        "shots": 5,
        "shots_digest": "abc",
        "metric": "acc",
        "chance": 0.3333,
        "total": 2,
        "scored": 2,
        "unscored": 0,
        "correct": 1,
        "accuracy": 0.5,
        "ci95": [0.1, 0.9],
        "acc": 0.5,
        "acc_norm": 1.0,
        "categories": {"law": law},
        "records": records,
        **values,
    }


def test_what_agrees_with_itself() -> None:
    """Nothing is said of it, and it compares by all that decides an answer."""
    suite = saved_suite()

    assert list(CHOICES.contradictions(suite)) == []
    side = CHOICES.saved_side(suite, None)
    assert side.terms == {
        "preset or mode": "continuation",
        "metric": "acc",
        "number of shots": "5",
        "digest of the shots": "abc",
    }
    assert [(entry.score, entry.response) for entry in side.entries] == [
        (100, "A. one"),
        (0, "B. 2"),
    ]
    assert len({entry.content for entry in side.entries}) == 1


def test_the_metric_that_decides() -> None:
    """By it a record is right."""
    records = [{**one, "correct": True} for one in saved_suite()["records"]]
    values = {"correct": 2, "accuracy": 1.0}
    law = {**saved_suite()["categories"]["law"], **values}
    suite = saved_suite(metric="acc_norm", records=records, categories={"law": law}, **values)

    assert list(CHOICES.contradictions(suite)) == []
    assert CHOICES.saved_answer(suite["records"][1], suite) == "A. one"


def test_what_the_page_shows_of_a_question() -> None:
    """Its choices stand below it, behind their letters."""
    record = Record("a", "Which?", "", "two", {})
    facts = {"choices": ["one", "two"], "answer": "B"}
    one = AnsweredRecord(record, facts, None, "", "", None, "not run", None, None)

    shown = CHOICES.shown_record(one)

    assert (shown.instruction, shown.input, shown.output) == ("Which?", "A. one\nB. two", "B. two")


@pytest.mark.parametrize(
    ("suite", "record", "problem"),
    [
        ({"acc_norm": 0.5}, {}, 'its "acc_norm" is 0.5, and by its records 1'),
        ({"chance": 0.25}, {}, 'its "chance" is 0.25, and by its records 0.3333'),
        ({"correct": 2}, {}, 'its "correct" is 2, and by its records 1'),
        ({"scored": 1}, {}, 'its "scored" is 1, and by its records 2'),
        (
            {"categories": {"law": {"total": 2, "scored": 2, "correct": 2, "accuracy": 1.0}}},
            {},
            'category law: its "correct" is 2, and by its records 1',
        ),
        ({}, {"correct": False}, 'a: its "correct" is false, and by its answer true'),
        ({}, {"answer": "D"}, 'a: its "answer" is D, and it has 3 choices'),
        ({}, {"prediction_norm": "Z"}, 'a: its "prediction_norm" is Z, and it has 3 choices'),
        ({}, {"logprobs": [-1.0, -2.0]}, 'a: it has 2 "logprobs", and 3 choices'),
        (
            {},
            {"logprobs": [-2.0, -1.0, -3.0]},
            'a: its "prediction" is A, and another choice is likelier',
        ),
        (
            {},
            {"choices": ["one", "a longer one", "six"]},
            'a: its "prediction_norm" is A, and another choice is likelier for its length',
        ),
        (
            {},
            {"prediction_norm": None},
            'a: its "prediction_norm" is null, and another choice is likelier for its length',
        ),
        (
            {"mode": "letters"},
            {"prediction_norm": "B"},
            'a: its "prediction_norm" is B, and another choice is likelier for its length',
        ),
        ({}, {"id": "b"}, "two of its records have the id b"),
    ],
)
def test_contradictions(suite: dict[str, Any], record: dict[str, Any], problem: str) -> None:
    """What was edited or joined is found."""
    edited = saved_suite(**suite)
    edited["records"][0].update(record)

    assert problem in list(CHOICES.contradictions(edited))


def test_the_digest_of_the_shots() -> None:
    """It changes with their order and their solutions, and not with how often they are shown."""
    one = ChoiceQuestion("Which?", ("one", "two"), 0, None, {})
    other = replace(one, text="What?")
    sum_of = ExactQuestion("2 + 2?", "4", "2 + 2 = 4", None, {})

    digest = shots_digest([(one, other)])

    assert digest == shots_digest([(one, other), (one, other)])
    assert digest != shots_digest([(other, one)])
    assert digest != shots_digest([(replace(one, answer=1), other)])
    assert shots_digest([(sum_of,)]) != shots_digest([(replace(sum_of, solution="It is 4"),)])
    assert shots_digest([()]) is None
