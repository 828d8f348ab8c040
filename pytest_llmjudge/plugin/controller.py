"""Hooks of the process that owns the terminal in a run with ``--llm-judge``."""

from __future__ import annotations

import contextlib
import functools
import shutil
import sys
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge import __version__
from pytest_llmjudge.data import RunResult
from pytest_llmjudge.errors import LlmJudgeError, SettingsError, StoreError, one_line
from pytest_llmjudge.kinds.changed import without_passes
from pytest_llmjudge.kinds.document import (
    records_with_responses,
    results_document,
    with_status,
)
from pytest_llmjudge.kinds.reports import entries_before, run_pages, run_summary
from pytest_llmjudge.kinds.required import unmet
from pytest_llmjudge.paths import real_path
from pytest_llmjudge.plugin.cases import WORKER_KEY
from pytest_llmjudge.plugin.elsewhere import Elsewhere, not_made
from pytest_llmjudge.plugin.explaining import Explaining
from pytest_llmjudge.plugin.header import (
    asks_judge,
    cache_lines,
    candidate_lines,
    judge_lines,
    model_lines,
    planned_lines,
    ray_lines,
)
from pytest_llmjudge.plugin.identity import agree_on_baseline
from pytest_llmjudge.plugin.interrupts import without_interrupts
from pytest_llmjudge.plugin.junit import property_adder
from pytest_llmjudge.plugin.kept import has_too_many_failures, kept_line
from pytest_llmjudge.plugin.ledger import Ledger
from pytest_llmjudge.plugin.options import (
    REQUIRE_INI,
    ini_name,
    is_listing,
    required_suites,
)
from pytest_llmjudge.plugin.output_conflicts import check_outputs
from pytest_llmjudge.plugin.sharding import ShardReports
from pytest_llmjudge.plugin.step_summary import add_step_summary, step_summary
from pytest_llmjudge.plugin.summary import folded, print_summary
from pytest_llmjudge.reporting.junit import suite_properties
from pytest_llmjudge.reporting.markup import joined
from pytest_llmjudge.reporting.run_markdown import run_sections
from pytest_llmjudge.storage.files import check_writable, write_text
from pytest_llmjudge.storage.results import write_responses, write_results

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from xdist.workermanage import WorkerController

    from pytest_llmjudge.plugin.session import LlmSession

__all__ = ["ControllerHooks"]

_ENDED = {
    pytest.ExitCode.OK,
    pytest.ExitCode.TESTS_FAILED,
    pytest.ExitCode.NO_TESTS_COLLECTED,
}
"""How a run ends that came to its end."""


