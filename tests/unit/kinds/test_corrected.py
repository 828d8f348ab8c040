"""The corrected average of a suite, and what is said of it."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from pytest_llmjudge.data import CorrectedAverage, Design
from pytest_llmjudge.decisions.gates import decide_average
from pytest_llmjudge.kinds.corrected import (
    LabelledScore,
    correct,
    corrected_contradictions,
    saved_sample,
)
from pytest_llmjudge.stats.labels import draw

IDS = [f"r{number}" for number in range(60)]
DRAWN = draw(IDS, 20, 123)


def scores(people: float | None = None, group: str | None = None) -> list[LabelledScore]:
    """Return judged records of which those drawn are labelled, all alike where a score is given."""
    return [
        LabelledScore(
            name,
            place * 7 % 101,
            (place * 5 % 90 if people is None else people) if name in DRAWN else None,
            group,
        )
        for place, name in enumerate(IDS)
    ]


def corrected(given: list[LabelledScore]) -> CorrectedAverage:
    """Return a corrected average that there is."""
    average = correct(DRAWN, given)
    assert isinstance(average, CorrectedAverage)
    return average


@pytest.mark.parametrize(
    ("score", "interval"), [(100.0, (82, 100)), (0.0, (0, 18)), (50.0, (41, 59))]
)
def test_labels_that_are_all_the_same(score: float, interval: tuple[float, float]) -> None:
    """They leave open what the records have that were not drawn: up to 18 in 100 may differ."""
    average = corrected(scores(score))

    assert average.average == score
    assert average.interval == pytest.approx(interval, abs=1)


def test_labels_beyond_the_sample() -> None:
    """A label of a record that was not drawn corrects nothing: somebody chose it."""
    given = scores()
    other = next(at for at, one in enumerate(given) if one.people is None)
    more = [one._replace(people=0.0) if at == other else one for at, one in enumerate(given)]

    assert correct(DRAWN, more) == correct(DRAWN, given)


def test_a_record_without_a_label() -> None:
    """It is named, and there is no average without it."""
    given = [one._replace(people=None) if one.id == DRAWN[3] else one for one in scores()]

    assert correct(DRAWN, given) == (
        f"1 of the 20 records drawn has no label of this run's response: {DRAWN[3]}",
        "label the responses of this run with llmjudge label",
    )


def test_one_group() -> None:
    """Labels of one group do not show how far groups scatter."""
    given = [one._replace(group="same" if one.id in DRAWN else one.id) for one in scores()]

    assert correct(DRAWN, given) == (
        "all labelled records are in one group",
        "draw a sample with records of several groups",
    )


def test_a_correction_that_widens() -> None:
    """The reason of the gate says by how much, where the corrected average decides."""
    given = scores()
    average = corrected(given)
    judged = {one.id: one.score for one in given}

    decision = decide_average(judged, 10, {}, None, average, decides=True)

    width = average.interval[1] - average.interval[0]
    assert decision.passed
    assert "; the judge's own is " in decision.reason
    assert decision.reason.endswith(f" to {width:.2f} points")
    assert "; the correction widens the interval from " in decision.reason
    narrow = CorrectedAverage(average.average, (40.0, 41.0), 0.5, 20)
    assert "widens" not in decide_average(judged, 10, {}, None, narrow, decides=True).reason


def test_a_file_without_what_its_average_is_made_of() -> None:
    """A corrected average without design, or with an unscored record, is no product of a run."""
    suite = {"total": 1, "records": [], "labels": {"design": None}}
    assert not list(corrected_contradictions(suite))

    suite["corrected"] = {"average": 50.0, "labels": 20}
    assert list(corrected_contradictions(suite)) == [
        'it has a "corrected" average without all that one is made of'
    ]


def test_a_file_whose_corrected_average_was_edited() -> None:
    """It is told from the judge's own average, and the sample is drawn again by any whole number."""
    records = [
        {
            "id": one.id,
            "score": one.score,
            "human_score": one.people,
            "labelers": int(one.people is not None),
        }
        for one in scores()
    ]
    ids = [one.id for one in scores()]
    design = {"suite": "s", "total": len(ids), "size": 20.0, "seed": 123, "records": "0", "new": 1}
    average = corrected(scores()).average
    suite = {
        "total": len(records),
        "records": records,
        "labels": {"design": design},
        "corrected": {"average": average, "labels": 20},
    }
    assert not list(corrected_contradictions(suite))
    assert saved_sample(suite)[1] == frozenset(DRAWN)

    suite["corrected"] = {"average": 99, "labels": 20}
    assert list(corrected_contradictions(suite)) == [
        f'corrected: its "average" is 99, and by its records {average:g}'
    ]


def test_a_design_that_a_later_version_wrote() -> None:
    """What this version does not know of it is left alone."""
    design = Design("test_q.py::test_i", 60, 20, 123, "0" * 64)
    suite = {
        "corrected": {},
        "labels": {"design": {**asdict(design), "strata": 3}},
        "records": [{"id": name} for name in IDS],
    }

    assert saved_sample(suite) == (design, frozenset(DRAWN))
