"""Flat names and values of results."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.data import CategoryResult, Rule, RunResult
from pytest_llmjudge.kinds.document import results_document
from pytest_llmjudge.settings import DECIDING, Settings, read_settings
from pytest_llmjudge.tracking import metrics, outcome, params, records
from pytest_llmjudge.tracking.options import deciding_options
from tests.support.results import compared, exam, pair, pairs, scored, subject, suite

if TYPE_CHECKING:
    from pytest_llmjudge.data import AnyResult

NAME = "test_a.py/test_a"
OTHERS = {
    *("url", "checkpoint_url", "concurrency", "timeout", "cache", "batch_size"),
    *("report", "html", "responses", "markdown", "mlflow", "annotations", "explain", "paths"),
    *(
        "checkpoint_url_forced",
        "baseline_forced",
        "base_forced",
        "tokenizer_forced",
        "explain_forced",
        "responses_field_forced",
    ),
    *("checkpoint_forced", "labels_options", "server_options", "suite_options"),
    *("ray", "ray_cpus", "ray_forced", "shard"),
}
"""Fields of the settings that decide nothing."""


def document(*results: AnyResult, **more: Any) -> dict[str, Any]:  # noqa: ANN401  # fields of a run
    """Make results as they are read from a file."""
    run = RunResult("2026-01-02T03:04:05+00:00", results, **more)
    plain: dict[str, Any] = json.loads(json.dumps(results_document(run, "0.1.0")))
    return plain


def test_metrics_of_a_judged_suite() -> None:
    """Its figures, their bounds and those of each category and of the baseline; no limits."""
    made = suite(
        [scored("r1", 80), scored("r2", 60)],
        min_average=50.0,
        categories=(CategoryResult("history", 2, (80, 60), 40.0),),
        comparison=compared(),
    )

    found = metrics(document(made))

    assert found[f"{NAME}/average"] == 70.0
    assert found[f"{NAME}/average_lower"] == pytest.approx(-57.062, abs=0.001)
    assert found[f"{NAME}/average_upper"] == pytest.approx(197.062, abs=0.001)
    assert found[f"{NAME}/categories/history/average"] == 70.0
    assert found[f"{NAME}/baseline/difference"] == -16.3
    assert found[f"{NAME}/baseline/difference_lower"] == -24.7
    assert found["suites"] == found["suites_passed"] == 1.0
    assert [name for name in found if "min_" in name or "/rule" in name] == []


def test_metrics_of_other_kinds() -> None:
    """An exam has its subjects, and pairs have their win rate."""
    found = metrics(document(exam([subject("anatomy", 3, 4)]), pairs([pair("r1", "a")])))

    assert found["test_m.py/test_mmlu/subjects/anatomy/accuracy"] == 0.75
    assert found["test_p.py/test_pairs/win_rate"] == 1.0
    assert "test_m.py/test_mmlu/shots" not in found


def test_params() -> None:
    """Judge, models, limits also of categories, and the rule of the baseline."""
    made = suite([scored("r1", 80)], categories=(CategoryResult("history", 1, (80,), 40.0),))

    found = params(document(made, rules={"test_a.py::test_a": Rule(margin=2.0)}))

    assert found["judge/model"] == "llama3"
    assert found[f"{NAME}/checkpoint/fingerprint"] == "0123456789abcdef"
    assert found[f"{NAME}/min_score"] == "50"
    assert found[f"{NAME}/categories/history/min_average"] == "40.0"
    assert found[f"{NAME}/rule/margin"] == "2.0"


def test_records_have_the_same_keys() -> None:
    """Those of pairs and of exams too, so that they are one table."""
    rows = records(
        document(
            suite([scored("r1", 80)]), exam([subject("anatomy", 1, 1)]), pairs([pair("r1", "a")])
        )
    )

    assert [row["suite"] for row in rows] == [
        "test_a.py::test_a",
        "test_m.py::test_mmlu",
        "test_p.py::test_pairs",
    ]
    assert len({tuple(row) for row in rows}) == 1
    assert rows[0]["score"] == 80
    assert rows[1]["subject"] == "anatomy"
    assert all(value is None or isinstance(value, (str, int, float)) for value in rows[1].values())


@pytest.mark.parametrize(
    ("outcomes", "status", "wanted"),
    [
        (("passed", "failed"), 1, "failed"),
        (("incomplete", "passed"), 1, "incomplete"),
        (("passed",), 0, "passed"),
        (("passed",), 1, "failed"),
        (("passed",), 2, "incomplete"),
    ],
)
def test_the_outcome_of_a_run(outcomes: tuple[str, ...], status: int, wanted: str) -> None:
    """It is that of its worst suite, or what the exit status says."""
    suites = [suite([scored("r1", 80)], one, name=f"t.py::t{one}") for one in outcomes]

    assert outcome(document(*suites, status=status)) == wanted


ALLOWED = re.compile(r"[A-Za-z0-9_.\- /]{1,250}")


@given(st.lists(st.text(max_size=300), min_size=1, max_size=4, unique=True))
def test_names_suit_every_tracker(categories: list[str]) -> None:
    """They are short, plain, no paths that lead elsewhere, and no two are the same."""
    made = suite(
        [scored("r1", 80)],
        categories=tuple(CategoryResult(name, 1, (80,), None) for name in categories),
    )

    averages = [
        name for name in metrics(document(made)) if re.search(r"(?s)categories/.*average$", name)
    ]

    assert len(averages) <= len(categories)
    for name in metrics(document(made)):
        assert ALLOWED.fullmatch(name)
        assert not {"", ".", ".."} & set(name.split("/"))
    totals = [name for name in metrics(document(made)) if "/categories/" in name]
    # Each has a total, how many are scored, and an average; of one record there is no interval.
    assert len(totals) == 3 * len(categories)


def test_every_option_is_known_to_decide_or_not() -> None:
    """A new one has to be put in one of two lists."""
    assert {field.name for field in fields(Settings)} == {*DECIDING} | OTHERS


def test_options_that_decide() -> None:
    """As text, paths as they are shown; those that are not set are left out."""
    given = {
        "llm_judge_baseline": ("old.json", "cli"),
        "llm_judge_samples": ("3", "cli"),
        "llm_judge_stop": ("END\0", "cli"),
        "llm_judge_url": ("http://me:secret@localhost:11434\n", "cli"),
    }
    settings = read_settings(given, Path("/home/me"), Path("/home/me"), "pytest.ini")

    found = deciding_options(settings, lambda path: path.name)

    assert found["baseline"] == "old.json"
    assert found["samples"] == "3"
    assert found["stop"] == '["END"]'
    assert found["ask"] == "integer"
    assert "min_score" not in found
    assert "secret" not in "".join(found.values())
