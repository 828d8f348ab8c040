"""An exam as the page shows it: its subjects, their chart and the figures of all questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.mmlu.accuracy import Share, macro_average, pool, pooled_stderr
from pytest_llmjudge.reporting.html import charts
from pytest_llmjudge.reporting.html.baseline import baseline_panel
from pytest_llmjudge.reporting.html.charts import Measured
from pytest_llmjudge.reporting.html.model import MOST_DROPS, Drop, Panel, Subject, SuiteView
from pytest_llmjudge.reporting.terminal import checkpoint_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_llmjudge.data import Entry, ExamResult, SubjectResult
    from pytest_llmjudge.reporting.digest import SuiteDigest
    from pytest_llmjudge.reporting.html.model import Fact

__all__ = ["exam_view"]


def exam_view(exam: ExamResult, told: SuiteDigest, before: Mapping[str, Entry]) -> SuiteView:
    """Show an exam.

    Args:
        exam: The results.
        told: It in a few words.
        before: What the baseline made of its questions, by id.
    """
    known = {subject.subject: _accuracy_before(subject, before) for subject in exam.subjects}
    measured = [
        Measured(one.subject, share.accuracy, share.interval, known[one.subject])
        for one in exam.subjects
        if (share := _share(one))
    ]
    panels = [Panel("Exam", tuple(_facts(exam)))]
    if exam.comparison is not None:
        panels.append(baseline_panel(exam.comparison))
    return SuiteView(
        digest=told,
        kind="MMLU",
        model=checkpoint_line(exam.checkpoint),
        judge="",
        charts=(charts.intervals(measured, exam.min_subject_accuracy),) if measured else (),
        panels=tuple(panels),
        gates=exam.gates,
        drops=tuple(_drops(measured)),
        subjects=tuple(_subject(one, known[one.subject]) for one in exam.subjects),
    )


def _share(subject: SubjectResult) -> Share | None:
    return Share(subject.correct, subject.total) if subject.questions else None


def _accuracy_before(subject: SubjectResult, before: Mapping[str, Entry]) -> float | None:
    scores = [
        entry.score
        for question in subject.questions
        if (entry := before.get(question.id)) and entry.score is not None
    ]
    # Of a part of the questions the accuracy is another measure, which does not compare.
    is_whole = bool(scores) and len(scores) == len(subject.questions)
    return sum(scores) / len(scores) / 100 if is_whole else None


def _subject(subject: SubjectResult, before: float | None) -> Subject:
    share = _share(subject)
    figures = ("-",) * 4
    if share is not None:
        interval = "{:.4f} to {:.4f}".format(*share.interval)
        figures = str(share.total), str(share.correct), f"{share.accuracy:.4f}", interval
    return Subject(
        subject.subject,
        *figures,
        before="-" if before is None else f"{before:.4f}",
        outcome=subject.outcome,
        error=subject.error or "",
    )


def _drops(measured: Sequence[Measured]) -> Iterator[Drop]:
    fallen = [
        (one.value - one.before, one)
        for one in measured
        if one.before is not None and one.value < one.before
    ]
    for change, one in sorted(fallen, key=lambda pair: pair[0])[:MOST_DROPS]:
        yield Drop(
            name=one.name,
            before=f"{one.before:.4f}",
            now=f"{one.value:.4f}",
            change=f"{100 * change:+.1f}",
        )


def _facts(exam: ExamResult) -> Iterator[Fact]:
    yield "asked as", exam.mode
    yield "shots", str(exam.shots)
    yield "subjects", str(len(exam.subjects))
    if exam.limit is not None:
        yield "most questions of a subject", str(exam.limit)
    answered = [subject for subject in exam.subjects if subject.questions]
    if answered:
        whole = pool(answered)
        yield "questions", str(whole.total)
        yield "right", str(whole.correct)
        yield "mean of the subjects", f"{macro_average(answered):.4f}"
        error = pooled_stderr(answered) if exam.mode != "letters" else None
        if error is not None:
            yield "standard error, pooled", f"{error:.4f}"
