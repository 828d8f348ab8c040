"""Prints the results on pytest's terminal, as wide, as long and as colourful as it wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.reporting.layout import fold, shown
from pytest_llmjudge.reporting.terminal import short_lines, summary_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import pytest

    from pytest_llmjudge.data import RunResult

__all__ = ["folded", "print_summary"]

_COLOURS: dict[str, dict[str, bool]] = {
    "passed": {"green": True},
    "failed": {"red": True},
    "error": {"red": True},
    "incomplete": {"yellow": True},
}


def folded(config: pytest.Config, lines: Iterable[str]) -> list[str]:
    """Fold lines to the terminal's width."""
    columns = config.get_terminal_writer().fullwidth
    return [part for line in lines for part in fold(shown(line), columns)]


def print_summary(
    reporter: pytest.TerminalReporter, run: RunResult, written: Mapping[str, Path]
) -> None:
    """Print what became of a run; with ``-q`` a line for each suite, with ``-v`` more records.

    Args:
        reporter: pytest's own.
        run: The results.
        written: The files, by what they hold.
    """
    columns, verbosity = reporter.config.get_terminal_writer().fullwidth, reporter.verbosity
    if verbosity >= -1:
        reporter.section("llm-judge")
    if verbosity < 0:
        lines = short_lines(run, columns, verbosity)
    else:
        lines = summary_lines(run, columns, verbosity)
    for line in lines:
        reporter.write(line.text)
        reporter.write(line.told, **_COLOURS.get(line.outcome, {}))
        reporter.line("")
    if verbosity >= -1:
        for name, path in written.items():
            reporter.line(f"{name}: {path}")
