"""How far a labeler has come, and how far labelers agree."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.labelling.messages import end_lines, ending, opening_lines
from pytest_llmjudge.labelling.outcome import Labeling, label_outcome
from pytest_llmjudge.stats.krippendorff import alpha, alpha_interval
from tests.unit.labelling.making import label_on, sample_of, write_responses

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_llmjudge.data import Label
    from pytest_llmjudge.labelling.sample import Sample

SCORES = {"ann": [90, 50, 0, 20], "ben": [100, 40, 10, 20], "cem": [80, 60]}


@pytest.fixture(name="sample")
def four_responses(tmp_path: Path) -> Sample:
    responses = ["one", "two", None, "three", "four"]
    return sample_of(write_responses(tmp_path / "a.json", responses))


@pytest.fixture(name="labels")
def three_labelers(sample: Sample) -> list[Label]:
    return [
        label_on(item, score, labeler=labeler)
        for labeler, scores in SCORES.items()
        for item, score in zip(sample.items, scores, strict=False)
    ]


def test_the_agreement_of_all(sample: Sample, labels: list[Label]) -> None:
    """Of all labelers, also of those who have not done all, for whoever is done."""
    outcome = label_outcome(sample, labels, "ann")

    units = [[90, 100, 80], [50, 40, 60], [0, 10], [20, 20]]
    assert outcome.own == Labeling("ann", 4, 40.0)
    assert outcome.others == (Labeling("ben", 4, 42.5), Labeling("cem", 2, 70.0))
    assert outcome.agreement is not None
    assert outcome.agreement.alpha == alpha(units)
    assert outcome.agreement.interval == alpha_interval(units)
    assert outcome.agreement.responses == 4


def test_nothing_of_others_before_the_end(sample: Sample, labels: list[Label]) -> None:
    """Who is not done is not told how others score."""
    outcome = label_outcome(sample, labels, "cem")

    assert (outcome.own.labels, outcome.others, outcome.agreement) == (2, (), None)
    lines = list(end_lines(sample, outcome, now=2, path="l.jsonl"))
    assert lines[0] == "2 labels written, 2 of 4 responses labelled; labels are in l.jsonl"
    assert not [line for line in lines if "ann:" in line or "Krippendorff" in line]


def test_in_words(sample: Sample, labels: list[Label]) -> None:
    """Each labeler, the agreement with its interval, and what cannot be labelled."""
    outcome = label_outcome(sample, labels, "ben")
    missing = "1 record of the sample has no response, so the labels cannot correct the average"
    figure, rows = ending(sample, outcome, "l.jsonl").figure, ending(sample, outcome, "l").rows

    assert outcome.agreement is not None
    assert outcome.agreement.alpha is not None
    assert outcome.agreement.interval is not None
    low, high = outcome.agreement.interval
    assert figure == (
        f"Krippendorff's alpha of 3 labelers on 4 responses: {outcome.agreement.alpha:.2f} (95 % CI "
        f"{low:.2f} to {high:.2f})"
    )
    assert list(end_lines(sample, outcome, now=1, path="l.jsonl")) == [
        "1 label written, 4 of 4 responses labelled; labels are in l.jsonl",
        *(f"  {name}: {value}" for name, value in rows),
        figure,
        missing,
    ]
    assert rows == (
        ("ben", "4 labels, mean score 42.5"),
        ("ann", "4 labels, mean score 40.0"),
        ("cem", "2 labels, mean score 70.0"),
    )
    assert list(opening_lines(sample, outcome, "a.json")) == [
        "test_a.py::test_a: 5 of 5 records drawn by the seed 123",
        "a.json: r2 has no response (it took too long) to be labelled",
        missing,
        "4 responses for ben, 4 labelled before",
    ]


def test_all_the_same_score(sample: Sample) -> None:
    """Alpha is not defined, and the line says why."""
    labels = [label_on(one, 50, labeler=who) for one in sample.items for who in ("ann", "ben")]

    assert ending(sample, label_outcome(sample, labels, "ann"), "l.jsonl").figure == (
        "Krippendorff's alpha of 2 labelers on 4 responses: not defined, as all scores are the same"
    )


def test_one_labeler_agrees_with_nobody(sample: Sample) -> None:
    """There is no figure for one, and labels of other responses are counted apart."""
    labels = [label_on(item, 50) for item in sample.items[:3]]
    fewer = sample_of_first(sample, 2)

    outcome = label_outcome(fewer, labels, "ann")

    assert (outcome.agreement, outcome.others, outcome.elsewhere) == (None, (), 1)
    assert ending(fewer, outcome, "l.jsonl").figure == ""
    assert list(opening_lines(fewer, outcome, "a.json"))[-2:] == [
        "the file keeps 1 label of other responses",
        "2 responses for ann, 2 labelled before",
    ]


def sample_of_first(sample: Sample, count: int) -> Sample:
    """Return a sample with fewer responses."""
    return replace(sample, items=sample.items[:count])
