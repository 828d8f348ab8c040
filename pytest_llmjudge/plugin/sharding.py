"""Runs one shard of a run: without the samples of the others, and with what a merge has to know."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import count_of, one_line
from pytest_llmjudge.kinds import kind_named
from pytest_llmjudge.kinds.reports import run_summary
from pytest_llmjudge.kinds.required import sample_count
from pytest_llmjudge.kinds.shared import Shared
from pytest_llmjudge.pipeline.answering import answering_names
from pytest_llmjudge.plugin.cases import case_of
from pytest_llmjudge.plugin.identity import shared_facts
from pytest_llmjudge.plugin.options import REQUIRE_INI, ini_name, required_suites
from pytest_llmjudge.plugin.planner import EARLY_NOTES, USES_JUDGE
from pytest_llmjudge.plugin.reports import ATTRIBUTE
from pytest_llmjudge.records.files import file_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pytest

    from pytest_llmjudge.data import RunResult
    from pytest_llmjudge.plugin.cases import Case
    from pytest_llmjudge.plugin.session import LlmSession
    from pytest_llmjudge.settings import Settings

__all__ = ["ShardReports", "deselect", "is_left_to_merge", "note_shard"]

_CONFTEST = "conftest.py"
_CI_RUNS = ("GITHUB_RUN_ID", "CI_PIPELINE_ID")
"""Where GitHub and GitLab say which run of a pipeline it is; the same in jobs that run again."""
_PLAN = "shard"
"""Under which the processes of a run agree on what the shard's file says of its plan."""


def deselect(config: pytest.Config, items: list[pytest.Item], settings: Settings) -> None:
    """Take away the samples of other shards, as pytest does what ``-k`` leaves out."""
    shard = settings.shard
    if shard is None:
        return
    kept: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        case = case_of(item)
        is_here = case is None or case.is_gate or case.id in shard
        (kept if is_here else others).append(item)
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = kept


def is_left_to_merge(case: Case, settings: Settings) -> bool:
    """Say whether an item decides over samples, of which a shard has a part."""
    return settings.shard is not None and case.is_gate and case.id in case.suite.gates(settings)[1]


def note_shard(session: LlmSession, items: Iterable[pytest.Item]) -> None:
    """Keep what only a process that collects items knows, for the one that writes the file."""
    settings = session.settings
    shard = settings.shard
    if shard is None:
        return
    baseline = None
    if session.baseline is not None:
        names = {name: session.matching.old_name(name) for name in sorted(session.gated)}
        path = session.resources.models.shown_path(session.baseline.path)
        baseline = {"path": path, "suites": names}
    plan = {
        "agreed": {
            fact.key: {"where": fact.where, "what": fact.what, "value": fact.value}
            for fact in (*shared_facts(session), *_sources(session.config, items))
        },
        "baseline": baseline,
        "places": {
            name: [
                place
                for place, sample in enumerate(session.suites[name].samples)
                if sample in shard
            ]
            for name in session.announced
        },
    }
    session.store.agree({_PLAN: json.dumps(plan, sort_keys=True)})


def _sources(config: pytest.Config, items: Iterable[pytest.Item]) -> Iterator[Shared]:
    """Yield the files with the tests and fixtures of a run, which decide beside its suites."""
    plugins = config.pluginmanager.get_plugins()
    modules = (Path(str(getattr(plugin, "__file__", ""))) for plugin in plugins)
    fixtures = (module for module in modules if module.name == _CONFTEST)
    tests = (item.path for item in items if case_of(item) is not None)
    for path in sorted({*fixtures, *tests}):
        # From the root it is the same on all machines, also outside of it.
        shown = Path(os.path.relpath(path, config.rootpath)).as_posix()
        yield Shared(f"source {shown}", shown, "content", file_digest(path))


class ShardReports:
    """What the reports of a shard say beside its results, in the process that writes the file.

    Args:
        session: Of that process.
    """

    def __init__(self, session: LlmSession) -> None:
        self._session = session
        self._spared: set[str] = set()
        self._failed: set[str] = set()
        self._failed_elsewhere: set[str] = set()
        self._left: dict[str, dict[str, bool | None]] = {}

    def note(self, report: pytest.TestReport) -> None:
        """Keep which items failed, or were skipped or expected to; gates left over are neither."""
        payload = getattr(report, ATTRIBUTE, {})
        if report.failed:
            (self._failed if payload else self._failed_elsewhere).add(report.nodeid)
        if "left" in payload:
            self._left[f"{payload['suite']}[{payload['item']}]"] = payload["left"]
        elif report.skipped:
            self._spared.add(report.nodeid)

    def own(self, run: RunResult) -> RunResult:
        """Return a run of a shard without the samples of the others; one of the whole as it is."""
        shard = self._session.settings.shard
        if shard is None:
            return run
        results = tuple(kind_named(one.kind).part_of(one, shard) for one in run.results)
        return replace(run, results=results)

    def part(self, status: int, changed: Mapping[str, str]) -> dict[str, Any] | None:
        """Return the results file's part on the shard; ``None`` in a run of the whole.

        Args:
            status: What pytest ends with.
            changed: A line for each model that changed during the run, by its name.
        """
        session = self._session
        shard, config = session.settings.shard, session.config
        if shard is None:
            return None
        plan = self._plan()
        left_out = {EARLY_NOTES, USES_JUDGE}
        where = f"{ini_name(config)}: {REQUIRE_INI}"
        return {
            "number": shard.number,
            "count": shard.count,
            "status": status,
            "ci_run": next(
                (f"{key} {os.environ[key]}" for key in _CI_RUNS if os.environ.get(key)), ""
            ),
            "failed": {"of_suites": len(self._failed), "others": sorted(self._failed_elsewhere)},
            "suites": {
                name: {key: fact for key, fact in facts.items() if key not in left_out}
                for name, facts in session.store.suites().items()
            },
            "agreed": plan["agreed"],
            "answered": answering_names(session.store),
            "places": plan["places"],
            "changed": dict(changed),
            "baseline": plan["baseline"],
            "require": {"where": where, "suites": required_suites(config)},
            "spared": sorted(self._spared),
            "left": dict(sorted(self._left.items())),
        }

    def lines(self, run: RunResult) -> Iterator[str]:
        """Yield how much of each suite the shard has, and who decides the rest.

        Args:
            run: The results of the shard.
        """
        shard = self._session.settings.shard
        if shard is None or not run.results:
            return
        summaries = run_summary(run).summaries
        places, suites = self._plan()["places"], self._session.store.suites()
        counts: dict[str, list[int]] = {}
        for suite in summaries:
            own = counts.setdefault(suite.noun, [0, 0])
            own[0] += len(places[suite.name])
            own[1] += sample_count(suites[suite.name])
        figures = (f"{mine} of {count_of(all_, noun)}" for noun, (mine, all_) in counts.items())
        yield f"{shard.shown}: {', '.join(figures)}; gates are decided by: llmjudge merge"
        for suite in summaries:
            if not places[suite.name]:
                yield one_line(f"{shard.shown} has no {suite.noun} of {suite.name}")

    def _plan(self) -> dict[str, Any]:
        plan: dict[str, Any] = json.loads(self._session.store.agreed()[_PLAN])
        return plan
