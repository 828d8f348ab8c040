"""A run's results as lines for a terminal: one row a suite, and the worst records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.data.summary import NONE
from pytest_llmjudge.reporting.blocks import block_lines, breakdown_blocks, statement_line
from pytest_llmjudge.reporting.comparison import count_lines
from pytest_llmjudge.reporting.digest import digest
from pytest_llmjudge.reporting.layout import Line, Table, fold, lay_out, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import CheckpointReference
    from pytest_llmjudge.data.summary import RunSummary, Summary

__all__ = [
    "checkpoint_line",
    "count",
    "head_lines",
    "overview_lines",
    "short_lines",
    "summary_lines",
]

_MOST = {0: 5, 1: 20}
_SHOWN_DIGITS = 12


def short_lines(run: RunSummary, columns: int, verbosity: int) -> Iterator[Line]:
    """Yield the summary of a quiet run: a line for each suite, or below -1 one for all.

    Args:
        run: What became of it.
        columns: Of the terminal.
        verbosity: pytest's, below 0.
    """
    if verbosity < -1:
        overall = digest(run)
        yield Line("llm-judge: ", overall.headline, overall.outcome)
        return
    for suite in run.summaries:
        figures = [suite.figure]
        if suite.change != NONE:
            figures.append(f"baseline {suite.change}")
        text = f"{suite.name}: {', '.join(figures)}; {suite.decided}"
        yield from (Line("", line, suite.outcome) for line in fold(shown(text), columns))


def summary_lines(run: RunSummary, columns: int, verbosity: int = 0) -> Iterator[Line]:
    """Yield the summary of a run.

    Args:
        run: What became of it.
        columns: Of the terminal: texts of records are cut to it, all else is folded.
        verbosity: pytest's, at least 0; 1 shows more records, 2 all.
    """
    for block in _blocks(run, columns, verbosity):
        yield from lay_out(block, columns)


def _blocks(run: RunSummary, columns: int, verbosity: int) -> Iterator[str | Table]:
    figures = verbosity > 0
    yield from head_lines(run, figures=figures)
    for suites in run.by_kind:
        rows = [(suite, suite.overview) for suite in suites if suite.overview is not None]
        if rows:
            cells = [(*overview.cells, suite.decided) for suite, overview in rows]
            yield Table(rows[0][1].headings, cells, [suite.outcome for suite, _ in rows])
        for suite in suites:
            yield from overview_lines(suite, suites, figures=figures)
            yield from _details(suite, columns, verbosity)
    for note in run.notes:
        yield f"note: {note}"


def _details(suite: Summary, columns: int, verbosity: int) -> Iterator[str | Table]:
    most = _MOST.get(verbosity)
    for breakdown in suite.breakdowns:
        yield from breakdown_blocks(breakdown, suite, columns, most, in_groups=verbosity == 0)
    if suite.comparison is not None:
        reasons = [gate.reason for gate in suite.gates if gate.name == "baseline"]
        yield f"baseline of {suite.name}: {' '.join(reasons)}"
        yield from (f"       {line}" for line in count_lines(suite.comparison))
    for block in suite.blocks:
        yield from block_lines(block, columns, most)


def head_lines(run: RunSummary, *, figures: bool) -> Iterator[str]:
    """Yield who judged, what was judged, and whether the judge can be trusted.

    Args:
        run: What became of it.
        figures: Whether to add fingerprints, and the figures of a judge that is fit.
    """
    # Models that were judged come first, whatever the order of the suites.
    suites = sorted(run.summaries, key=lambda suite: not suite.judge)
    for label in dict.fromkeys(suite.judge for suite in suites if suite.judge):
        yield f"judge: {label}"
    for line in dict.fromkeys(checkpoint_line(one.model, fingerprint=figures) for one in suites):
        yield f"model: {line}"
    yield from dict.fromkeys(
        statement_line(statement, _name(suite, suites), figures=figures)
        for suites in run.by_kind
        for suite in suites
        for statement in suite.fitness
    )


def overview_lines(suite: Summary, suites: Sequence[Summary], *, figures: bool) -> Iterator[str]:
    """Yield what is said of a suite below its kind's table.

    Args:
        suite: One of them.
        suites: All of its kind.
        figures: Whether to add those of a judge that is fit.
    """
    if suite.grouped:
        yield f"{suite.name}: {suite.grouped}"
    if suite.overview is not None:
        for statement in suite.overview.lines:
            yield statement_line(statement, _name(suite, suites), figures=figures)


def _name(suite: Summary, suites: Sequence[Summary]) -> str:
    return suite.name if len(suites) > 1 else ""


def checkpoint_line(
    checkpoint: CheckpointReference | None, *, fingerprint: bool = True, engine: str = ""
) -> str:
    """Describe a model under test in a few words, with its fingerprint unless unwanted.

    Args:
        checkpoint: The model; ``None`` where nothing is generated.
        fingerprint: Whether its fingerprint is shown.
        engine: Which engine runs it, where several may.
    """
    if checkpoint is None:
        return "responses from the records, nothing generated"
    known = []
    if checkpoint.parameters is not None:
        known.append(f"{count(checkpoint.parameters)} parameters")
    if engine:
        known.append(engine)
    if fingerprint and checkpoint.fingerprint:
        known.append(f"fingerprint {checkpoint.fingerprint[:_SHOWN_DIGITS]}")
    return f"{checkpoint.path} ({', '.join(known)})" if known else checkpoint.path


def count(number: int) -> str:
    """Write a large number in thousands, millions or billions."""
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.1f}{letter}"
    return str(number)
