"""Which responses of a suite are explained."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_llmjudge.data import CategoryResult, Entry, Explanation, GateResult, SuiteResult
from pytest_llmjudge.kinds.explaining import failing, questions_about, with_explanations
from tests.support.runs import result, suite

SCORES = {"a": 40, "b": 100, "c": 0, "d": 60, "e": 40}


def make(**fields: object) -> SuiteResult:
    """Make a suite that sets nothing for single records."""
    results = [result(name, score, outcome="passed") for name, score in SCORES.items()]
    return suite(results, **{"min_score": None, **fields})


def names(made: SuiteResult, before: dict[str, float] | None = None) -> str:
    entries = {name: Entry(name, "", score, "x") for name, score in (before or {}).items()}
    return "".join(one.record.id for one in failing(made, entries))


def gate(name: str, outcome: str = "failed") -> GateResult:
    return GateResult(name, outcome, "")


def test_records_that_failed() -> None:
    """They are asked about the worst first, whatever the gates say."""
    results = [result(name, score) for name, score in SCORES.items()]

    assert names(suite(results, gates=(gate("average"),))) == "cae"


def test_a_record_with_all_points() -> None:
    """It failed for a reason of its test's, which no judge knows."""
    assert names(suite([result("a", 100, outcome="failed")])) == ""


@pytest.mark.parametrize("outcome", ["passed", "error", "not run"])
def test_nothing_failed(outcome: str) -> None:
    """Nothing is asked."""
    assert names(make(gates=(gate("average", outcome), gate("baseline", outcome)))) == ""


def test_the_average_failed() -> None:
    """Those are asked about that are below it."""
    assert names(make(gates=(gate("average"),), min_average=55.0)) == "cae"


def test_the_average_failed_for_want_of_scores() -> None:
    """No record with a score is the reason."""
    made = make(gates=(gate("average"),))

    assert names(replace(made, total=6)) == ""


def test_a_category_failed() -> None:
    """Its own records are asked about."""
    made = make(gates=(gate("average:x"), gate("average:y", "passed")))
    records = [replace(one, category="x" if one.record.id in "ad" else "y") for one in made.records]
    categories = (CategoryResult("x", 2, (40, 60), 55.0), CategoryResult("y", 3, (100, 0, 40), 1.0))

    assert names(replace(made, records=tuple(records), categories=categories)) == "a"


def test_the_baseline_failed() -> None:
    """Those are asked about that lost most."""
    made = make(gates=(gate("baseline"),))

    assert names(made, {"a": 50, "b": 100, "c": 5, "d": 90, "e": 30}) == "dac"


def test_several_gates_failed() -> None:
    """Each record is asked about once."""
    made = make(gates=(gate("average"), gate("baseline")), min_average=20.0)

    assert names(made, {"c": 50, "d": 90}) == "cd"


def test_the_number() -> None:
    """It bounds the questions of a suite."""
    made = make(gates=(gate("average"),), min_average=90.0)

    assert [one.id for one in questions_about(made, {}, 2)] == ["c", "a"]
    assert [one.id for one in questions_about(made, {}, None)] == ["c", "a", "e", "d"]


def test_where_explanations_go() -> None:
    """Nothing else of a result changes."""
    made = make()
    said = Explanation("It is wrong.")

    explained = with_explanations(made, {"c": said, "gone": said})

    assert [one.explanation for one in explained.records] == [None, None, said, None, None]
    plain = [replace(one, explanation=None) for one in explained.records]
    assert replace(explained, records=tuple(plain)) == made
