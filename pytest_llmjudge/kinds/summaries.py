"""What the summaries of all kinds have in common: gates, causes, limits, the judge's check."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Protocol

from pytest_llmjudge.data.comparison import NOT_WORSE
from pytest_llmjudge.data.page import Drop, Panel, Term
from pytest_llmjudge.data.summary import NONE, Names, Summary
from pytest_llmjudge.decisions.gates import TEARDOWN_FAILED, XPASSED
from pytest_llmjudge.kinds.base import BASELINE, JUDGE_CHECK
from pytest_llmjudge.kinds.rulings import rulings_of
from pytest_llmjudge.stats.basics import signed
from pytest_llmjudge.stats.groups import in_groups

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_llmjudge.data import (
        AnyResult,
        Comparison,
        GateResult,
        JudgeCheck,
        Measure,
        PairCheck,
        Record,
        Rule,
        Ruling,
    )
    from pytest_llmjudge.data.page import Fact, Row
    from pytest_llmjudge.kinds.base import Kind
    from pytest_llmjudge.kinds.rulings import Limit

__all__ = [
    "NEAR_MISS",
    "RecordOutcome",
    "at_least",
    "causes_of_items",
    "causes_of_missing",
    "check_panel",
    "drops_of",
    "grouped_size",
    "is_one",
    "make_summary",
    "near_counts",
    "scored_counts",
    "unscored_names",
]


class RecordOutcome(Protocol):
    """What became of a record, in a suite of any kind."""

    @property
    def record(self) -> Record:
        """What was asked."""

    @property
    def outcome(self) -> str:
        """``passed``, ``failed``, ``error`` or ``not run``."""

    @property
    def error(self) -> str | None:
        """Why it has no result, or did not pass beside its own decision."""

    @property
    def cause(self) -> str | None:
        """Of a missing result: ``record`` or ``rig``."""


def make_summary(
    kind: Kind[Any],
    result: AnyResult,
    *,
    noun: str,
    measure: str,
    value: str,
    interval: str,
    wanted: Iterable[str],
    rule: Rule,
    causes: Iterable[str],
    limits: Mapping[str, Limit],
    of_each: Iterable[Ruling] = (),
    **more: Any,  # noqa: ANN401  # what else a Summary has
) -> Summary:
    """Return a suite's summary.

    Args:
        kind: Of the suite.
        result: Of the suite.
        noun: What the suite consists of, in the singular.
        measure: What is measured.
        value: The measure as it is shown.
        interval: Its interval as it is shown.
        wanted: What its gates ask, beside the one over the baseline; empty texts are left out.
        rule: How the suite is held to its baseline.
        causes: Why it did not pass, beside its gates; looked at only when it did not.
        limits: What its gates over a figure ask, by gate.
        of_each: What became of what it asks of each sample.
        more: The other fields of a :class:`Summary`.
    """
    asked = filter(None, (*wanted, _most_lost(kind.measure, result, rule)))
    passed = result.outcome == "passed"
    return Summary(
        kind=kind.name,
        title=kind.title,
        noun=noun,
        name=result.name,
        outcome=result.outcome,
        measure=measure,
        value=value,
        interval=interval,
        wanted=", ".join(asked) or NONE,
        change=_change(result.comparison),
        causes=() if passed else (*_causes_of_gates(result.gates), *causes),
        model=result.checkpoint,
        gates=result.gates,
        comparison=result.comparison,
        rulings=rulings_of(of_each, result.gates, limits),
        **{"judge": "", **more},
    )


def at_least(measure: str, value: float | None) -> str:
    """Return what is asked of a measure; empty for nothing."""
    return "" if value is None else f"{measure} >= {value:g}"


def _most_lost(measure: Measure | None, result: AnyResult, rule: Rule) -> str:
    if measure is None or (result.comparison is None and not _has_gate(result.gates, BASELINE)):
        return ""
    if rule.name == NOT_WORSE:
        return f"{measure.drop} < {rule.margin:g} {measure.unit} proved"
    if not rule.margin:
        return f"no {measure.drop}"
    return f"{measure.drop} <= {rule.margin:g} {measure.unit}"


def _change(comparison: Comparison | None) -> str:
    if comparison is None:
        return NONE
    if comparison.refusal is not None or comparison.difference is None:
        return "not compared"
    return f"{signed(comparison.difference)} {comparison.measure.unit}"


def _causes_of_gates(gates: Sequence[GateResult]) -> Iterator[str]:
    missed = [gate for gate in gates if gate.outcome != "passed"]
    missed.sort(key=lambda gate: gate.outcome == "not run")
    # Where the judge is not fit, each other gate only points to that.
    first = [gate for gate in missed if gate.name == JUDGE_CHECK and gate.outcome != "not run"]
    yield from (f"{gate.name}: {_folded(gate.reason)}" for gate in first or missed)


def _folded(reason: str) -> str:
    """Write what may have several lines as one; each of them says a thing of its own."""
    lines = (" ".join(line.split()) for line in reason.splitlines())
    return "; ".join(filter(None, lines)).replace(":; ", ": ")


def _has_gate(gates: Sequence[GateResult], name: str) -> bool:
    return any(gate.name == name for gate in gates)


def causes_of_items(
    decided: Sequence[RecordOutcome], of: str, thing: str, low: int = 0
) -> Iterator[str]:
    """Yield what else became of items that have a score or a winner.

    Args:
        decided: They.
        of: Of how many of what they are some.
        thing: What they have.
        low: How many failed by their score, which is said elsewhere.
    """
    failed = sum(one.outcome == "failed" for one in decided)
    errors = [one.error or "" for one in decided]
    unexpected = sum(XPASSED in error for error in errors)
    torn = sum(TEARDOWN_FAILED in error for error in errors)
    erred = [one.error for one in decided if one.outcome == "error"]
    late = sum(error is None for error in erred)
    crashed = sum(error is not None and TEARDOWN_FAILED not in error for error in erred)
    verb = "was" if unexpected == 1 else "were"
    for number, what in (
        (unexpected, f"passed and {verb} expected to fail (xfail, strict)"),
        (failed - unexpected - low, "failed in the body of the test"),
        (torn, "failed in teardown"),
        (crashed, f"crashed when the {thing} was there"),
        (late, f"erred, and had a {thing} only for a gate"),
    ):
        if number > 0:
            yield f"{number} {of} {what}"


def causes_of_missing(
    results: Iterable[RecordOutcome], total: int, noun: str, state: tuple[str, str]
) -> Iterator[str]:
    """Yield how many samples have no result, for each cause.

    Args:
        results: Those of which something is known.
        total: How many samples there are.
        noun: What they are, in the plural.
        state: Of one whose own fault it is, and of several.
    """
    causes: Counter[str | None] = Counter()
    listed = 0
    for result in results:
        listed += 1
        causes["not run" if result.outcome == "not run" else result.cause] += 1
    not_run = causes["not run"] + total - listed
    for number, one, many in (
        (causes["record"], *state),
        (causes["rig"], "had an infrastructure error", "had an infrastructure error"),
        (not_run, "was not run", "were not run"),
    ):
        if number:
            yield f"{number} of {total} {noun} {is_one(number, one, many)}"


def is_one(number: int, one: str, many: str) -> str:
    """Return the word for one, or that for another number."""
    return one if number == 1 else many


def grouped_size(total: int, noun: str, groups: int | None) -> str:
    """Say how many records a suite has in how many groups; empty where each is alone.

    Args:
        total: How many there are.
        noun: What one is called.
        groups: How many groups there are; ``None`` where each record is alone.
    """
    return "" if groups is None else f"{total} {noun}s{in_groups(groups)}"


def scored_counts(
    scored: int, total: int, groups: int | None = None
) -> tuple[tuple[str, str], ...]:
    """Return how many of all samples have a score, how many have none, and in how many groups."""
    counts = ("scored", str(scored)), ("unscored", str(total - scored))
    return counts if groups is None else (*counts, ("groups", str(groups)))


def near_counts(check: JudgeCheck | PairCheck | None) -> Iterator[tuple[str, str]]:
    """Yield what a judge made of near misses, for JUnit XML."""
    for name in ("near", "near_auc"):
        value = getattr(check, name, None)
        if value is not None:
            yield name, f"{value:.4g}"


def unscored_names(name: str, results: Sequence[RecordOutcome]) -> Iterator[Names]:
    """Yield the records of a suite without a score: those at fault, then the infrastructure's."""
    for cause, title in (("record", "unscored in"), ("rig", "infrastructure errors in")):
        missing = tuple((one.record.id, str(one.error)) for one in results if one.cause == cause)
        if missing:
            yield Names(f"{title} {name}", missing)