class ControllerHooks:
    """What only the process does that owns the terminal."""

    def __init__(self, session: LlmSession) -> None:
        self._session = session
        self._ledger = Ledger(session.store, session.rows)
        self._explaining = Explaining(session)
        self._shard = ShardReports(session)
        self._created = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._problems: list[str] = []
        self._expected: set[str] = set()
        self._reported: set[str] = set()
        self._skipped: set[str] = set()
        self._started = False
        self._is_planned = False
        self._is_ray_shown = False
        self._on_judge: list[str] = []
        self._why_none = ""
        self._kept = ""
        self._of_shard: list[str] = []
        self._run = RunResult(self._created)
        self._status = 0
        self._changed: dict[str, str] = {}
        self._written: dict[str, Path] = {}
        self._elsewhere = Elsewhere(session)
        self._temporary = session.settings.cache == "off" or not hasattr(session.config, "cache")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionstart(self) -> Generator[None, None, None]:
        """Prove that everything can be written before any work is done.

        What ends the run here ends it badly where suites are required: pytest asks nobody then.
        """
        config = self._session.config
        if is_listing(config):
            return (yield)
        self._start()
        try:
            return (yield)
        except pytest.exit.Exception as error:
            required = required_suites(config)
            if error.returncode != pytest.ExitCode.OK or not required:
                raise
            where = f"{ini_name(config)}: {REQUIRE_INI}"
            problem = f"the run was ended ({one_line(str(error.msg))}) before {required[0]} ran"
            refusal = SettingsError(where, problem, "find what ended it, or empty the list")
        raise pytest.UsageError(*refusal.lines)

    def _start(self) -> None:
        settings = self._session.settings
        try:
            self._session.store.open()
            if settings.report is not None:
                check_writable("--llm-judge-report", settings.report)
            if settings.html is not None:
                check_writable("--llm-judge-html", settings.html)
            if settings.responses is not None:
                check_writable("--llm-judge-responses", settings.responses / "x.json")
            if settings.markdown is not None:
                check_writable("--llm-judge-markdown", settings.markdown)
            check_outputs(self._session)
            agree_on_baseline(self._session)
            self._elsewhere.open()
        except LlmJudgeError as error:
            raise pytest.UsageError(*error.lines) from None
        self._started = True

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: WorkerController) -> None:
        """Tell a worker of xdist which run it belongs to."""
        store = self._session.store
        node.workerinput[WORKER_KEY] = {"folder": str(store.folder), "run": store.run}

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Note what is to be reported, and say what only a worker knew before."""
        self._expected.update(ids)
        reporter = self._session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None:
            return
        # What is wrong with the cache is said where the results are read.
        with contextlib.suppress(StoreError):
            lines = [] if self._is_planned else planned_lines(self._session, self._on_judge)
            self._is_planned = True
            if not self._is_ray_shown:
                on_ray = ray_lines(self._session)
                self._is_ray_shown = bool(on_ray)
                lines += on_ray
            for line in folded(self._session.config, lines):
                reporter.write_line(line)

    def pytest_report_header(self) -> list[str]:
        """Name the model and the cache where workers of xdist collect, who say what else is needed.

        Elsewhere what a run needs is known once it has collected its items.
        """
        if not self._session.config.pluginmanager.has_plugin("dsession"):
            return []
        try:
            self._on_judge = judge_lines(self._session)
            lines = [*candidate_lines(self._session), *cache_lines(self._session)]
        except LlmJudgeError as error:
            raise pytest.UsageError(*error.lines) from None
        return folded(self._session.config, lines)

    def pytest_report_collectionfinish(self, items: Sequence[pytest.Item]) -> list[str]:
        """Name the judge, where one is needed, the models and the cache."""
        session, lines = self._session, []
        # pytest prints no header then, but it prints what follows the collection.
        is_quiet = session.config.get_verbosity() < 0
        try:
            if not is_quiet:
                lines += judge_lines(session) if asks_judge(session, items) else []
                lines += candidate_lines(session)
            lines += model_lines(session)
            lines += [] if is_quiet else ray_lines(session)
        except LlmJudgeError as error:
            raise pytest.UsageError(*error.lines) from None
        return folded(session.config, lines if is_quiet else [*lines, *cache_lines(session)])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Gather verdicts as they come."""
        self._expected.discard(report.nodeid)
        if report.when == "call" or not report.passed:
            self._reported.add(report.nodeid)
        if report.skipped:
            self._skipped.add(report.nodeid)
        self._ledger.add(report)
        self._explaining.note(report)
        self._shard.note(report)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Write the files, also when the run failed or was interrupted."""
        # A usage error may come late, from a worker that takes the place of one that crashed.
        if session.exitstatus == pytest.ExitCode.USAGE_ERROR and not self._ledger:
            return (yield)
        self._end(session)
        failed = session.exitstatus != pytest.ExitCode.OK
        yield
        if failed:
            # Another plugin may have made a good end of a bad one.
            self._have_all_required(session)
            self._fail_by_problems(session)

    def _end(self, session: pytest.Session) -> None:
        try:
            self._finish(session)
        except LlmJudgeError as error:
            self._give_up(error)
        self._fail_by_problems(session)

    def _fail_by_problems(self, session: pytest.Session) -> None:
        if self._problems:
            session.exitstatus = max(int(session.exitstatus), int(pytest.ExitCode.TESTS_FAILED))

    @pytest.hookimpl(specname="pytest_sessionfinish", wrapper=True, tryfirst=True)
    def pytest_after_sessionfinish(
        self, session: pytest.Session
    ) -> Generator[None, object, object]:
        """Have the results file say that a run failed by what came after it was written."""
        try:
            result = yield
        except BaseException as error:
            code = getattr(error, "returncode", 1)  # of pytest.exit
            self._restate(int(session.exitstatus if code is None else code))
            raise
        self._restate(int(session.exitstatus))
        return result

    def _restate(self, status: int) -> None:
        path = self._written.get("results")
        status %= 256  # of which it is all that whoever waits for this process is told
        # What failed does not pass later, whatever a hook makes of it.
        if path is None or not path.is_file() or status in {0, self._status}:
            return
        with without_interrupts():
            self._attempt(
                "results", path, lambda path: write_results(path, with_status(path, status))
            )

    def _finish(self, session: pytest.Session) -> None:
        self._miss_no_report(session)
        self._have_all_required(session)
        self._confirm(session)
        if self._started:
            self._attempt("models under test", Path(), lambda _: self._look_at_models())
            if self._explaining.is_wanted:
                self._attempt("explanations", Path(), lambda _: self._explain(session))
        with without_interrupts():
            run = self._final(int(session.exitstatus))
            if run is not None:
                document = functools.cache(functools.partial(self._document, run))
                self._write(run, document)
                self._status = run.status
        if run is not None and self._elsewhere.is_wanted and not self._is_lost:
            # These may take as long as networks do, so they can be interrupted.
            self._attempt("results", Path(), lambda _: self._give(run, document()))
        with without_interrupts():
            self._run = self._result(whole=False)[0]
            lines = self._shard.lines(self._run)
            self._of_shard = [f"llm-judge: {line}" for line in lines]
            self._attempt("JUnit XML", Path(), lambda _: self._add_to_xml())
        if self._started:
            self._kept = kept_line(self._session, session, temporary=self._temporary)

    def _give_up(self, error: LlmJudgeError) -> None:
        """Report nothing of a run whose own part of the cache cannot be read any more."""
        self._problems += [line for line in error.lines if line not in self._problems]
        if not self._written:
            self._why_none = "the cache cannot be read, so no file was written"
        self._started = False

    def _look_at_models(self) -> bool:
        self._changed = self._session.resources.models.changed()
        self._problems += dict.fromkeys(self._changed.values())
        return False

    def _explain(self, session: pytest.Session) -> bool:
        """Have failures explained, unless somebody waits for the end, or nothing was decided."""
        is_waited_for = session.exitstatus == pytest.ExitCode.INTERRUPTED
        is_decided = self._session.store.fault() is None
        if (is_waited_for and not has_too_many_failures(session)) or not is_decided:
            return False
        self._ledger.settle()
        run = self._result(whole=True)[0]
        self._explaining.ask(run, entries_before(self._session.baseline, run))
        return False

    def _miss_no_report(self, session: pytest.Session) -> None:
        """Let no gate pass unseen: after an error of its own xdist ends with status 0."""
        if session.exitstatus != pytest.ExitCode.OK or not self._expected:
            return
        names = sorted(self._expected)
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        self._problems.append(f"{names[0]}{more}: no result came from its worker; run without -n")

    def _have_all_required(self, session: pytest.Session) -> None:
        """Let no run end well that did not decide over all that it requires."""
        required = required_suites(session.config)
        if session.exitstatus != pytest.ExitCode.OK or not required or not self._started:
            return
        if self._session.settings.shard is not None:
            # The merge has what is required.
            return
        run = self._result(whole=False)[0]
        problems = unmet(
            f"{ini_name(session.config)}: {REQUIRE_INI}",
            required,
            self._session.store.suites(),
            reported=self._reported,
            spared=self._skipped,
            outcomes={result.name: result.outcome for result in run.results},
        )
        self._problems += [line for problem in problems for line in problem.lines]

    def _confirm(self, session: pytest.Session) -> None:
        """Prove at the end that one judge and one model answered; without that nothing passes."""
        if not self._started:
            return
        self._session.resources.judges.close(wait=session.exitstatus != pytest.ExitCode.INTERRUPTED)
        try:
            self._session.resources.confirm()
        except LlmJudgeError as error:
            # In a run that failed as it is, the next one asks again for what awaits a look.
            if session.exitstatus == pytest.ExitCode.OK:
                self._session.store.note_fault(str(error))
        fault = self._session.store.fault()
        if fault is not None:
            self._problems.append(fault)

    def _final(self, status: int) -> RunResult | None:
        """Return the results with all texts; ``None`` where nobody wants them, or nothing is."""
        settings = self._session.settings
        files = (settings.report, settings.responses, settings.markdown, settings.html)
        wanted = (*files, step_summary(), self._elsewhere.is_wanted)
        if not self._started or not any(wanted):
            return None
        if self._session.config.getoption("setuponly", default=False):
            # The judge is asked in the setup of an item, and gates decide when they are called.
            self._say_none("--setup-only decides nothing")
            return None
        run, lost = self._result(whole=True)
        self._problems += [line for problem in lost for line in problem.lines]
        if not run.results:
            # A file without any suite would take the place of an older one that has more.
            self._say_none("nothing was judged")
            return None
        status = status or int(bool(self._problems))
        run = replace(run, status=status, notes=(*run.notes, *self._problems))
        return self._shard.own(run)

    def _say_none(self, why: str) -> None:
        """Have the summary say why nothing is where an option wanted it."""
        settings = self._session.settings
        if any((settings.report, settings.responses, settings.markdown, settings.html)):
            self._why_none = f"{why}, so no file was written"
        elif settings.mlflow is not None:
            self._why_none = f"{why}, so nothing was written to MLflow"

    def _document(self, run: RunResult) -> dict[str, Any]:
        return results_document(run, __version__, self._shard.part(run.status, self._changed))

    @property
    def _is_lost(self) -> bool:
        """Whether results are in no file that should have them: why was said of the file."""
        return self._session.settings.report is not None and "results" not in self._written

    def _give(self, run: RunResult, document: dict[str, Any]) -> bool:
        page = functools.partial(self._page, run)
        self._problems += self._elsewhere.give(document, page, self._written)
        return False

    def _write(self, run: RunResult, document: Callable[[], dict[str, Any]]) -> None:
        settings = self._session.settings
        summary = step_summary()
        self._attempt("results", settings.report, lambda path: write_results(path, document()))
        run = replace(run, notes=(*self._shard.lines(run), *run.notes))
        self._attempt(
            "responses",
            settings.responses,
            lambda path: write_responses(path, records_with_responses(run)),
        )
        markdown = settings.markdown
        if markdown and summary and real_path(markdown) == real_path(summary):
            # It is added to what the step has written already.
            markdown = None
        self._attempt(
            "markdown",
            markdown,
            lambda path: write_text(path, joined(list(run_sections(run_summary(run))))),
        )
        self._attempt(
            "step summary",
            summary,
            lambda path: add_step_summary(path, run_summary(run), self._whole()),
        )
        self._attempt("html", settings.html, lambda path: write_text(path, self._page(run)))

    def _add_to_xml(self) -> bool:
        add = property_adder(self._session.config)
        if add is not None:
            for name, value in suite_properties(run_summary(self._run)):
                add(name, value)
            for name, value in self._explaining.properties():
                add(name, value)
        return False

    def _attempt(self, name: str, path: Path | None, write: Callable[[Path], bool | None]) -> None:
        """Write one file; what goes wrong with it keeps no other from being written."""
        if path is None:
            return
        try:
            if write(path) is not False:
                self._written[name] = path
        except LlmJudgeError as error:
            self._problems += error.lines
        except Exception as error:  # noqa: BLE001  # whatever it is, the other files are written
            self._problems.append(str(not_made(name, error)))

    def _page(self, run: RunResult) -> str:
        from pytest_llmjudge.reporting.html import html_report

        summary = run_summary(run)
        pages = run_pages(run, summary, entries_before(self._session.baseline, run))
        return html_report(summary, pages, __version__)

    def _whole(self) -> str:
        for name in ("markdown", "results"):
            if name in self._written:
                return f"All of it is in {self._written[name]}."
        return "With --llm-judge-markdown all of it goes to a file."

    def _result(self, *, whole: bool) -> tuple[RunResult, tuple[LlmJudgeError, ...]]:
        if not self._started:
            return RunResult(self._created), ()
        run, lost = self._ledger.result(self._created, self._session.suites, whole=whole)
        return self._explaining.added_to(without_passes(run, self._changed)), lost

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, exitstatus: int
    ) -> None:
        """Print the suites' results, and what could not be written."""
        run = replace(self._run, status=int(exitstatus))
        if run.results and not terminalreporter.no_summary:
            print_summary(
                terminalreporter, run_summary(run), {**self._written, **self._elsewhere.places}
            )
        for suite in self._run.results:
            for gate in suite.gates:
                if gate.cause is not None and gate.outcome == "passed":
                    text = f"WARNING: {suite.name}[{gate.name}]: {gate.reason}"
                    terminalreporter.line(one_line(text), yellow=True, bold=True)
        for line in self._last_lines(exitstatus):
            terminalreporter.line(line)
        for line in self._problems:
            terminalreporter.line(f"ERROR: {line}", red=True)
        self._problems = []

    def _last_lines(self, exitstatus: int) -> Iterator[str]:
        """Yield what is said below the results, which need not be there."""
        yield from folded(self._session.config, self._of_shard)
        if self._kept:
            yield from folded(self._session.config, [f"llm-judge: {self._kept}"])
        if self._why_none:
            yield f"llm-judge: {self._why_none}"
        elif exitstatus in _ENDED and self._started and not self._run.results:
            yield "llm-judge: no suite was run, so that nothing was judged"

    def pytest_unconfigure(self) -> None:
        """Report what nobody has reported yet, and remove what only this run needed."""
        for line in self._problems:
            # Without pytest's terminal, or without its summary.
            sys.stderr.write(f"ERROR: {line}\n")
        store = self._session.store
        if not self._temporary and (store.folder / "store.sqlite").exists():
            # A cache that cannot be written has been reported by now.
            with contextlib.suppress(StoreError):
                store.end_run()
        store.close()
        if self._temporary:
            shutil.rmtree(store.folder, ignore_errors=True)
