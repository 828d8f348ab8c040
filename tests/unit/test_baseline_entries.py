"""What of a baseline stands beside a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pytest_llmjudge.data import Entry, Side
from pytest_llmjudge.keys import Content, content_of
from pytest_llmjudge.kinds.judged import JUDGED
from pytest_llmjudge.kinds.mmlu import MMLU
from pytest_llmjudge.kinds.reports import entries_before
from pytest_llmjudge.storage.results_reader import SavedRun
from tests.support import runs

SUITE = "test_suite.py::test_instructions"
EXAM = "test_mmlu.py::test_mmlu"
RUN = runs.run(
    runs.suite([runs.result("r0"), runs.result("r1")]),
    runs.exam([runs.subject("a", 1, 2)]),
)


def saved(*sides: Side) -> SavedRun:
    return SavedRun(Path("old.json"), {}, {side.name: side for side in sides})


def known(name: str) -> Entry:
    record = runs.record(name)
    content = content_of(Content(record.instruction, record.input, record.output))
    return Entry(name, content, 40.0, "before")


def test_records_pair_up_by_id_and_content() -> None:
    """A record that says something else under the same id is another one."""
    changed = replace(known("r1"), content="else")
    side = Side(JUDGED.measure, SUITE, (known("r0"), changed, known("r9")), judge=runs.JUDGE)

    assert entries_before(saved(side), RUN)[SUITE] == {"r0": known("r0")}


def test_scores_of_another_judge_are_left_out() -> None:
    """Its responses stay; so where the baseline does not say who judged."""
    other = replace(runs.JUDGE, digest="0000")
    for judge in (other, None):
        side = Side(JUDGED.measure, SUITE, (known("r0"),), judge=judge)
        expected = {"r0": replace(known("r0"), score=None)}

        assert entries_before(saved(side), RUN)[SUITE] == expected


def test_exams_asked_in_another_way_are_left_out() -> None:
    """Accuracies of two modes do not compare."""
    entries = (Entry("a-0", "A", 100.0, "A"),)
    for shots, expected in (("5", {"a-0": entries[0]}), ("0", {})):
        terms = {"mode": "letters", "number of shots": shots}
        side = Side(MMLU.measure, EXAM, entries, terms=terms)

        assert entries_before(saved(side), RUN)[EXAM] == expected


def test_without_a_baseline_there_is_nothing() -> None:
    """Not even empty suites."""
    assert entries_before(None, RUN) == {}
