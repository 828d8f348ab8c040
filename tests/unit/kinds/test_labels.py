"""Which scores of people count for a response, and how many labels a run uses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_llmjudge.data import (
    Design,
    FollowUp,
    Label,
    LabelsFile,
    Record,
    RecordResult,
    UsedLabels,
)
from pytest_llmjudge.kinds.labels import HumanScore, SuiteLabels, used_labels
from pytest_llmjudge.records.answers import join_answers
from pytest_llmjudge.stats.labels import response_digest

DESIGN = Design("test_q.py::test_i", 3, 2, 123, "0" * 64)


def record(name: str, **fields: object) -> Record:
    return Record(name, "Say it.", "", "It.", fields)


def label(name: str, response: str, score: int, labeler: str = "ana") -> Label:
    return Label(name, response_digest(response), score, labeler)


def labels_file(*labels: Label) -> LabelsFile:
    return LabelsFile("/project/labels.jsonl", DESIGN, labels)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("Paris", HumanScore(70, 2)),
        ("Lyon", HumanScore(55.5, 2)),
        ("Nice", None),
        (None, None),
    ],
)
def test_labels_are_of_one_response(response: str | None, expected: HumanScore | None) -> None:
    """The mean of those who read it counts, a whole number where it is one."""
    file = labels_file(
        *(label("r0", "Paris", 60), label("r0", "Paris", 80, "bob")),
        *(label("r0", "Lyon", 55), label("r0", "Lyon", 56, "bob")),
        label("r1", "Nice", 10),
    )
    labels = SuiteLabels([record("r0")], file)

    people = labels.of(record("r0"), response)

    assert people == expected
    assert people is None or isinstance(people.score, type(expected and expected.score))


def test_labels_come_before_a_score_in_the_records_file() -> None:
    """For the same response; for others of the record's own response that score counts."""
    scored = record("r0", model_response="Paris", human_score=10)
    both = SuiteLabels([scored], labels_file(label("r0", "Paris", 90)))
    other = SuiteLabels([scored], labels_file(label("r0", "Lyon", 90)))
    none = SuiteLabels([scored], None)

    assert both.of(scored, "Paris") == HumanScore(90, 1)
    assert other.of(scored, "Paris") == none.of(scored, "Paris") == HumanScore(10, 0)
    assert other.of(scored, "Nice") is None
    assert not other.has_used([HumanScore(10, 0), None])
    assert none.has_used([HumanScore(10, 0), None])


def test_the_answers_to_all_turns_are_one_response() -> None:
    """Its digest is of what a results file shows, which is what a person read."""
    turns = replace(record("r0"), follow_ups=(FollowUp("And?", "More."),))
    labels = SuiteLabels([turns], labels_file(label("r0", "Turn 1:\na\n\nTurn 2:\nb", 30)))

    assert labels.of(turns, join_answers(["a", "b"])) == HumanScore(30, 1)


def test_how_many_labels_are_used() -> None:
    """Others are of another response, or of a record that the suite does not have."""
    records = [record("r0"), record("r1"), record("r2")]
    file = labels_file(
        *(label("r0", "Paris", 60), label("r0", "Paris", 80, "bob"), label("r0", "Lyon", 1)),
        *(label("r1", "Nice", 10), label("gone", "Nice", 10), label("r2", "Nice", 10)),
    )
    labels = SuiteLabels(records, file)
    results = [
        RecordResult(records[0], "Paris", 50, "50", None, "passed", labelers=2),
        RecordResult(records[1], "Bern", 50, "50", None, "passed"),
        RecordResult(records[2], None, None, None, "it was not run", "not run"),
    ]

    assert labels.records == {"r0", "r1", "r2"}
    assert used_labels(labels.plain("labels.jsonl"), results) == UsedLabels(
        "labels.jsonl", DESIGN, total=6, used=2, other_responses=2, other_records=1
    )
    assert used_labels(SuiteLabels(records, None).plain(""), results) is None


def test_all_processes_have_to_read_the_same_labels() -> None:
    """Another score is another content, wherever in the file it stands."""
    first, second = (
        next(SuiteLabels([], labels_file(label("r0", "Paris", score))).shared("a.py::t"))
        for score in (60, 61)
    )

    assert (first.key, first.where) == ("a.py::t labels", "labels.jsonl")
    assert first.value != second.value
    assert list(SuiteLabels([], None).shared("a.py::t")) == []


def test_what_says_that_none_is_used() -> None:
    """In the singular and in the plural, for labels and for scores in the records file."""
    scored = [record(f"r{number}", human_score=10) for number in range(2)]
    hint = "label the responses of this run with llmjudge label"

    assert SuiteLabels(scored, labels_file(label("r0", "a", 1))).none_used() == (
        "the one label of labels.jsonl is not of a response of this run",
        hint,
    )
    assert SuiteLabels(scored, None).none_used() == (
        "none of 2 human_scores is of a response of this run",
        hint,
    )
    assert SuiteLabels(scored[:1], None).none_used()[0].startswith("the one human_score is not ")
