"""Categories of records: which there are, what they average, and what a marker may say of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from pytest_llmjudge.data import CategoryResult, Record, RecordResult
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.kinds.categories import (
    average_by_category,
    category_contradictions,
    category_of,
    check_categories,
    count_categories,
    plain_categories,
)
from pytest_llmjudge.settings import SuiteSettings

NAMES = st.sampled_from(["math", "prose", "a b", "ä"])


def record(name: str = "r0", **fields: object) -> Record:
    return Record(name, "Say it.", "", "It.", fields)


def settings(by: str | None = None, **averages: float) -> SuiteSettings:
    return SuiteSettings(None, None, None, "alpaca", None, None, by=by, min_averages=averages)


def result(category: str | None, score: int | None) -> RecordResult:
    return RecordResult(record(), "It.", score, "85", None, "passed", category=category)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("math", "math"),
        (" math\n", "math"),
        (3, "3"),
        (1.0, "1"),
        ("\ud800", "?"),
        *((value, None) for value in ("", " ", None, True, 1.5, ["math"], {"a": 1})),
    ],
)
def test_what_is_a_category(value: object, expected: str | None) -> None:
    """A text that is not blank, or a whole number; anything else is no category."""
    assert category_of(record(category=value), None) == expected
    assert category_of(record(group=value), "group") == expected
    assert category_of(record(group=value), None) is None


def test_categories_are_counted_in_the_order_of_the_file() -> None:
    """Records without one are in none."""
    records = [record(category=name) for name in ("b", "a", None, "b")]

    assert list(count_categories(records, None).items()) == [("b", 2), ("a", 1)]


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (
            settings(by="kind"),
            (
                's: by "kind" is no field with a text or a number in any record; the fields are '
                '"category" and "topic"'
            ),
        ),
        (
            settings(maths=40),
            (
                's: min_average names "maths", which no record has as its category; the categories '
                'are "math" and "prose"'
            ),
        ),
        (
            settings(by="topic", math=40),
            (
                's: min_average names "math", which no record has as its category; the categories '
                'are "1"'
            ),
        ),
        (
            settings(math=40),
            's: a record has the id "average:math", the name of a gate; give the record another id',
        ),
    ],
)
def test_what_a_marker_may_not_say(chosen: SuiteSettings, message: str) -> None:
    """One line, which names what there is."""
    records = [record("average:math", category="math", topic=1), record(category="prose")]

    with pytest.raises(SettingsError) as caught:
        check_categories("s", records, chosen.by, chosen.min_averages)

    assert str(caught.value) == message


@pytest.mark.parametrize("value", [["math"], True, 1.5, {"a": 1}])
@pytest.mark.parametrize("chosen", [settings(by="category"), settings(math=40)])
def test_values_that_are_no_categories(chosen: SuiteSettings, value: object) -> None:
    """Their records would silently be in no average; records without a value are in none."""
    records = [record(category="math"), record(category=None), record(category=" "), record()]
    check_categories("s", records, chosen.by, chosen.min_averages)

    more = [record("r4", category=value)] * 2

    with pytest.raises(SettingsError) as caught:
        check_categories("s", [*records, *more], chosen.by, chosen.min_averages)

    assert str(caught.value) == (
        's: "category" is neither a text, a whole number nor null in 2 of 6 records (the first is '
        "r4); write one category into it for each record"
    )


def test_a_gate_over_records_without_categories() -> None:
    """The field may have another name."""
    with pytest.raises(SettingsError) as caught:
        check_categories("s", [record()], None, ["math"])

    assert str(caught.value) == (
        's: min_average names "math", which no record has as its category; no record has a '
        "category; name the field that holds it with by="
    )


@given(st.lists(st.tuples(NAMES, st.integers(0, 100)), min_size=1))
def test_averages_and_intervals(scored: list[tuple[str, int]]) -> None:
    """They are numpy's means and scipy's t intervals of each category's scores."""
    totals = count_categories([record(category=name) for name, _ in scored], None)
    categories = average_by_category(totals, {"math": 40}, [result(*one) for one in scored])

    plain = plain_categories(categories)

    assert list(plain) == list(dict.fromkeys(name for name, _ in scored))
    for name, figures in plain.items():
        scores = [score for other, score in scored if other == name]
        assert figures["total"] == figures["scored"] == len(scores)
        assert figures["average"] == pytest.approx(np.mean(scores), abs=1e-4)
        assert figures["min_average"] == (40 if name == "math" else None)
        if len(scores) < 2:
            assert figures["ci95"] is None
            continue
        error = np.std(scores, ddof=1) / np.sqrt(len(scores))
        half = t.ppf(0.975, len(scores) - 1) * error
        expected = [np.mean(scores) - half, np.mean(scores) + half]
        assert figures["ci95"] == pytest.approx(expected, abs=1e-4)


def test_a_category_of_which_a_part_is_unscored() -> None:
    """It has no average: what has no score may be the worst."""
    results = [result("math", 90), result("math", None), result("prose", 80), result(None, 70)]

    math, prose = average_by_category({"math": 2, "prose": 1}, {}, results)

    assert math == CategoryResult("math", 2, (90,), None)
    assert (math.whole, prose.whole) == ((), (80,))
    assert plain_categories([math])["math"]["average"] is None


def saved(**figures: object) -> dict[str, Any]:
    """Return a suite of a results file with a category of two records."""
    known = {"total": 2, "scored": 2, "average": 70.0, "ci95": None, "min_average": None, **figures}
    records = [{"score": 60, "category": "math"}, {"score": 80, "category": "math"}, {"score": 1}]
    return {"categories": {"math": known}, "records": records}


def test_a_results_file_that_contradicts_itself() -> None:
    """Figures of a category are those of its records; files of earlier versions have none."""
    assert list(category_contradictions(saved())) == []
    assert list(category_contradictions({"records": []})) == []
    assert list(category_contradictions(saved(average=75.0))) == [
        'category math: its "average" is 75.0, and by its records 70'
    ]
    assert list(category_contradictions(saved(scored=1))) == [
        'category math: its "scored" is 1, and by its records 2'
    ]
