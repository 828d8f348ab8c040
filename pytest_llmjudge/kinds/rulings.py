"""What became of each thing that a suite asks: of its gates, and of each of its samples."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.data import GateResult, Ruling
from pytest_llmjudge.kinds.base import JUDGE_CHECK, NOT_RUN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["Limit", "of_samples", "remark_on", "rulings_of"]


class Limit(NamedTuple):
    """What a gate asks of the suite's figure.

    Attributes:
        asked: Such as ``average >= 55``; empty where it only asks that there is a figure.
        remark: On the gate's decision, where it came to one; empty for nothing.
    """

    asked: str
    remark: str = ""


def remark_on(missing: int, total: int, what: str, *, near: bool) -> str:
    """Return the remark on a gate over a figure; empty for nothing.

    Args:
        missing: How many samples have no result, so that there is no figure.
        total: How many there are.
        what: What those are, such as ``unscored``.
        near: Whether chance alone may have decided.
    """
    if missing:
        return f"{missing} of {total} {what}"
    return "within noise" if near else ""


def rulings_of(
    of_each: Iterable[Ruling], gates: Sequence[GateResult], limits: Mapping[str, Limit]
) -> tuple[Ruling, ...]:
    """Return what became of each thing that a suite asks.

    That the gate over the judge was not run is said only where all else was: in other runs of a
    part the judge is checked without it.

    Args:
        of_each: What became of what it asks of each sample.
        gates: All of the suite.
        limits: What its gates over a figure ask, by gate; other gates go by their name.
    """
    rulings = (*of_each, *_of_gates(gates, limits))
    others = [one for one in rulings if (one.asked, one.outcome) != (JUDGE_CHECK, "not run")]
    is_partial = any(one.outcome in {"not run", "incomplete"} for one in others)
    return tuple(others) if is_partial else rulings


def _of_gates(gates: Sequence[GateResult], limits: Mapping[str, Limit]) -> Iterator[Ruling]:
    """Yield what became of a suite's gates, in its order.

    A gate that asks for nothing but a figure or a fit judge is left out where it passed.

    Args:
        gates: All of the suite.
        limits: By gate, those over a figure; other gates go by their name.
    """
    known = {gate.name for gate in gates}
    lacking = (GateResult(name, "not run", NOT_RUN) for name in limits if name not in known)
    for gate in (*lacking, *gates):
        limit = limits.get(gate.name)
        is_implied = gate.name == JUDGE_CHECK or (limit is not None and not limit.asked)
        if is_implied and gate.outcome == "passed":
            continue
        is_decided = gate.outcome in {"passed", "failed"}
        remark = gate.cause or (limit.remark if limit is not None and is_decided else "")
        yield Ruling((limit and limit.asked) or gate.name, gate.outcome, remark)


def of_samples(
    asked: str, noun: str, outcomes: Iterable[str], total: int, *, missed: int = 0, beyond: str = ""
) -> Iterator[Ruling]:
    """Yield what became of the samples: of what is asked of each, and of their tests beside it.

    Args:
        asked: Of each, such as ``score >= 20``; empty for nothing beyond a result.
        noun: What a sample is.
        outcomes: Of the samples of which something is known.
        total: How many there are.
        missed: How many failed by what is asked.
        beyond: Where those are, such as ``below``.
    """
    counted = Counter(outcomes)
    passed, failed, erred = (counted[word] for word in ("passed", "failed", "error"))
    not_run = total - passed - failed - erred
    if failed > missed:
        yield Ruling(f"{noun}s", "failed", f"{failed - missed} of {total}")
    is_open = bool(erred or not_run)
    if not asked and not is_open:
        return
    if missed:
        outcome = "failed"
    elif not_run == total:
        outcome = "not run"
    else:
        outcome = "incomplete" if is_open else "passed"
    counts = (
        (passed if outcome == "incomplete" else 0, "passed"),
        (missed, beyond),
        (erred, "with an error"),
        (not_run if outcome != "not run" else 0, "not run"),
    )
    known = [(number, words) for number, words in counts if number]
    first = [f"{number} of {total} {words}" for number, words in known[:1]]
    more = [f"{number} {words}" for number, words in known[1:]]
    yield Ruling(asked or f"{noun}s", outcome, ", ".join([*first, *more]))
