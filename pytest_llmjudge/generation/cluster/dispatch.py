"""Which actor computes which units of a job next, and what becomes of those that are lost.

Pure: it knows neither Ray nor a clock. Work is divided by guided self-scheduling (Polychronopoulos
and Kuck, 1987), the longest units first (Graham, 1969): large pieces at the beginning, which are
computed in large batches, and single units at the end, so that all actors end together.
"""

from __future__ import annotations

from collections import Counter, deque
from math import ceil
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

__all__ = ["MAX_RESTARTS", "Dispatch"]

MAX_RESTARTS = 3
"""How often a unit is sent again because an actor that had it was lost."""

_SHARES = 2
"""Into how many pieces for each of several actors the remaining work is divided; the next actor
gets the first of them."""

_MOST_UNITS = 1024
"""In one piece, so that the memory that it takes on its way has a bound."""

Actor = TypeVar("Actor", bound="Hashable")


class Dispatch(Generic[Actor]):
    """The units of one job: each waits, is with one or two actors, or is over.

    Args:
        costs: Of each unit.
        actors: How many there are, or will be soon.
        together: How many units an actor computes at once: a piece has as many, where there are
            enough for all actors.

    Attributes:
        actors: May be set as actors come and go.
    """

    def __init__(self, costs: Sequence[float], actors: int, together: int = 1) -> None:
        self.actors = actors
        self._together = together
        self._costs = costs
        self._left = len(costs)
        # The longest last, where it is cheap to take.
        self._fresh = sorted(range(len(costs)), key=lambda unit: (costs[unit], -unit))
        self._fresh_cost = float(sum(costs))
        self._again: deque[tuple[int, ...]] = deque()
        self._held: dict[Actor, dict[int, None]] = {}
        self._holders: dict[int, set[Actor]] = {}
        self._losses: Counter[int] = Counter()

    @property
    def is_over(self) -> bool:
        """Whether each unit has a result, or was given up."""
        return self._left == 0

    def take(self, actor: Actor) -> tuple[int, ...]:
        """Give an idle actor its next piece.

        Returns:
            The numbers of its units, longest first; none where nothing is left for it to do.
        """
        if self._again:
            piece = self._again.popleft()
        elif self._fresh:
            piece = tuple(self._guided())
        else:
            piece = self._some_of_slowest()
        if piece:
            self._held[actor] = dict.fromkeys(piece)
            for unit in piece:
                self._holders.setdefault(unit, set()).add(actor)
        return piece

    def finish(self, unit: int) -> bool:
        """Take note of a result.

        Returns:
            Whether it is the first of its unit, and so the one that counts.
        """
        if unit not in self._holders:
            return False
        for actor in self._holders.pop(unit):
            del self._held[actor][unit]
        self._left -= 1
        return True

    def is_needed(self, actor: Actor) -> bool:
        """Say whether an actor has a unit without a result."""
        return bool(self._held.get(actor))

    def end(self, actor: Actor) -> list[int]:
        """Take note that an actor computes its piece no more; it is lost, or done.

        Units of it without a result are sent again, in smaller pieces, in the end alone: so one
        that ends its actors takes no others with it.

        Returns:
            Units that were lost too often, and are given up.
        """
        unfinished = list(self._held.pop(actor, ()))
        size = ceil(len(unfinished) / 4)
        given_up = []
        waiting: dict[int, list[int]] = {}
        for unit in unfinished:
            self._losses[unit] += 1
            self._holders[unit].discard(actor)
            if self._holders[unit]:
                continue
            del self._holders[unit]
            if self._losses[unit] > MAX_RESTARTS:
                given_up.append(unit)
            else:
                waiting.setdefault(self._losses[unit], []).append(unit)
        for losses, units in waiting.items():
            most = 1 if losses == MAX_RESTARTS else size
            self._again.extend(
                tuple(units[start : start + most]) for start in range(0, len(units), most)
            )
        self._left -= len(given_up)
        return given_up

    def _guided(self) -> Iterator[int]:
        """Take the longest units that wait, up to this actor's share of them."""
        actors = max(1, self.actors)
        share = self._fresh_cost if actors == 1 else self._fresh_cost / (_SHARES * actors)
        least = min(self._together, ceil(len(self._fresh) / actors))
        taken, count = 0.0, 0
        while self._fresh and count < _MOST_UNITS:
            taken += self._costs[self._fresh[-1]]
            if count >= max(1, least) and taken > share:
                break
            count += 1
            unit = self._fresh.pop()
            self._fresh_cost -= self._costs[unit]
            yield unit

    def _some_of_slowest(self) -> tuple[int, ...]:
        """Return the last units of what the actor has that has most left, none of them doubled yet.

        That is at most half of them, and a share that leaves as much to any other idle actor. A
        unit that would be given up with its next loss stays where it is.
        """
        single = [
            [
                unit
                for unit in held
                if len(self._holders[unit]) == 1 and self._losses[unit] < MAX_RESTARTS
            ]
            for held in self._held.values()
        ]
        slowest = max(single, key=self._cost_of, default=[])
        share = sum(map(self._cost_of, single)) / max(1, self.actors)
        taken = slowest[len(slowest) // 2 :]
        while len(taken) > 1 and self._cost_of(taken) > share:
            del taken[0]
        return tuple(taken)

    def _cost_of(self, units: Sequence[int]) -> float:
        return sum(self._costs[unit] for unit in units)
