"""Which questions make a score, and the verdict that is made of their verdicts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_llmjudge.data import Criterion, FollowUp, Record, Turn, Verdict
from pytest_llmjudge.pipeline.parts import has_parts, join_parts, parts_of
from pytest_llmjudge.records.answers import join_answers

RECORD = Record("r", "Say it.", "", "It.", {})
KIND, SHORT = Criterion("kind", "It is kind."), Criterion("short", "It is short.")


def with_parts(
    criteria: tuple[Criterion, ...] = (), follow_ups: tuple[FollowUp, ...] = ()
) -> Record:
    """Make a record of several parts."""
    return Record("r", "Say it.", "", "It.", {}, criteria=criteria, follow_ups=follow_ups)


def test_a_record_without_parts() -> None:
    """It is asked about as it is."""
    assert not has_parts(RECORD)
    assert parts_of(RECORD, "it") == [("", RECORD, "it")]
    only = with_parts((Criterion("", "It is kind."),))
    assert not has_parts(only)
    assert parts_of(only, "it") == [("", only, "it")]


def test_each_criterion_is_a_part() -> None:
    """Under its name, in its order."""
    record = with_parts((KIND, SHORT))

    assert has_parts(record)
    assert parts_of(record, "it") == [
        ("kind", with_parts((KIND,)), "it"),
        ("short", with_parts((SHORT,)), "it"),
    ]


def test_each_turn_is_a_part() -> None:
    """With the model's own answers before it, and its own reference."""
    record = with_parts(follow_ups=(FollowUp("Again?", "Again."), FollowUp("Why?", "")))

    parts = parts_of(record, join_answers(["a", "b", "c"]))

    assert [(part.name, part.response) for part in parts] == [
        ("turn 1", "a"),
        ("turn 2", "b"),
        ("turn 3", "c"),
    ]
    assert parts[0].record == RECORD
    assert (parts[1].record.instruction, parts[1].record.output) == ("Again?", "Again.")
    assert parts[2].record.turns == (
        Turn("user", "Say it."),
        Turn("assistant", "a", is_own=True),
        Turn("user", "Again?"),
        Turn("assistant", "b", is_own=True),
    )
    assert not any(has_parts(part.record) for part in parts)


def test_each_criterion_of_each_turn() -> None:
    """The names have both."""
    record = with_parts((KIND, SHORT), (FollowUp("Again?", ""),))

    names = [part.name for part in parts_of(record, join_answers(["a", "b"]))]

    assert names == ["turn 1: kind", "turn 1: short", "turn 2: kind", "turn 2: short"]


@pytest.mark.parametrize(
    ("scores", "mean"), [((90, 40), 65), ((1, 2), 2), ((2, 3), 2), ((0, 0, 100), 33)]
)
def test_the_score_is_the_mean(scores: tuple[int, ...], mean: int) -> None:
    """Half-way to the even integer."""
    verdicts = [(f"p{at}", Verdict(score, str(score))) for at, score in enumerate(scores)]

    joined = join_parts(verdicts)

    assert joined.score == mean
    assert joined.parts == tuple((name, verdict.score) for name, verdict in verdicts)
    assert joined.reply.splitlines()[0] == f"p0: {scores[0]}"


def test_a_part_without_a_score() -> None:
    """There is none of the whole, for the reason of the first that has none."""
    lost = Verdict(None, "well", "x: it is lost; try again", final=False, is_infrastructure=True)

    joined = join_parts([("a", Verdict(90, "90")), ("b", lost)])

    assert (joined.score, joined.error, joined.is_infrastructure) == (None, lost.error, True)
    assert (joined.parts, joined.reply) == ((), "a: 90\nb: well")
    own = replace(lost, is_infrastructure=False)
    assert join_parts([("a", Verdict(90)), ("b", own)]).error == "b: x: it is lost; try again"


def test_samples_of_parts() -> None:
    """Each draw has the mean of its parts."""
    parts = [("a", Verdict(90, samples=(90, 80))), ("b", Verdict(40, samples=(40, 20)))]

    assert join_parts(parts).samples == (65, 50)
    assert join_parts([*parts, ("c", Verdict(0))]).samples == ()


def test_a_name_is_a_part() -> None:
    """Also where it is the only one."""
    assert has_parts(with_parts((KIND,)))
    assert join_parts([("kind", Verdict(90))]).parts == (("kind", 90),)


def test_the_least_of_what_is_covered() -> None:
    """The least sure of weighted answers says how sure the whole is."""
    parts = [("a", Verdict(90, covered=0.9)), ("b", Verdict(80, covered=0.7)), ("c", Verdict(0))]

    assert join_parts(parts).covered == 0.7
