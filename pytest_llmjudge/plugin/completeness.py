"""Lets nothing go missing from a run: required suites, those of the baseline, gates that decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_llmjudge.comparison import NOUNS
from pytest_llmjudge.errors import DatasetError, SettingsError
from pytest_llmjudge.matching import Matching, match_suites, names_of
from pytest_llmjudge.mmlu.files import LETTERS
from pytest_llmjudge.plugin.cases import BASELINE, case_of, exam_case_of
from pytest_llmjudge.plugin.options import REQUIRE_INI, ini_name, is_listing, required_suites
from pytest_llmjudge.storage.results_reader import content_of
from pytest_llmjudge.worst_case import why_it_cannot_fail

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from pytest_llmjudge.data import Side
    from pytest_llmjudge.mmlu.exam import Exam
    from pytest_llmjudge.plugin.session import LlmSession
    from pytest_llmjudge.storage.results_reader import SavedRun
    from pytest_llmjudge.suites import Suite

__all__ = ["Completeness"]


@dataclass(frozen=True, slots=True)
class _Known:
    kind: str
    size: int


class Completeness:
    """What one process collected of the suites that a run is to decide over.

    Attributes:
        collected: Names of the suites that have items, whatever was deselected later.
    """

    def __init__(self, session: LlmSession) -> None:
        self.collected: set[str] = set()
        self._session = session
        self._known: dict[str, _Known] = {}
        self._passed_over: set[str] = set()
        self._matching = Matching({}, ())

    def expect(self, name: str, kind: str, size: int) -> None:
        """Take note of a suite that was made.

        Args:
            name: Node id of its function.
            kind: ``judge``, ``mmlu`` or ``preference``.
            size: How many items it has.
        """
        self._known[name] = _Known(kind, size)

    def pass_over(self, report: pytest.CollectReport) -> None:
        """Take note of a file of which ``--lf`` collects nothing."""
        if self._selects_failed and not report.result:
            self._passed_over.add(report.nodeid)

    @property
    def _selects_failed(self) -> bool:
        return bool(self._session.config.getoption("lf", default=False))

    def baseline_side(self, kind: str, name: str) -> Side:
        """Return what a suite of this run is compared with; there is a baseline."""
        baseline = self._session.baseline
        assert baseline is not None  # noqa: S101  # without one nothing asks
        return baseline.side(kind, self._matching.old_name(name))

    def baseline_fingerprint(self, name: str) -> str:
        """Return the fingerprint of the model that the baseline's suite was made with, or none."""
        baseline = self._session.baseline
        return "" if baseline is None else baseline.fingerprint(self._matching.old_name(name))

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
            case, exam_case = case_of(item), exam_case_of(item)
            found = case or exam_case
            if found is not None:
                name = case.suite.name if case else exam_case.exam.name  # type: ignore[union-attr]
                selected.setdefault(name, []).append(item)
                if found.gate == BASELINE:
                    gated.add(name)
        baseline = self._session.baseline
        # A file that could not be collected may have what is missing, and fails the run.
        if not session.testsfailed:
            self._check_required(selected)
            if baseline is not None:
                self._match(baseline, selected, gated)
        if baseline is not None:
            for name in selected:
                self._check_can_fail(name)

    def _check_required(self, selected: dict[str, list[pytest.Item]]) -> None:
        config = self._session.config
        problems = {
            name: problem
            for entry in required_suites(config)
            for name, problem in self._problems(entry, selected)
        }
        if problems:
            told = [f"{name} ({problem})" for name, problem in problems.items()]
            where, found = f"{ini_name(config)}: {REQUIRE_INI}", "this run lacks what is required"
            todo = "run these suites as a whole, or take them out of the list"
            raise SettingsError(where, f"{found}: {names_of(told)}", todo)

    def _problems(
        self, entry: str, selected: dict[str, list[pytest.Item]]
    ) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with each suite that an entry of the list means."""
        meant = [name for name in self._known if name == entry or name.startswith(f"{entry}::")]
        if not meant:
            yield entry, "not collected"
        for name in meant:
            items, size = selected.get(name, []), self._known[name].size
            here = len({item.nodeid for item in items})
            if here < size:
                yield name, f"{here} of {size} items selected"
            elif any(item.get_closest_marker("skip") for item in items):
                yield name, "marked to be skipped"

    def _match(
        self, baseline: SavedRun, selected: dict[str, list[pytest.Item]], gated: set[str]
    ) -> None:
        """Match the run's suites with the baseline's, and let it have them all."""
        settings, store = self._session.settings, self._session.store
        kinds = {
            name: known.kind
            for name, known in self._known.items()
            if name in self.collected or self._selects_failed
        }
        self._matching = match_suites(
            baseline.kinds, kinds, settings.baseline_suite, where="--llm-judge-baseline-suite"
        )
        deselected = [
            old
            for name, old in self._matching.old_names.items()
            if name not in (gated if kinds[name] in NOUNS else selected)
        ]
        lacking: list[str] = []
        for name in self._matching.lacking:
            is_passed_over = name.partition("::")[0] in self._passed_over
            (deselected if is_passed_over else lacking).append(name)
        if lacking and not settings.baseline_partial:
            where = f"--llm-judge-baseline {baseline.path}"
            found = f"this run lacks suites that the baseline has: {names_of(lacking)}"
            todo = (
                "run them too, name a suite that was renamed with --llm-judge-baseline-suite "
                "OLD=NEW, or allow it with --llm-judge-baseline-partial"
            )
            raise SettingsError(where, found, todo)
        for names, why in ((lacking, "this run lacks them"), (deselected, "not selected")):
            if names:
                store.add_note(f"not compared with the baseline ({why}): {names_of(names)}")

    def _check_can_fail(self, name: str) -> None:
        """Refuse a suite that passes whatever its model does, and tell of such a gate."""
        session = self._session
        suite = session.suites.get(name)
        minimums: tuple[float | None, ...]
        if suite is None:
            exam = next(exam for exam in session.exams.known if exam.name == name)
            kind, minimums = "mmlu", (exam.min_accuracy, exam.min_subject_accuracy)
            own = "min_accuracy"
            keys = _questions(exam)
        elif suite.pairing is None:
            kind, minimums = "judge", (suite.settings.min_score, suite.settings.min_average)
            own = "min_average or min_score"
            keys = _records(suite)
        else:
            return
        why = why_it_cannot_fail(self.baseline_side(kind, name), keys, session.settings.max_drop)
        if why is None:
            return
        found, todo = why
        if not any(minimums):
            raise SettingsError(name, f"it cannot fail: {found}", f"{todo}, or set {own}")
        session.store.add_note(f"{name}: its [{BASELINE}] cannot fail: {found}; {todo}")


def _records(suite: Suite) -> list[tuple[str, str]]:
    return [
        (record.id, content_of(record.instruction, record.input, record.output))
        for record in suite.records
    ]


def _questions(exam: Exam) -> list[tuple[str, str]]:
    try:
        return [
            (question.id, LETTERS[question.answer])
            for subject in exam.subjects
            for question in exam.questions(subject)
        ]
    except DatasetError:
        # The subject's own item tells of it, and fails.
        return []
