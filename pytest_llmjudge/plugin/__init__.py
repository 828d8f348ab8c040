"""The pytest plugin: its hooks, each a few lines that delegate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.errors import LlmJudgeError, SettingsError
from pytest_llmjudge.kinds.markers import MARKERS
from pytest_llmjudge.plugin import collect, fixtures, hookspecs, options
from pytest_llmjudge.plugin.cases import SESSION

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the options."""
    options.add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Offer the hook that gets the results."""
    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Keep a worker of xdist from clearing the cache, which the controller has cleared."""
    if hasattr(config, "workerinput"):
        config.option.cacheclear = False


def pytest_configure(config: pytest.Config) -> None:
    """Announce markers and fixtures; with ``--llm-judge`` take part in the run."""
    for marker in MARKERS:
        line = f"{marker.name}({marker.arguments}): {marker.purpose}"
        config.addinivalue_line("markers", line)
    config.pluginmanager.register(fixtures, "llm-judge-fixtures")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(collect.UsageHooks(), "llm-judge-usage")
    try:
        if options.is_enabled(config):
            options.files_patterns(config)
            options.required_suites(config)
            from pytest_llmjudge.plugin.run import take_part

            take_part(config)
    except LlmJudgeError as error:
        raise pytest.UsageError(*error.lines) from None


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Refuse a run that was meant to judge and will not: it would end well, and decide nothing."""
    config = session.config
    if hasattr(config, "workerinput") or options.is_listing(config):
        return
    try:
        options.check_ini(config)
        if SESSION not in config.stash:
            options.check_idle(config)
    except SettingsError as error:
        raise pytest.UsageError(*error.lines) from None


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Collect a records file; without ``--llm-judge`` refuse one that nothing else collects."""
    collectors = yield
    if SESSION not in parent.config.stash:
        if not any(collectors):
            collect.refuse_records_file(file_path, parent)
    elif collect.is_records_file(file_path, parent):
        collectors = [*collectors, collect.RecordsFile.from_parent(parent, path=file_path)]
    return collectors


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a marked function into its suite's items."""
    session = metafunc.config.stash.get(SESSION, None)
    if session is not None:
        collect.parametrize(metafunc, session)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Skip a marked item without ``--llm-judge``; with it, put its own fixture first."""
    collect.prepare(item, item.config.stash.get(SESSION, None))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Mark the report of a suite that cannot be used, so that the run ends with status 4."""
    report = yield
    collect.mark_usage_problem(report)
    return report