NEAR_MISS: Final = Term(
    "near miss",
    ("near misses score", "right beats near misses"),
    (
        'A right answer with one thing changed, such as a number, a name or a "not", so that it is '
        "wrong. A judge that compares facts likes it less."
    ),
)
"""What reports say of a probe of the judge's check."""


def check_panel(check: JudgeCheck | PairCheck, facts: Iterable[Fact]) -> Panel:
    """Return what the page shows of the judge's check.

    Args:
        check: What came of it.
        facts: Its figures.
    """
    shown = [*facts, ("asked", str(check.asked))]
    if check.unscored:
        shown.append(("without an answer", str(check.unscored)))
    if check.in_flight > 1:
        shown.append(("requests in flight at a server", str(check.in_flight)))
    return Panel(
        "The judge on known answers",
        tuple(shown),
        "" if check.fit else f"Not fit: {check.reason}",
        is_bad=not check.fit,
    )


def drops_of(rows: Sequence[Row], most: int) -> Iterator[Drop]:
    """Yield the rows that lost most to the baseline, the worst first."""
    fallen = [
        (row.score - row.before, row.score, place, row)
        for place, row in enumerate(rows)
        if row.before is not None and row.score is not None and row.score < row.before
    ]
    for change, score, place, row in sorted(fallen, key=lambda one: one[:3])[:most]:
        yield Drop(
            name=row.record.instruction,
            input=row.record.input,
            before=f"{row.before:g}",
            now=f"{score:g}",
            change=f"{change:+g}",
            row=place,
            answers=(("before", row.other or "(empty)"), ("now", row.response or "(empty)")),
            fails_now=row.is_flipped,
        )
