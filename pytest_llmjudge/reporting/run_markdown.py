"""A run's results as Markdown: the decision first, then what stands behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.errors import one_line
from pytest_llmjudge.gates import Decision
from pytest_llmjudge.mmlu.accuracy import Share, by_category
from pytest_llmjudge.reporting.digest import digest
from pytest_llmjudge.reporting.markdown import comparison_sections
from pytest_llmjudge.reporting.markup import Section, head, inline, row
from pytest_llmjudge.reporting.pairs import PAIR_HEADINGS, pair_row, told_of_pairs
from pytest_llmjudge.reporting.terminal import told_of_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import (
        Comparison,
        ExamResult,
        PairResult,
        PreferenceResult,
        RecordResult,
        RunResult,
        SuiteResult,
    )
    from pytest_llmjudge.reporting.digest import Digest

__all__ = ["run_sections"]

_WORST = 10
_NAMED = 100
_EXCERPT = 200
_CAUSE = 600
_DIGEST = ("suite", "measure", "95 % interval", "wanted", "change", "outcome")
_SUBJECTS = ("subject", "questions", "correct", "accuracy", "95 % interval", "outcome")
_RECORDS = ("score", "record", "instruction", "response")


def run_sections(run: RunResult) -> Iterator[Section]:
    """Yield the parts of the document, the most important ones first."""
    found = digest(run)
    yield _decision(found)
    yield from _causes(found)
    compared = list(_compared([*run.suites, *run.exams]))
    if compared:
        yield Section("a heading", ("### Beside the baseline",))
    yield from comparison_sections(compared)
    facts = tuple(f"- {inline(line)}" for line in (*told_of_run(run, figures=True), *_notes(run)))
    if facts:
        yield Section("lines on judge and model", ("### Judge and model", ""), facts)
    for exam in run.exams:
        yield from _exam(exam)
    yield from _preferences(run.preferences)
    for suite in run.suites:
        yield from _unscored(suite.name, suite.records)
    for pairs in run.preferences:
        yield from _unscored(pairs.name, pairs.pairs)
    for suite in run.suites:
        yield from _worst(suite)


def _decision(found: Digest) -> Section:
    title = f"## llm-judge: {found.outcome}"
    rows = tuple(
        row(
            [
                inline(suite.name),
                f"{suite.measure} {suite.value}",
                suite.interval,
                suite.wanted,
                suite.change,
                _outcome(suite.outcome),
            ]
        )
        for suite in found.suites
    )
    table = ("", *head(_DIGEST)) if rows else ()
    return Section("suites", (title, "", f"{_capital(found.headline)}.", *table), rows)


def _causes(found: Digest) -> Iterator[Section]:
    failed = [suite for suite in found.suites if suite.causes]
    if failed:
        lines = tuple(
            f"- {inline(suite.name)}: {inline(cause)}" for suite in failed for cause in suite.causes
        )
        yield Section("causes", ("### Why", ""), lines)


def _notes(run: RunResult) -> Iterator[str]:
    yield from (f"note: {note}" for note in run.notes)


def _exam(exam: ExamResult) -> Iterator[Section]:
    answered = [subject for subject in exam.subjects if subject.questions]
    title = f"### MMLU: {inline(exam.name)}"
    categories = tuple(
        _share(category, share, "") for category, share in by_category(answered).items()
    )
    table = ("", *head(_SUBJECTS)) if categories else ()
    yield Section(f"categories of {exam.name}", (title, *table), categories)
    subjects = [
        _share(one.subject, Share(one.correct, one.total), one.outcome)
        if one.questions
        else row([inline(one.subject), "-", "-", "-", "-", f"**{one.outcome}**"])
        for one in exam.subjects
    ]
    counted = "1 subject" if len(subjects) == 1 else f"{len(subjects)} subjects"
    opening = (f"<details><summary>{counted}</summary>", "", *head(_SUBJECTS))
    yield Section(f"subjects of {exam.name}", opening, tuple(subjects), ("", "</details>"))
    missing = [(one.subject, str(one.error)) for one in exam.subjects if not one.questions]
    yield from _named(f"subjects without a result in {exam.name}", missing)


def _share(name: str, share: Share, outcome: str) -> str:
    low, high = share.interval
    figures = (str(share.total), str(share.correct), f"{share.accuracy:.4f}")
    return row([inline(name), *figures, f"{low:.4f} to {high:.4f}", _outcome(outcome)])


def _preferences(results: Sequence[PreferenceResult]) -> Iterator[Section]:
    if not results:
        return
    rows = tuple(
        row([inline(name), *figures, inline(outcome)])
        for name, *figures, outcome in map(pair_row, results)
    )
    yield Section("suites of pairs", ("### Preference", "", *head(PAIR_HEADINGS)), rows)
    told = tuple(
        f"- {inline(line)}"
        for one in results
        for line in told_of_pairs(one, f" ({one.name})" if len(results) > 1 else "", figures=True)
    )
    yield Section("lines on pairs", (), told)


def _unscored(name: str, results: Sequence[RecordResult | PairResult]) -> Iterator[Section]:
    for cause, title in (("record", "unscored in"), ("rig", "broken rig in")):
        missing = [(one.record.id, str(one.error)) for one in results if one.cause == cause]
        yield from _named(f"{title} {name}", missing)


def _named(title: str, missing: Sequence[tuple[str, str]]) -> Iterator[Section]:
    if not missing:
        return
    lines = [
        f"- {inline(name)}: {inline(one_line(told, _CAUSE))}" for name, told in missing[:_NAMED]
    ]
    if len(missing) > _NAMED:
        lines.append(f"- and {len(missing) - _NAMED} more, which the results file names")
    opening = (f"### {_capital(inline(title))} ({len(missing)})", "")
    yield Section(title, opening, tuple(lines))


def _worst(suite: SuiteResult) -> Iterator[Section]:
    scored = [result for result in suite.records if result.score is not None]
    scored.sort(key=lambda result: result.score or 0)
    rows = tuple(
        row([str(one.score), inline(one.record.id), *map(_excerpt, _texts(one))])
        for one in scored[:_WORST]
    )
    if rows:
        opening = (f"### Lowest scores in {inline(suite.name)}", "", *head(_RECORDS))
        yield Section(f"lowest scores in {suite.name}", opening, rows)


def _texts(result: RecordResult) -> tuple[str, str]:
    return result.record.instruction, result.model_response or "(empty)"


def _excerpt(text: str) -> str:
    return inline(one_line(text, _EXCERPT))


def _compared(
    results: Sequence[SuiteResult | ExamResult],
) -> Iterator[tuple[str, Decision, Comparison]]:
    for result in results:
        gate = next((gate for gate in result.gates if gate.name == "baseline"), None)
        if gate is not None and result.comparison is not None:
            decision = Decision(passed=gate.outcome == "passed", reason=gate.reason)
            yield result.name, decision, result.comparison


def _outcome(outcome: str) -> str:
    return outcome if outcome in {"", "passed"} else f"**{outcome}**"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
