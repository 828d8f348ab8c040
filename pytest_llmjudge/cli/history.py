"""The command ``llmjudge history``."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmjudge import __version__
from pytest_llmjudge.cli.output import print_json, print_text
from pytest_llmjudge.decisions.history import BY_CREATED, BY_NAME, in_order, make_history
from pytest_llmjudge.errors import BaselineError, SettingsError
from pytest_llmjudge.kinds.history import read_run
from pytest_llmjudge.paths import real_path
from pytest_llmjudge.storage.files import check_writable, write_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from pytest_llmjudge.cli.output import Parser
    from pytest_llmjudge.data.history import History, HistoryRun, Point, Step

__all__ = ["add_history"]

_USAGE_ERROR = 2
_UNBOUNDED = 1_000_000
_COMPARED = (
    *("paired", "difference", "interval", "p", "losses", "wins", "mcnemar_p"),
    *("unpaired_before", "unpaired_after", "unpaired_p"),
)
"""What is shown of a comparison: which records got worse is the matter of ``llmjudge compare``."""
_PAGES = {".html", ".htm"}


def add_history(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command to those that the command line may give."""
    summary = "Show results files over time: figures, what changed, drops, records that flip"
    history = commands.add_parser(
        "history",
        help=summary,
        description=f"{summary}. Exit status: 0, or 2 for a usage error.",
    )
    history.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="RESULTS",
        help="Results file, or a folder with results files (*.json)",
    )
    history.add_argument(
        "--order",
        choices=(BY_CREATED, BY_NAME),
        default=BY_CREATED,
        help=f"Order of the runs (default: {BY_CREATED})",
    )
    history.add_argument(
        "--html", type=Path, metavar="FILE", help="Write one page with charts as well"
    )
    form = history.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="Print JSON")
    form.add_argument("--markdown", action="store_true", help="Print Markdown")
    history.set_defaults(run=_history)


def _history(options: argparse.Namespace) -> int:
    files = list(_files(options.files))
    if options.html is not None:
        _check_page(options.html)
    runs, problems = _read(files)
    if problems:
        sys.stderr.write("".join(f"llmjudge: {line}\n" for line in problems))
        return _USAGE_ERROR
    ordered, notes = _without_copies(in_order(runs, options.order))
    if not any(run.suites for run in ordered):
        where = ", ".join(map(str, options.files))
        raise SettingsError(where, "no run in it has a suite", "name files of runs with suites")
    history = make_history(ordered, options.order, notes)
    if options.html is not None:
        from pytest_llmjudge.reporting.html.history import history_page

        write_text(options.html, history_page(history, options.order, __version__))
    _print(history, options)
    return 0


def _read(files: Iterable[Path]) -> tuple[list[HistoryRun], list[str]]:
    """Read files; return the runs, and what is wrong with files that cannot be read."""
    runs: list[HistoryRun] = []
    problems: list[str] = []
    for file in files:
        try:
            runs.append(read_run(file))
        except BaselineError as error:  # noqa: PERF203  # all files are to be named
            problems += error.lines
    return runs, problems


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield each file once; a folder stands for those in it that end in ``.json``.

    Raises:
        SettingsError: A folder has none.
    """
    seen = set()
    for path in paths:
        # pathlib raises where a name is too long, or closed.
        within = sorted(path.glob("*.json")) if os.path.isdir(path) else [path]  # noqa: PTH112
        if not within:
            hint = "name files that --llm-judge-report wrote"
            raise SettingsError(str(path), "this folder has no file *.json", hint)
        for file in within:
            place = real_path(file)
            if place not in seen:
                seen.add(place)
                yield file


def _check_page(path: Path) -> None:
    """Prove that the page can be written, and is written over no results.

    Raises:
        SettingsError: Its name is not that of a page.
        StoreError: Nothing can be written there.
    """
    where = "--html"
    if path.suffix.lower() not in _PAGES:
        # Else --html results/*.json would write over the first of them.
        problem = f"{path} is no name of a page"
        raise SettingsError(where, problem, "name a file that ends in .html")
    check_writable(where, path)


def _without_copies(runs: Iterable[HistoryRun]) -> tuple[list[HistoryRun], list[str]]:
    """Leave out runs of which another file holds the same."""
    kept: list[HistoryRun] = []
    notes = []
    for run in runs:
        same = next(
            (
                one.file
                for one in kept
                if one.created == run.created and replace(one, file=run.file) == run
            ),
            None,
        )
        if same is None:
            kept.append(run)
        else:
            notes.append(f"{run.file} holds the same as {same} and counts once")
    return kept, notes


def _print(history: History, options: argparse.Namespace) -> None:
    if options.json:
        print_json(_document(history, options.order))
    elif options.markdown:
        from pytest_llmjudge.reporting.history_markdown import history_markdown

        print_text(history_markdown(history, options.order))
    else:
        from pytest_llmjudge.reporting.history import history_blocks
        from pytest_llmjudge.reporting.layout import lay_out

        columns = _columns()
        for block in history_blocks(history, options.order, columns):
            for line in lay_out(block, columns):
                print_text(f"{line.text}{line.result}")
        if options.html is not None:
            print_text(f"page: {options.html}")


def _document(history: History, order: str) -> dict[str, Any]:
    return {
        "order": order,
        "runs": [
            {
                "file": run.file,
                "created": run.created.isoformat(),
                "pytest_llmjudge": run.version,
            }
            for run in history.runs
        ],
        "notes": list(history.notes),
        "suites": [
            {
                "name": suite.last.name,
                "earlier_names": list(suite.earlier_names),
                "kind": suite.last.kind,
                "figure": suite.last.figure.name,
                "points": [_plain_point(point) for point in suite.points],
                "has_limit": suite.has_limit,
                "flipped_total": suite.flipped_total,
                "flipped": [asdict(record) for record in suite.flipped],
            }
            for suite in history.suites
        ],
    }


def _plain_point(point: Point) -> dict[str, Any]:
    suite, step = point.suite, point.step
    return {
        "run": point.run,
        "name": suite.name,
        "value": suite.value,
        "ci95": suite.interval,
        "total": suite.total,
        "outcome": suite.outcome,
        "model": None if suite.model is None else asdict(suite.model),
        "judge": None if suite.judge is None else asdict(suite.judge),
        "beside_previous": None if step is None else _plain_step(step),
    }


def _plain_step(step: Step) -> dict[str, Any]:
    comparison = step.comparison
    return {
        "not_compared": step.apart or None,
        "worse": step.worse or None,
        "comparison": comparison and {name: getattr(comparison, name) for name in _COMPARED},
        "added": step.added,
        "removed": step.removed,
        "edited": step.edited,
        "changes": [asdict(change) for change in step.changes],
    }


def _columns() -> int:
    """Return how long a line may be: as the terminal is wide, or as ``COLUMNS`` says.

    In a file or a pipe lines stay whole, as in the summary of a run.
    """
    is_known = bool(os.environ.get("COLUMNS")) or sys.stdout.isatty()
    return shutil.get_terminal_size().columns if is_known else _UNBOUNDED
