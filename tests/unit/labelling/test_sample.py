"""Which responses are asked about, in which order, and which sample a file goes on with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.labelling.sample import Item
from pytest_llmjudge.stats.labels import draw
from tests.support.ballots import record, suite_of, write_results
from tests.unit.labelling.making import sample_of, unanswered, write_responses

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [f"r{number}" for number in range(50)]


@pytest.fixture(name="results")
def write_fifty(tmp_path: Path) -> Path:
    return write_responses(tmp_path / "a.json", [f"Response to {name}." for name in NAMES])


def test_a_sample_of_forty(results: Path) -> None:
    """Drawn by the seed, with the digest of the response as the results file has it."""
    sample = sample_of(results)

    assert {item.record for item in sample.items} == set(draw(NAMES, 40, 123))
    assert (sample.design.total, sample.design.size, sample.design.seed) == (50, 40, 123)
    for item in sample.items:
        text = f"Response to {item.record}."
        assert item.response == text
        assert item.digest == hashlib.sha256(text.encode()).hexdigest()
        assert item.asked.instruction == f"Say {item.record}."
        assert item.reference


def test_no_score_is_at_hand(results: Path) -> None:
    """What a page can show of a response does not hold what the judge gave it."""
    for item in sample_of(results).items:
        assert item.asked.score is None
    assert "score" not in {field.name for field in fields(Item)}


def test_each_labeler_has_an_order(results: Path) -> None:
    """Of the same responses, which stays the same after a restart."""
    ann, again, ben = (
        [item.key for item in sample_of(results, labeler=who).items]
        for who in ("ann", "ann", "ben")
    )

    assert ann == again
    assert ann != ben
    assert sorted(ann) == sorted(ben)


def test_fewer_records_than_the_sample(results: Path) -> None:
    """All of them are labelled, and the file says how many that are."""
    sample = sample_of(results, size=60)

    assert len(sample.items) == sample.design.size == 50
    assert sample_of(results, known=sample.design, size=70).design == sample.design


def test_a_known_sample_goes_on(results: Path, tmp_path: Path) -> None:
    """With what the file says of it, also for the responses of another model."""
    known = sample_of(results, size=7, seed=9).design
    other = write_responses(tmp_path / "b.json", [f"Another to {name}." for name in NAMES])

    again, candidate = (sample_of(path, known=known) for path in (results, other))

    assert again.design == candidate.design == known
    assert {item.record for item in again.items} == {item.record for item in candidate.items}
    assert not {item.key for item in again.items} & {item.key for item in candidate.items}


@pytest.mark.parametrize(
    ("wanted", "way", "hint"),
    [
        ({"size": 30}, "it has 40 records and not 30", "--sample"),
        ({"seed": 5}, "it was drawn by the seed 123 and not by 5", "--seed"),
        (
            {"size": 30, "seed": 5},
            "it has 40 records and not 30, it was drawn by the seed 123 and not by 5",
            "--sample and --seed",
        ),
    ],
)
def test_another_sample_in_the_file(
    results: Path, wanted: dict[str, int], way: str, hint: str
) -> None:
    """The line says all that differs, and which options to leave out."""
    known = sample_of(results).design

    with pytest.raises(SettingsError) as error:
        sample_of(results, known=known, size=wanted.get("size"), seed=wanted.get("seed"))

    assert str(error.value) == (
        f"--out labels.jsonl: its sample is another one: {way}; name another file, or leave out "
        f"{hint} to go on with this one"
    )


def test_other_records(results: Path, tmp_path: Path) -> None:
    """More of them, or one that asks something else: nobody may mix the two."""
    known = sample_of(results).design
    more = write_responses(tmp_path / "b.json", ["x"] * 51)
    document = json.loads(results.read_text())
    document["suites"][0]["records"][3]["output"] = "Another reference."
    changed = tmp_path / "c.json"
    changed.write_text(json.dumps(document))

    fewer = write_responses(tmp_path / "d.json", ["x"] * 9)
    for path, way in (
        (fewer, f"it is of 50 records and {fewer} has 9"),
        (more, f"it is of 50 records and {more} has 51"),
        (changed, f"it is of other records than those of {changed}"),
    ):
        with pytest.raises(SettingsError) as error:
            sample_of(path, known=known)
        assert str(error.value) == (
            f"--out labels.jsonl: its sample is another one: {way}; name another file"
        )


def test_several_suites(results: Path, tmp_path: Path) -> None:
    """One has to be chosen for a new file; a file that was begun names its own."""
    records = [record(number, "x") for number in range(3)]
    path = write_results(
        tmp_path / "b.json", *(suite_of("m", records, name=f"test_{one}") for one in "ab")
    )

    with pytest.raises(SettingsError) as error:
        sample_of(path)
    assert str(error.value) == (
        f"{path}: it has 2 suites of scored records; choose one with --suite: test_a, test_b"
    )
    chosen = sample_of(path, suite="test_b").design
    assert chosen.suite == "test_b"
    assert sample_of(path, known=chosen).design == chosen
    with pytest.raises(SettingsError, match="it is of test_b and not of test_a; name another"):
        sample_of(path, known=chosen, suite="test_a")
    with pytest.raises(SettingsError) as error:
        sample_of(path, suite="test_c")
    assert str(error.value) == (
        f"{path}: it has no suite test_c of scored records; name results or a suite that fit; it "
        "has test_a, test_b"
    )
    with pytest.raises(SettingsError, match="no suite test_b of scored records, which is labelled"):
        sample_of(results, known=chosen)


def test_records_without_a_response(tmp_path: Path) -> None:
    """They are part of the sample and cannot be labelled; an empty response can."""
    path = write_responses(tmp_path / "a.json", ["x", None, "", "y"])

    sample = sample_of(path)

    assert sample.design.size == 4
    assert sorted(item.record for item in sample.items) == ["r0", "r2", "r3"]
    assert [(one.id, one.error) for one in sample.missing] == [("r1", "it took too long")]


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        (
            suite_of("m", [unanswered(0)]),
            "test_a.py::test_a: none of the 1 records that were drawn has a response; name results with responses",
        ),
        (
            suite_of("m", [record(0, "x")], total=3, unscored=2, average=None),
            "test_a.py::test_a: it has 1 of 3 records; name results of a run over all of them, from which a sample can be drawn",
        ),
        (
            None,
            "it has no responses that a judge scored; name results of a suite that is marked llm_judge",
        ),
    ],
)
def test_results_without_a_sample(
    tmp_path: Path, suite: dict[str, object] | None, message: str
) -> None:
    """One line says why nothing can be drawn."""
    path = write_results(tmp_path / "a.json", *([] if suite is None else [suite]))

    with pytest.raises(SettingsError) as error:
        sample_of(path)

    assert str(error.value) == f"{path}: {message}"


def test_several_turns(tmp_path: Path) -> None:
    """The digest is of the response as the results file shows it, under a heading for each turn."""
    shown = "Turn 1:\nOne.\n\nTurn 2:\nTwo."
    asked = record(
        0,
        shown,
        answers=["One.", "Two."],
        follow_ups=[{"instruction": "And then?", "output": "Nothing."}],
    )
    path = write_results(tmp_path / "a.json", suite_of("m", [asked]))

    (item,) = sample_of(path).items

    assert item.response == shown
    assert item.digest == hashlib.sha256(shown.encode()).hexdigest()
    assert replace(item.asked, response=None).follow_ups[0].instruction == "And then?"
