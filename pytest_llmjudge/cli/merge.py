"""The command ``llmjudge merge``."""

from __future__ import annotations

import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge import __version__
from pytest_llmjudge.cli.output import print_text
from pytest_llmjudge.errors import BaselineError, SettingsError, one_line
from pytest_llmjudge.kinds.document import results_document
from pytest_llmjudge.kinds.merging import merge, read_shards
from pytest_llmjudge.kinds.reports import run_summary
from pytest_llmjudge.paths import real_path
from pytest_llmjudge.reporting.layout import UNBOUNDED, columns_for
from pytest_llmjudge.reporting.terminal import summary_lines
from pytest_llmjudge.storage.files import check_writable
from pytest_llmjudge.storage.own import check_report_replaceable
from pytest_llmjudge.storage.results import write_results

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.cli.output import Parser
    from pytest_llmjudge.kinds.merging import MergedRun

__all__ = ["add_merge"]

_USAGE_ERROR = 4
"""As pytest's: what reads the status of a run reads that of a merge."""
_OUT = "--out"
_NO_FACTS = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What a merge ends in where shards say of their suites what no run says."""


def add_merge(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command to those that the command line may give."""
    summary = "Put the shards of a run together, and decide the gates over whole suites"
    merging = commands.add_parser(
        "merge",
        help=summary,
        description=f"{summary}. Exit status: 0 all passed, 1 a sample or a gate did not, 4 usage "
        "error, as that of the run that is not sharded.",
    )
    merging.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="SHARD",
        help="Results file of a run with --llm-judge-shard; those of all shards are needed",
    )
    merging.add_argument(
        _OUT, type=Path, required=True, metavar="FILE", help="Results file to write"
    )
    merging.add_argument(
        "--baseline",
        type=Path,
        metavar="FILE",
        help="Where the baseline of the shards lies now (default: where it lay then)",
    )
    merging.usage_status = _USAGE_ERROR
    merging.set_defaults(run=_merge, error_status=_USAGE_ERROR)


def _merge(options: argparse.Namespace) -> int:
    for path in options.files:
        _check_other(options.out, path, f"the shard {path}")
    if options.baseline is not None:
        _check_other(options.out, options.baseline, "the baseline")
    check_writable(_OUT, options.out)
    check_report_replaceable(_OUT, options.out)
    with _facts_of_runs(options.files):
        files = read_shards(options.files)
        named = files[0].part["baseline"]
        if named is not None:
            _check_other(options.out, Path(named["path"]), "the baseline")
        merged = merge(files, options.baseline)
        document, lines = results_document(merged.run, __version__), "\n".join(_lines(merged))
    write_results(options.out, document)
    by_time = sorted(files, key=lambda file: file.begun)
    between = " and ".join(f"{one.begun} ({one.path})" for one in (by_time[0], by_time[-1]))
    # One of an earlier run is nothing else to tell from.
    print_text(f"shards: begun between {between}")
    print_text(lines)
    print_text(f"results: {options.out}")
    return merged.run.status


@contextmanager
def _facts_of_runs(paths: Sequence[Path]) -> Iterator[None]:
    """Refuse shards that were signed again after a change: no schema holds their facts to a kind.

    Raises:
        BaselineError: What they say cannot be merged.
    """
    try:
        yield
    except _NO_FACTS as error:
        problem = f"what they say of their suites is of no run ({type(error).__name__})"
        hint = "take the files as they were written, or run the shards again"
        raise BaselineError(", ".join(map(str, paths)), problem, hint) from error


def _check_other(out: Path, path: Path, name: str) -> None:
    """Let the merged file take the place of nothing that it is made of.

    Raises:
        SettingsError: It would.
    """
    if real_path(out) == real_path(path):
        raise SettingsError(_OUT, f"{out} is {name} as well", "name another file")


def _lines(merged: MergedRun) -> Iterator[str]:
    """Yield what a run prints at its end, and of each gate that was decided here why it failed."""
    width = shutil.get_terminal_size().columns
    columns = columns_for(width, is_terminal=sys.stdout.isatty())
    for line in summary_lines(run_summary(merged.run), columns):
        yield f"{line.text}{line.result}"
    for name, gate in merged.decided:
        if gate.outcome != "passed":
            yield one_line(f"FAILED: {name}[{gate.name}]: {gate.reason}", UNBOUNDED)
        elif gate.cause is not None:
            yield one_line(f"WARNING: {name}[{gate.name}]: {gate.reason}", UNBOUNDED)
    for problem in merged.problems:
        yield f"ERROR: {problem}"
