"""Lets nothing go missing from a run: required suites, those of the baseline, gates that decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.data.comparison import NOT_WORSE
from pytest_llmjudge.decisions.matching import match_suites, names_of
from pytest_llmjudge.decisions.sample_size import too_few
from pytest_llmjudge.decisions.worst_case import why_it_cannot_fail
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.kinds import compared_kinds
from pytest_llmjudge.kinds.base import BASELINE
from pytest_llmjudge.plugin.cases import case_of
from pytest_llmjudge.plugin.options import REQUIRE_INI, ini_name, is_listing, required_suites

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pytest

    from pytest_llmjudge.plugin.session import LlmSession
    from pytest_llmjudge.storage.results_reader import SavedRun

__all__ = ["Completeness"]


class Completeness:
    """What one process collected of the suites that a run is to decide over.

    Args:
        session: Of this process.
    """

    def __init__(self, session: LlmSession) -> None:
        self._session = session

    def pass_over(self, report: pytest.CollectReport) -> None:
        """Take note of a file of which ``--lf`` collects nothing."""
        if self._session.selects_failed and not report.result:
            self._session.passed_over.add(report.nodeid)

    def check(self, session: pytest.Session) -> None:
        """Prove that the run has all suites that it is to have, and that each can fail.

        Raises:
            LlmJudgeError: It has not, or one cannot; or the baseline cannot be used.
        """
        if is_listing(session.config):
            return
        selected: dict[str, list[pytest.Item]] = {}
        gated = set()
        for item in session.items:
            case = case_of(item)
            if case is not None:
                selected.setdefault(case.suite.name, []).append(item)
                if case.is_gate and case.id == BASELINE:
                    gated.add(case.suite.name)
        baseline = self._session.baseline
        if baseline is not None:
            self._session.compared = self._count_compared(baseline)
        # A file that could not be collected may have what is missing, and fails the run.
        if not session.testsfailed:
            self._check_required(selected)
            if baseline is not None:
                self._match(baseline, selected, gated)
        if baseline is not None:
            self._check_gates(selected, gated)

    def _check_gates(self, selected: Iterable[str], gated: Iterable[str]) -> None:
        for name in selected:
            self._check_can_fail(name)
        for name in gated:
            suite = self._session.suites[name]
            suite.check_baseline(self._session.baseline_side(suite))
            self._warn_of_too_few(name)

    def _count_compared(self, baseline: SavedRun) -> int:
        """Count the suites that share the run's chance of a false alarm.

        Those that are deselected count, so that a part of a run decides as the whole does. With
        ``--lf`` pytest does not collect files in which nothing failed; of those the baseline's
        suites count.
        """
        session = self._session
        if not session.selects_failed:
            return max(1, len(session.gated))
        names = {name for name, suite in session.suites.items() if session.is_compared(suite)}
        passed_over = session.passed_over
        names |= {name for name in baseline.sides if name.partition("::")[0] in passed_over}
        return max(1, len(names))

    def _check_required(self, selected: dict[str, list[pytest.Item]]) -> None:
        config = self._session.config
        problems = {
            name: problem
            for entry in required_suites(config)
            for name, problem in self._problems(entry, selected)
        }
        if problems:
            labels = [f"{name} ({problem})" for name, problem in problems.items()]
            where, message = f"{ini_name(config)}: {REQUIRE_INI}", "this run lacks what is required"
            hint = "run these suites as a whole, or take them out of the list"
            raise SettingsError(where, f"{message}: {names_of(labels)}", hint)

    def _problems(
        self, entry: str, selected: dict[str, list[pytest.Item]]
    ) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with each suite that an entry of the list means."""
        suites = self._session.suites
        meant = [name for name in suites if name == entry or name.startswith(f"{entry}::")]
        if not meant:
            yield entry, "not collected"
        for name in meant:
            items, size = selected.get(name, []), self._size(name)
            here = len({item.nodeid for item in items})
            if here < size:
                yield name, f"{here} of {size} items selected"
            elif any(item.get_closest_marker("skip") for item in items):
                yield name, "marked to be skipped"

    def _size(self, name: str) -> int:
        suite, shard = self._session.suites[name], self._session.settings.shard
        samples = [one for one in suite.samples if shard is None or one in shard]
        return len(samples) + sum(map(len, suite.gates(self._session.settings)))

    def _match(
        self, baseline: SavedRun, selected: dict[str, list[pytest.Item]], gated: set[str]
    ) -> None:
        """Match the run's suites with the baseline's, and let it have them all."""
        settings, store = self._session.settings, self._session.store
        kinds = {
            name: suite.kind.name
            for name, suite in self._session.suites.items()
            if name in self._session.collected or self._session.selects_failed
        }
        compared = compared_kinds()
        matching = self._session.matching = match_suites(
            baseline.kinds,
            kinds,
            settings.baseline_suite,
            compared=compared,
            where="--llm-judge-baseline-suite",
        )
        deselected = [
            old
            for name, old in matching.old_names.items()
            if name not in (gated if kinds[name] in compared else selected)
        ]
        lacking: list[str] = []
        for name in matching.lacking:
            is_passed_over = name.partition("::")[0] in self._session.passed_over
            (deselected if is_passed_over else lacking).append(name)
        if lacking and not settings.baseline_partial:
            where = f"--llm-judge-baseline {baseline.path}"
            problem = f"this run lacks suites that the baseline has: {names_of(lacking)}"
            hint = (
                "run them too, name a suite that was renamed with --llm-judge-baseline-suite "
                "OLD=NEW, or allow it with --llm-judge-baseline-partial"
            )
            raise SettingsError(where, problem, hint)
        for names, why in ((lacking, "this run lacks them"), (deselected, "not selected")):
            if names:
                store.add_note(f"not compared with the baseline ({why}): {names_of(names)}")

    def _check_can_fail(self, name: str) -> None:
        """Refuse a suite that passes whatever its model does, and note such a gate."""
        session = self._session
        suite = session.suites[name]
        keys = suite.baseline_keys()
        if keys is None:
            return
        why = why_it_cannot_fail(
            session.baseline_side(suite), keys, session.rule(suite), suite.group_names()
        )
        if why is None:
            return
        problem, hint = why
        error = suite.cannot_fail(problem, hint)
        if error is not None:
            raise error
        session.store.add_note(f"{name}: its [{BASELINE}] cannot fail: {problem}; {hint}")

    def _warn_of_too_few(self, name: str) -> None:
        """Say beforehand of a suite that it has too few records to be proved not worse."""
        session = self._session
        suite = session.suites[name]
        keys, rule = suite.baseline_keys(), session.rule(suite)
        if keys is None or rule.name != NOT_WORSE or session.baseline is None:
            return
        side = session.baseline_side(suite)
        old_name, names = session.matching.old_name(name), suite.group_names()
        deviation, pairs, effect = session.baseline.known_deviation(old_name)
        warning = too_few(side, keys, rule, deviation, pairs, effect=effect, names=names)
        if warning is not None:
            session.early_notes[name] = f"{name}: {warning}"
            session.store.add_note(session.early_notes[name])
