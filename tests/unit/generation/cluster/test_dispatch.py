"""Tests of the order in which units go to actors, simulated with a clock."""

from __future__ import annotations

import heapq
import json
import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmjudge.generation.cluster.dispatch import MAX_RESTARTS, Dispatch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


def simulate(
    costs: Sequence[float], seconds: Sequence[float], actors: int, speed: Callable[[int], float]
) -> float:
    """Return how long actors take that compute one unit after the other, without any delay."""
    dispatch: Dispatch[int] = Dispatch(costs, actors)
    clock: list[tuple[float, int, int]] = []
    pieces: dict[int, list[int]] = {}

    def begin(now: float, actor: int) -> None:
        while pieces.setdefault(actor, []) and not dispatch.is_needed(actor):
            pieces[actor] = []
        if not pieces[actor]:
            dispatch.end(actor)
            pieces[actor] = list(dispatch.take(actor))
        if pieces[actor]:
            unit = pieces[actor].pop(0)
            heapq.heappush(clock, (now + seconds[unit] / speed(actor), actor, unit))

    for actor in range(actors):
        begin(0, actor)
    while not dispatch.is_over:
        now, actor, unit = heapq.heappop(clock)
        dispatch.finish(unit)
        if not dispatch.is_over:
            begin(now, actor)
    return now


def ideal(seconds: Sequence[float], actors: int) -> float:
    return max(sum(seconds) / actors, *seconds)


@pytest.fixture(scope="module")
def lengths() -> list[int]:
    """Lengths with the spread of real answers: most are short, some ten times as long."""
    drawn = random.Random(1)  # noqa: S311  # not for secrets
    return [1 + int(drawn.lognormvariate(3.4, 0.8)) for _ in range(5000)]


def test_64_actors_take_little_more_than_the_ideal_time(lengths: list[int]) -> None:
    taken = simulate(lengths, lengths, 64, lambda _: 1.0)

    assert taken <= ideal(lengths, 64) / 0.98


def test_real_lengths(real_data: Path) -> None:
    text = (real_data / "instructions/instruction-data-with-response.json").read_text("utf-8")
    answers = [len(record["model_response"].split()) + 1 for record in json.loads(text)]
    lengths = random.Random(1).choices(answers, k=5000)  # noqa: S311  # not for secrets

    assert simulate(lengths, lengths, 64, lambda _: 1.0) <= ideal(lengths, 64) / 0.98


def test_lengths_that_nobody_could_predict(lengths: list[int]) -> None:
    taken = simulate([1.0] * 5000, lengths, 64, lambda _: 1.0)

    assert taken <= ideal(lengths, 64) / 0.9


def test_an_actor_ten_times_slower_than_the_others_holds_nobody_up(lengths: list[int]) -> None:
    taken = simulate(lengths, lengths, 64, lambda actor: 0.1 if actor == 0 else 1.0)

    # In the end the others compute what it has left, one unit each.
    assert taken <= ideal(lengths, 63) + max(lengths)


def test_all_of_one_actor_is_one_piece() -> None:
    dispatch: Dispatch[str] = Dispatch([1.0, 3.0, 2.0], 1)

    assert dispatch.take("a") == (1, 2, 0)


def test_the_longest_units_come_first_and_pieces_become_smaller() -> None:
    dispatch: Dispatch[int] = Dispatch([float(cost) for cost in range(100)], 4)
    pieces = [dispatch.take(actor) for actor in range(60)][:40]
    sizes = [sum(piece) for piece in pieces if len(piece) > 1]

    assert pieces[0][0] == 99
    assert sizes == sorted(sizes, reverse=True)


def test_a_piece_holds_as_many_as_are_computed_at_once() -> None:
    dispatch: Dispatch[int] = Dispatch([1.0] * 40, 2, together=8)
    sizes = [len(dispatch.take(actor)) for actor in range(4)]

    assert sizes == [10, 8, 8, 7]


def test_few_units_are_spread_over_all_actors() -> None:
    dispatch: Dispatch[int] = Dispatch([1.0] * 8, 4, together=8)

    assert [len(dispatch.take(actor)) for actor in range(4)] == [2, 2, 1, 1]


def test_an_idle_actor_gets_the_unfinished_half_of_the_slowest() -> None:
    dispatch: Dispatch[str] = Dispatch([8.0, 7.0, 2.0, 1.0], 1)
    dispatch.take("a")
    dispatch.finish(0)

    assert dispatch.take("b") == (2, 3)
    assert dispatch.finish(3)
    assert not dispatch.finish(3)
    assert dispatch.take("c") == (1,)


def test_many_idle_actors_share_what_the_slowest_has_left() -> None:
    dispatch: Dispatch[int] = Dispatch([1.0] * 12, 1)
    dispatch.take(0)
    dispatch.actors = 6

    assert [dispatch.take(actor) for actor in range(1, 6)] == [
        (10, 11),
        (9,),
        (8,),
        (7,),
        (6,),
    ]


def test_a_unit_is_never_with_three_actors() -> None:
    dispatch: Dispatch[str] = Dispatch([1.0], 1)

    assert [dispatch.take(actor) for actor in "abc"] == [(0,), (0,), ()]


def test_a_lost_piece_is_sent_again_in_smaller_ones() -> None:
    dispatch: Dispatch[str] = Dispatch([1.0] * 64, 1)
    dispatch.take("a")

    assert dispatch.end("a") == []
    assert [len(dispatch.take(actor)) for actor in "bcde"] == [16] * 4


def test_a_unit_that_ends_its_actors_is_given_up_and_takes_no_other_with_it() -> None:
    dispatch: Dispatch[int] = Dispatch([1.0] * 200, 1)
    given_up: list[int] = []
    sent = 0
    for actor in range(1000):
        piece = dispatch.take(actor)
        for unit in piece:
            if unit == 77:
                sent += 1
                break
            dispatch.finish(unit)
        given_up += dispatch.end(actor)
        if dispatch.is_over:
            break

    assert (given_up, sent) == ([77], MAX_RESTARTS + 1)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(0, 1000), max_size=60),
    st.integers(1, 5),
    st.integers(1, 9),
    st.randoms(use_true_random=False),
)
def test_each_unit_comes_once_whatever_is_lost(
    costs: list[float], actors: int, together: int, drawn: random.Random
) -> None:
    dispatch: Dispatch[int] = Dispatch(costs, actors, together)
    busy: dict[int, list[int]] = {}
    results: Counter[int] = Counter()
    sent: Counter[int] = Counter()
    next_actor = actors
    idle = set(range(actors))
    while not dispatch.is_over:
        for actor in sorted(idle):
            piece = dispatch.take(actor)
            sent.update(piece)
            if piece:
                busy[actor] = list(piece)
                idle.discard(actor)
        actor = drawn.choice(sorted(busy))
        event = drawn.choice(["result", "result", "result", "lost"])
        if event == "result" and busy[actor]:
            unit = busy[actor].pop(drawn.randrange(len(busy[actor])))
            results[unit] += dispatch.finish(unit)
        if event == "lost" or not busy[actor]:
            results.update(dispatch.end(actor))
            del busy[actor]
            # Another takes the place of one that is lost.
            next_actor += event == "lost"
            idle.add(next_actor if event == "lost" else actor)

    assert results == Counter(range(len(costs)))
    assert max(sent.values(), default=0) <= MAX_RESTARTS + 1
