"""Hooks of every process in a run with ``--llm-judge``."""

from __future__ import annotations

import contextlib
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.errors import LlmJudgeError, StoreError
from pytest_llmjudge.kinds import all_kinds
from pytest_llmjudge.pipeline.resources import MAIN, make_resources
from pytest_llmjudge.plugin import collect, items
from pytest_llmjudge.plugin.cases import SESSION, WORKER_KEY, case_of
from pytest_llmjudge.plugin.completeness import Completeness
from pytest_llmjudge.plugin.identity import agree_on_plan
from pytest_llmjudge.plugin.options import (
    is_listing,
    settings_from,
)
from pytest_llmjudge.plugin.planner import check_explain, check_ray, plan
from pytest_llmjudge.plugin.reports import attach
from pytest_llmjudge.plugin.session import LlmSession
from pytest_llmjudge.plugin.sharding import deselect, note_shard
from pytest_llmjudge.plugin.timeouts import TimeoutHooks, off_the_clock
from pytest_llmjudge.plugin.unused import check_unused
from pytest_llmjudge.storage.store import Store
from pytest_llmjudge.system import check_system

if TYPE_CHECKING:
    from collections.abc import Generator


__all__ = ["take_part"]

_PACKAGE = Path(__file__).parent


def take_part(config: pytest.Config) -> None:
    """Set up this process's part in the run.

    Raises:
        LlmJudgeError: An option cannot be used, or nothing can on this system.
    """
    check_system("--llm-judge")
    settings = settings_from(config)
    given = getattr(config, "workerinput", {}).get(WORKER_KEY)
    if given is not None:
        folder, run, worker = Path(given["folder"]), given["run"], config.workerinput["workerid"]  # type: ignore[attr-defined]
    else:
        folder, run, worker = _cache_folder(config, settings.cache), uuid.uuid4().hex, MAIN
    store = Store(folder, run, refresh=settings.cache == "refresh")
    resources = make_resources(settings, store, worker, config.rootpath, all_kinds())
    session = LlmSession(config, resources)
    config.stash[SESSION] = session
    config.pluginmanager.register(RunHooks(session), "llm-judge-run")
    config.pluginmanager.register(TimeoutHooks(), "llm-judge-timeouts")
    if given is None:
        # A worker of xdist does not wait for the imports of the reports.
        from pytest_llmjudge.plugin.annotations import AnnotationHooks
        from pytest_llmjudge.plugin.controller import ControllerHooks
        from pytest_llmjudge.plugin.progress import ProgressHooks

        # What is registered last ends first, and the controller may still ask the judge then.
        if not is_listing(config):
            config.pluginmanager.register(ProgressHooks(store), "llm-judge-progress")
        config.pluginmanager.register(ControllerHooks(session), "llm-judge-controller")
        if settings.annotations == "github":
            hooks = AnnotationHooks(config, store.suites)
            config.pluginmanager.register(hooks, "llm-judge-annotations")


def _cache_folder(config: pytest.Config, mode: str) -> Path:
    cache: pytest.Cache | None = getattr(config, "cache", None)
    if mode == "off" or cache is None:
        return Path(tempfile.mkdtemp(prefix="llm-judge-"))
    try:
        return cache.mkdir("llm-judge")
    except OSError as error:
        problem = f"the cache cannot be used ({error.strerror})"
        hint = "make room or make it writable, remove it, or run with --llm-judge-cache=off"
        raise StoreError(str(config.getini("cache_dir")), problem, hint) from None


class RunHooks:
    """What every process does that runs items."""

    def __init__(self, session: LlmSession) -> None:
        self._session = session
        self._completeness = Completeness(session)
        self._is_collected = False

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Note that collection came to its end; a usage error, pytest's or ours, breaks it off."""
        deselect(config, items, self._session.settings)
        self._is_collected = True

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Plan the run, and end it now when judge or checkpoint is missing."""
        # xdist runs what a worker could collect, also where another file is broken.
        goes_on = session.config.option.continue_on_collection_errors or self._session.is_worker
        if not self._is_collected or (session.testsfailed and not goes_on):
            return
        try:
            self._completeness.check(session)
            plan(self._session, session)
            check_unused(self._session, session.items)
            check_explain(self._session)
            check_ray(self._session, session)
            if self._session.is_worker:
                agree_on_plan(self._session)
            if not is_listing(session.config):
                note_shard(self._session, session.items)
        except LlmJudgeError as error:
            collect.report_usage_problem(session.config, error)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note files of which --lf collects nothing."""
        self._completeness.pass_over(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Let the ``llm_model`` fixture be the model that the item is about."""
        self._session.item = item

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Let a sample's result decide before its body, and a gate instead of it."""
        if case_of(pyfuncitem) is None:
            return None
        with off_the_clock(pyfuncitem):
            return items.call(pyfuncitem, self._session) or None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the verdict on the report, and keep our own errors to their one line."""
        report = yield
        if call.excinfo is not None and isinstance(call.excinfo.value, LlmJudgeError):
            report.longrepr = call.excinfo.getrepr(style="value")
        _point_to_test(item, report)
        attach(item, report)
        if self._session.is_worker and report.when == "call":
            # What the controller knows to be scored it also knows to be kept.
            self._session.store.write_progress()
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Ask about nothing more; what is under way is finished, unless somebody is waiting."""
        self._session.resources.judges.close(wait=exitstatus != pytest.ExitCode.INTERRUPTED)
        if self._session.is_worker:
            # What comes of it the controller finds in the store, or finds out once more.
            with contextlib.suppress(LlmJudgeError):
                self._session.resources.confirm()

    def pytest_unconfigure(self) -> None:
        """Let go of models, judge and store; the terminal's process still needs the store."""
        self._session.resources.release()
        if self._session.is_worker:
            self._session.store.close()


def _point_to_test(item: pytest.Item, report: pytest.TestReport) -> None:
    """Let a failure that was decided here name the test, for ``--tb=line`` and editors."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None or not Path(crash.path).is_relative_to(_PACKAGE):
        return
    path, line, _ = item.reportinfo()
    if Path(path).is_relative_to(_PACKAGE):
        # The function that a records file is given stands here too.
        path, line = item.path, 0
    crash.path, crash.lineno = str(path), (line or 0) + 1
