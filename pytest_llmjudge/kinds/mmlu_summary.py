"""What reports show of a suite of MMLU: its subjects and categories, and all questions together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.data.page import (
    MOST_DROPS,
    Drop,
    Intervals,
    Measured,
    PageTable,
    Panel,
    SuitePage,
)
from pytest_llmjudge.data.summary import NONE, Breakdown, Part
from pytest_llmjudge.decisions.accuracy import Share, said_of_ties
from pytest_llmjudge.kinds.base import AVERAGE
from pytest_llmjudge.kinds.rulings import Limit, of_samples, remark_on
from pytest_llmjudge.kinds.summaries import (
    at_least,
    is_one,
    make_summary,
)
from pytest_llmjudge.mmlu.accuracy import by_category, macro_average, pool, pooled_stderr
from pytest_llmjudge.mmlu.gates import decide_subject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_llmjudge.data import Entry, Rule
    from pytest_llmjudge.data.page import Fact
    from pytest_llmjudge.data.summary import Summary
    from pytest_llmjudge.kinds.base import Kind
    from pytest_llmjudge.mmlu.results import ExamResult, SubjectResult

__all__ = ["mmlu_page", "mmlu_summary"]

_HEADINGS = ("subject", "questions", "correct", "accuracy", "95 % interval", "outcome")
_NAMED = 5


def mmlu_summary(kind: Kind[ExamResult], exam: ExamResult, rule: Rule) -> Summary:
    """Return what reports show of a suite.

    Args:
        kind: Of the suite.
        exam: Its result.
        rule: How it is held to its baseline.
    """
    answered = _answered(exam)
    share = pool(answered) if answered and len(answered) == len(exam.subjects) else None
    return make_summary(
        kind,
        exam,
        noun="subject",
        measure="accuracy",
        value=NONE if share is None else f"{share.accuracy:.4f}",
        interval=NONE if share is None else _interval(share),
        wanted=(
            at_least("accuracy", exam.min_accuracy),
            at_least("each subject", exam.min_subject_accuracy),
        ),
        rule=rule,
        causes=_causes(exam),
        limits={AVERAGE: _limit(exam, answered)},
        of_each=of_samples(
            at_least("accuracy of each subject", exam.min_subject_accuracy),
            "subject",
            (subject.outcome for subject in exam.subjects),
            len(exam.subjects),
            missed=_low(exam),
            beyond="below",
        ),
        breakdowns=(_breakdown(kind.title, exam, answered),),
        counts=(
            ("questions", str(sum(subject.total for subject in answered))),
            ("subjects_without_a_result", str(len(exam.subjects) - len(answered))),
        ),
    )


def _limit(exam: ExamResult, answered: Sequence[SubjectResult]) -> Limit:
    share, missing = pool(answered), len(exam.subjects) - len(answered)
    near = not missing and share.is_within_noise(exam.min_accuracy)
    remark = remark_on(missing, len(exam.subjects), "subjects without a result", near=near)
    return Limit(at_least("accuracy", exam.min_accuracy), remark)


def _low(exam: ExamResult) -> int:
    """Count the subjects that failed by their accuracy."""
    minimum = exam.min_subject_accuracy
    return sum(
        one.outcome == "failed" and not decide_subject(one.correct, one.total, minimum).passed
        for one in _answered(exam)
    )


def _answered(exam: ExamResult) -> list[SubjectResult]:
    return [subject for subject in exam.subjects if subject.questions]


def _interval(share: Share) -> str:
    return "{:.4f} to {:.4f}".format(*share.interval)


def _causes(exam: ExamResult) -> Iterator[str]:
    for outcome, one, many in (
        ("failed", "failed", "failed"),
        ("error", "ended with an error", "ended with an error"),
        ("not run", "was not run", "were not run"),
    ):
        names = [subject.subject for subject in exam.subjects if subject.outcome == outcome]
        if names:
            verb = is_one(len(names), one, many)
            yield f"{len(names)} of {len(exam.subjects)} subjects {verb}: {_names(names)}"


def _names(subjects: Sequence[str]) -> str:
    shown = ", ".join(subjects[:_NAMED])
    return shown if len(subjects) <= _NAMED else f"{shown} and {len(subjects) - _NAMED} more"


def _breakdown(title: str, exam: ExamResult, answered: Sequence[SubjectResult]) -> Breakdown:
    drawn = "" if exam.limit is None else f", at most {exam.limit} questions of a subject"
    shots = is_one(exam.shots, "1 shot", f"{exam.shots} shots")
    return Breakdown(
        title=title,
        settings=f"{exam.mode}, {shots}{drawn}",
        headings=_HEADINGS,
        parts=tuple(map(_part, exam.subjects)),
        grouping="categories",
        groups=tuple(
            Part(category, _figures(share)) for category, share in by_category(answered).items()
        ),
        whole=_whole(exam, answered),
        lines=tuple(_lines(exam, answered)) if answered else (),
    )


def _part(subject: SubjectResult) -> Part:
    if not subject.questions:
        return Part(subject.subject, outcome=subject.outcome, error=str(subject.error))
    share = Share(subject.correct, subject.total)
    return Part(subject.subject, _figures(share), subject.outcome)


def _figures(share: Share) -> tuple[str, ...]:
    return str(share.total), str(share.correct), f"{share.accuracy:.4f}", _interval(share)


def _whole(exam: ExamResult, answered: Sequence[SubjectResult]) -> Part:
    share = pool(answered)
    is_whole = len(answered) == len(exam.subjects)
    # Of a part of the subjects there is no accuracy: those without a result may be the worst.
    figures = _figures(share) if is_whole else (str(share.total), str(share.correct), NONE, NONE)
    return Part("all", figures, exam.outcome)


def _lines(exam: ExamResult, answered: Sequence[SubjectResult]) -> Iterator[str]:
    if len(answered) > 1:
        yield f"mean of the {len(answered)} subjects' accuracies: {macro_average(answered):.4f}"
    error = _standard_error(exam, answered)
    if error is not None:
        yield f"standard error as lm-evaluation-harness pools it: {error:.4f}"
    norms = [subject for subject in answered if subject.accuracy_norm is not None]
    if norms:
        right = sum(round((subject.accuracy_norm or 0) * subject.total) for subject in norms)
        total = sum(subject.total for subject in norms)
        yield f"accuracy of the choices likeliest for their length: {right / total:.4f}"
    questions = [question for subject in answered for question in subject.questions]
    fewer = sum(question.shots < exam.shots for question in questions)
    cut = sum(question.is_cut for question in questions)
    if fewer:
        yield f"{fewer} of {len(questions)} questions had fewer shots, because those did not fit"
    if cut:
        yield f"{cut} of {len(questions)} prompts lost their beginning, because they did not fit"
    ties = said_of_ties(question.logprobs for question in questions)
    if ties is not None:
        yield ties


def _standard_error(exam: ExamResult, answered: Sequence[SubjectResult]) -> float | None:
    return None if exam.mode == "letters" else pooled_stderr(answered)


def mmlu_page(exam: ExamResult, before: Mapping[str, Entry]) -> SuitePage:
    """Return what the HTML page shows of a suite beside its summary.

    Args:
        exam: Its result.
        before: What the baseline made of its questions, by id.
    """
    known = {subject.subject: _accuracy_before(subject, before) for subject in exam.subjects}
    measured = tuple(
        Measured(one.subject, share.accuracy, share.interval, known[one.subject])
        for one in _answered(exam)
        for share in [Share(one.correct, one.total)]
    )
    chart = Intervals(measured, exam.min_subject_accuracy, "accuracy", "subject")
    return SuitePage(
        panels=(Panel("Exam", tuple(_facts(exam))),),
        charts=(chart,) if measured else (),
        tables=(_table(exam, known),),
        drops=tuple(_drops(measured)),
    )


def _accuracy_before(subject: SubjectResult, before: Mapping[str, Entry]) -> float | None:
    scores = [
        entry.score
        for question in subject.questions
        if (entry := before.get(question.id)) and entry.score is not None
    ]
    # Of a part of the questions the accuracy is another measure, which does not compare.
    is_whole = bool(scores) and len(scores) == len(subject.questions)
    return sum(scores) / len(scores) / 100 if is_whole else None


def _table(exam: ExamResult, known: Mapping[str, float | None]) -> PageTable:
    has_baseline = any(value is not None for value in known.values())
    headings = ["subject", "questions", "right", "accuracy", "95 % interval"]
    rows = []
    for subject in exam.subjects:
        was = known[subject.subject]
        figures = _part(subject).figures or (NONE,) * 4
        if has_baseline:
            figures += (NONE if was is None else f"{was:.4f}",)
        error = subject.error or ""
        rows.append(Part(subject.subject, figures, subject.outcome, error=error))
    baseline = ["baseline"] if has_baseline else []
    return PageTable("Subjects", (*headings, *baseline, "outcome"), tuple(rows))


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
    answered = _answered(exam)
    if answered:
        whole = pool(answered)
        yield "questions", str(whole.total)
        yield "right", str(whole.correct)
        yield "mean of the subjects", f"{macro_average(answered):.4f}"
        error = _standard_error(exam, answered)
        if error is not None:
            yield "standard error, pooled", f"{error:.4f}"
