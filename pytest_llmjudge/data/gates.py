"""What became of a gate, and of each thing that a suite asks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["GateResult", "Ruling", "ruled", "worst_first"]

_WORST_FIRST = ("failed", "error", "incomplete", "not run", "passed")


@dataclass(frozen=True, slots=True)
class GateResult:
    """What became of one gate: its name, its outcome, and why.

    The outcome is ``passed``, ``failed``, ``error``, or ``not run`` for one that was selected and
    never came to its end.

    Attributes:
        cause: Of a gate over the baseline: ``worse`` where a drop was shown, ``inconclusive`` where
            nothing is proved, as of one over agreement with people that cannot tell; ``None`` where
            neither decided.
    """

    name: str
    outcome: str
    reason: str
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Ruling:
    """What became of one thing that a suite asks, in the few words of a summary.

    Attributes:
        asked: Such as ``average >= 55``, or a gate's name.
        outcome: As a :class:`GateResult` has it; of what is asked of each sample ``incomplete``
            as well, where some have not passed yet and none failed.
        remark: Such as ``3 of 110 below``; empty for nothing.
    """

    asked: str
    outcome: str
    remark: str = ""


_Decided = TypeVar("_Decided", GateResult, Ruling)


def worst_first(rulings: Sequence[_Decided]) -> list[_Decided]:
    """Return gates or rulings in the order of their outcomes, those that failed first."""
    return sorted(rulings, key=lambda one: _WORST_FIRST.index(one.outcome))


def ruled(outcome: str, rulings: Sequence[Ruling]) -> str:
    """Return a suite's outcome and its rulings as one line, the worst first.

    Each has a word of its own, except where the outcome says of all that they passed.
    """
    all_passed = outcome == "passed" and all(one.outcome == "passed" for one in rulings)
    phrases = "; ".join(
        ", ".join(_phrase(one, "" if all_passed else f" {one.outcome}") for one in group)
        for _, group in groupby(worst_first(rulings), lambda one: one.outcome)
    )
    return f"{outcome}: {phrases}" if phrases else outcome


def _phrase(ruling: Ruling, word: str) -> str:
    return f"{ruling.asked}{word}" + (f" ({ruling.remark})" if ruling.remark else "")
