"""What the baseline made of the records and questions of a run, for a reader who compares."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_llmjudge.comparison import is_same_judge
from pytest_llmjudge.storage.results_reader import content_of, exam_terms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmjudge.data import Entry, ExamResult, RunResult, SuiteResult
    from pytest_llmjudge.storage.results_reader import SavedRun

__all__ = ["entries_before"]


def entries_before(baseline: SavedRun | None, run: RunResult) -> dict[str, dict[str, Entry]]:
    """Return the baseline's entries by suite and id, of what pairs up with this run's.

    Entries of another judge lose their scores, which do not compare; their responses do.
    """
    if baseline is None:
        return {}
    found = {suite.name: _records(baseline, suite) for suite in run.suites}
    return found | {exam.name: _questions(baseline, exam) for exam in run.exams}


def _records(baseline: SavedRun, suite: SuiteResult) -> dict[str, Entry]:
    side = baseline.side("judge", _old_name(suite))
    old: Mapping[tuple[str, str], Entry] = {(one.id, one.content): one for one in side.entries}
    compares = side.judge is not None and is_same_judge(side.judge, suite.judge)
    found = {}
    for result in suite.records:
        record = result.record
        content = content_of(record.instruction, record.input, record.output)
        entry = old.get((record.id, content))
        if entry is not None:
            found[record.id] = entry if compares else replace(entry, score=None)
    return found


def _questions(baseline: SavedRun, exam: ExamResult) -> dict[str, Entry]:
    side = baseline.side("mmlu", _old_name(exam))
    if side.terms != exam_terms(exam.mode, exam.shots):
        return {}
    return {entry.id: entry for entry in side.entries}


def _old_name(result: SuiteResult | ExamResult) -> str:
    """Return the name of a suite in the baseline."""
    return (result.comparison and result.comparison.baseline_suite) or result.name
