"""Prints the results on pytest's terminal, as wide, as long and as colourful as it wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.reporting.layout import columns_for, fold, shown
from pytest_llmjudge.reporting.terminal import short_lines, summary_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pytest

    from pytest_llmjudge.data.summary import RunSummary

__all__ = ["folded", "print_summary"]

_COLOURS: dict[str, dict[str, bool]] = {
    "passed": {"green": True},
    "failed": {"red": True},
    "error": {"red": True},
    "incomplete": {"yellow": True},
}


def _columns(config: pytest.Config) -> int:
    """Return how long a line may be; pytest takes a file for a terminal of 80 columns."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    width = config.get_terminal_writer().fullwidth
    return columns_for(width, is_terminal=getattr(reporter, "isatty", False))


def folded(config: pytest.Config, lines: Iterable[str]) -> list[str]:
    """Fold lines to the terminal's width, where there is one."""
    columns = _columns(config)
    return [part for line in lines for part in fold(shown(line), columns)]


def print_summary(
    reporter: pytest.TerminalReporter, run: RunSummary, written: Mapping[str, object]
) -> None:
    """Print what became of a run; with ``-q`` a line for each suite, with ``-v`` more records.

    Args:
        reporter: pytest's own.
        run: What became of it.
        written: Where results are kept, by what is kept there: files, or a place elsewhere.
    """
    columns, verbosity = _columns(reporter.config), reporter.verbosity
    if verbosity >= -1:
        reporter.section("llm-judge")
    if verbosity < 0:
        lines = short_lines(run, columns, verbosity)
    else:
        lines = summary_lines(run, columns, verbosity)
    for line in lines:
        reporter.write(line.text)
        reporter.write(line.result, **_COLOURS.get(line.outcome, {}))
        reporter.line("")
    if verbosity >= -1:
        for name, path in written.items():
            reporter.line(shown(f"{name}: {path}"))
