"""The numbers of a suite of pairs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.data import (
    AgainstReference,
    CheckpointReference,
    PairResult,
    PreferenceResult,
    Record,
)
from pytest_llmjudge.decisions.win_rate import Compared, summarise, summary_of, with_agreement

ORDERS = st.sampled_from([(), ("A", "A"), ("A", "B"), ("B", "A"), ("tie", "B"), ("tie", "tie")])
PAIRS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "tie"]), ORDERS, st.text(max_size=9), st.text(max_size=9)),
    max_size=30,
)
SWAPPED = {"a": "b", "b": "a", "tie": "tie"}


def result(winners: dict[str, str | None], **more: object) -> PreferenceResult:
    pairs = tuple(
        PairResult(Record(name, "", "", "", {}), "x", "y", winner, (), (), None, "passed")
        for name, winner in winners.items()
    )
    known: dict[str, object] = {
        "name": "suite",
        "path": "data.json",
        "checkpoint": CheckpointReference("new.pth", "f1", None),
        "against": AgainstReference("checkpoint", "old.pth", "f2"),
        "votes": None,
        "judge": None,
        "judge_label": "j",
        "total": len(pairs),
        "pairs": pairs,
        "gates": (),
        "min_win_rate": 0.5,
        "outcome": "passed",
    }
    return PreferenceResult(**{**known, **more})  # type: ignore[arg-type]


def test_numbers() -> None:
    """Wins, ties, losses; flips of those that were asked about; lengths in characters."""
    pairs: list[Compared] = [
        ("a", ("A", "B"), "xx", "y"),
        ("tie", ("B", "B"), "xxxx", "y"),
        ("tie", ("tie", "A"), "xx", "y"),
        ("tie", (), "x", "x"),
        ("b", ("B", "A"), "x", "yyyyyy"),
    ]

    summary = summarise(pairs)

    assert (summary.wins, summary.ties, summary.losses, summary.pairs) == (1, 3, 1, 5)
    assert summary.win_rate == 0.5
    assert (summary.asked, summary.flips) == (4, 0.25)
    assert summary.mean_length == (2.0, 2.0)


def test_no_pairs() -> None:
    """Of nothing there are no numbers."""
    summary = summarise([])

    assert (summary.win_rate, summary.interval, summary.flips) == (None, None, None)
    assert (summary.length_controlled, summary.mean_length, summary.pairs) == (None, None, 0)


@given(PAIRS)
def test_swapping_the_sides(pairs: list[Compared]) -> None:
    """Whoever is called a, the numbers are the other side's, from its side."""
    there = summarise(pairs)
    back = summarise((SWAPPED[winner], orders, b, a) for winner, orders, a, b in pairs)

    assert (back.wins, back.ties, back.losses) == (there.losses, there.ties, there.wins)
    assert back.flips == there.flips
    if there.win_rate is not None and back.win_rate is not None:
        assert back.win_rate == pytest.approx(1 - there.win_rate)
        assert there.length_controlled is not None
        assert back.length_controlled == pytest.approx(1 - there.length_controlled, abs=1e-6)


def test_pairs_without_a_winner_do_not_count() -> None:
    """They are listed elsewhere, one by one."""
    assert summary_of(result({"r0": "a", "r1": None, "r2": "b"}).pairs).pairs == 2


def test_agreement_needs_the_same_answers() -> None:
    """A judge that compared something else says nothing of these votes."""
    winners = {"r0": "a", "r1": "b", "r2": None, "r3": "tie"}
    people = result(winners, votes="v.jsonl")
    judge = result({"r0": "a", "r1": "a", "r2": "b", "r4": "a"}, name="judge")
    # The judge of another candidate, whose answer to one record happens to be the same.
    other = result({"r0": "b", "r1": "b", "r3": "b"}, name="other")
    pairs = (other.pairs[0], *(replace(pair, model_response="z") for pair in other.pairs[1:]))
    other = replace(other, pairs=pairs)

    for results in ([people, judge, other], [people, other, judge]):
        agreement = with_agreement(results)[0].agreement
        assert agreement is not None
        assert (agreement.count, agreement.agreed) == (2, 0.5)
    assert with_agreement([people, result(winners, path="other.json")])[0].agreement is None
    assert with_agreement([people])[0].agreement is None
    assert with_agreement([people, judge])[1].agreement is None
