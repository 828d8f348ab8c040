"""The command ``llmjudge report``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge import __version__
from pytest_llmjudge.cli.output import print_text
from pytest_llmjudge.decisions.comparison import compare
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.kinds import all_kinds, kind_named
from pytest_llmjudge.kinds.base import CAUSE
from pytest_llmjudge.kinds.document import saved_result
from pytest_llmjudge.kinds.reports import entries_before, run_pages, run_summary
from pytest_llmjudge.paths import real_path
from pytest_llmjudge.records.files import file_digest
from pytest_llmjudge.storage.files import check_writable, write_text
from pytest_llmjudge.storage.own import JUNIT_NAME, check_report_replaceable
from pytest_llmjudge.storage.results_reader import read_results

if TYPE_CHECKING:
    import argparse

    from pytest_llmjudge.cli.output import Parser
    from pytest_llmjudge.data import Comparison, RunResult
    from pytest_llmjudge.storage.results_reader import SavedRun

__all__ = ["add_report"]

_FORMS = ("html", "markdown", "junit")


def add_report(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command to those that the command line may give."""
    summary = "Write the reports of a run from its results file: HTML, Markdown, JUnit XML"
    report = commands.add_parser(
        "report",
        help=summary,
        description=f"{summary}. Exit status: 0 when they are written, whatever the run came to, "
        "or 2 for a usage error.",
    )
    report.add_argument("results", type=Path, help="Results file")
    report.add_argument("--html", type=Path, metavar="FILE", help="As --llm-judge-html")
    report.add_argument("--markdown", type=Path, metavar="FILE", help="As --llm-judge-markdown")
    report.add_argument(
        "--junit",
        type=Path,
        metavar="FILE",
        help="JUnit XML with a test case for each record and each gate",
    )
    report.add_argument(
        "--baseline",
        type=Path,
        metavar="FILE",
        help="The baseline of the run, to show its responses beside those of the run",
    )
    report.set_defaults(run=_report)


def _report(options: argparse.Namespace) -> int:
    files: dict[str, Path] = {
        f"--{form}": path for form in _FORMS if (path := getattr(options, form)) is not None
    }
    _check_files(files, options)
    saved = read_results(options.results, all_kinds(), is_shard=None, version=__version__)
    baseline = None
    if options.baseline is not None:
        baseline = read_results(options.baseline, all_kinds(), named_by="--baseline")
    run = saved_result(saved)
    if baseline is not None:
        _check_baseline(run, saved, baseline)
    run = _noted(run, saved)
    for flag, path in files.items():
        write_text(path, _text(flag, run, saved, baseline))
        print_text(f"{flag.removeprefix('--')}: {path}")
    return 0


def _check_files(files: dict[str, Path], options: argparse.Namespace) -> None:
    """Prove that the reports can be written, each to a file of its own.

    Raises:
        SettingsError: No report is wanted, or a file is named twice.
        StoreError: A file cannot be written, or is something else.
    """
    if not files:
        where, hint = "llmjudge report", "add --html, --markdown or --junit, and a file's name"
        raise SettingsError(where, "no report is asked for", hint)
    if options.baseline is not None and options.html is None:
        where, hint = "--baseline", "leave it out, or add --html"
        raise SettingsError(where, "only the HTML page shows what a baseline answered", hint)
    taken = {real_path(options.results): "the results file"}
    if options.baseline is not None:
        taken.setdefault(real_path(options.baseline), "the baseline")
    for flag, path in files.items():
        check_writable(flag, path)
        other = taken.setdefault(real_path(path), f"what {flag} names")
        if other != f"what {flag} names":
            raise SettingsError(flag, f"{path} is {other} as well", "name another file")
        check_report_replaceable(flag, path)


def _check_baseline(run: RunResult, saved: SavedRun, baseline: SavedRun) -> None:
    """Prove that a baseline is the one with which a run was compared.

    Raises:
        SettingsError: It is another one, or there was none.
    """
    where = f"--baseline {baseline.path}"
    shard = saved.document.get("shard")
    compared = [result for result in run.results if result.comparison is not None]
    if not compared and (shard is None or shard["baseline"] is None):
        problem = "the run was compared with no baseline"
        raise SettingsError(where, problem, "leave it out")
    if shard is not None and file_digest(baseline.path) != shard["agreed"]["baseline"]["value"]:
        problem = "it is not the baseline that the shard was run with"
        raise SettingsError(where, problem, "name that one")
    for result in compared:
        then = result.comparison
        assert then is not None  # noqa: S101  # as above
        before = baseline.side(then.measure, then.baseline_suite or result.name)
        again = compare(before, saved.sides[result.name], then.rule)
        if _found(again, then) != _found(then, then):
            problem = f"it is not the baseline with which {result.name} was compared"
            raise SettingsError(where, problem, "name that one")


def _found(comparison: Comparison, then: Comparison) -> list[object]:
    """Return what a comparison says of single records, as far as that of the run does.

    Args:
        comparison: Of the run with a baseline.
        then: The one in the results file; files of old do not say how many scores changed.
    """
    counts = comparison.paired, comparison.removed, comparison.unscored_before
    figures = comparison.before, comparison.difference, comparison.deviation
    flips = [(one.id, round(one.before, 6), one.response_before) for one in comparison.flips]
    changed = comparison.changed if then.changed is not None else None
    worse = comparison.worse if then.worse is not None else None
    rounded = [figure and round(figure, 6) for figure in figures]
    return [*counts, *rounded, *flips, changed, worse]


def _noted(run: RunResult, saved: SavedRun) -> RunResult:
    """Return a run with a note that it is only a part of one, where it is."""
    shard = saved.document.get("shard")
    if shard is None:
        return run
    note = (
        f"this is shard {shard['number']} of {shard['count']}: gates over all records are decided "
        "by llmjudge merge"
    )
    return replace(run, notes=(note, *run.notes))


def _text(flag: str, run: RunResult, saved: SavedRun, baseline: SavedRun | None) -> str:
    # Each needs imports that the others do not.
    summary = run_summary(run)
    if flag == "--html":
        from pytest_llmjudge.reporting.html import html_report

        pages = run_pages(run, summary, entries_before(baseline, run))
        return html_report(summary, pages, saved.document["pytest_llmjudge"])
    if flag == "--markdown":
        from pytest_llmjudge.reporting.markup import joined
        from pytest_llmjudge.reporting.run_markdown import run_sections

        return joined(list(run_sections(summary)))
    from pytest_llmjudge.reporting.junit import junit_xml

    cases = [
        list(kind_named(suite["kind"]).saved_cases(suite)) for suite in saved.document["suites"]
    ]
    return junit_xml(JUNIT_NAME, summary, cases, CAUSE)
