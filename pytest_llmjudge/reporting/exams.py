"""An exam's results for a terminal: categories or subjects, and all questions together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.mmlu.accuracy import Share, by_category, macro_average, pool, pooled_stderr
from pytest_llmjudge.mmlu.gates import is_accuracy_within_noise
from pytest_llmjudge.reporting.layout import Table
from pytest_llmjudge.reporting.unscored import named_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmjudge.data import ExamResult, SubjectResult

__all__ = ["exam_blocks"]

_SHOWN_SUBJECTS = 12
_HEADINGS = ("subject", "questions", "correct", "accuracy", "95 % interval", "outcome")


def exam_blocks(exam: ExamResult, most: int | None, *, pooled: bool) -> Iterator[str | Table]:
    """Yield what became of an exam, as lines and a table.

    Args:
        exam: The results.
        most: How many subjects without a result are named; ``None`` for all.
        pooled: Show categories in the place of more than twelve subjects.
    """
    drawn = "" if exam.limit is None else f", at most {exam.limit} questions of a subject"
    shots = "1 shot" if exam.shots == 1 else f"{exam.shots} shots"
    yield f"MMLU in {exam.name}: {exam.mode}, {shots}{drawn}"
    answered = [subject for subject in exam.subjects if subject.questions]
    if answered:
        rows = list(_rows(exam, answered, pooled=pooled and len(answered) > _SHOWN_SUBJECTS))
        yield Table(_HEADINGS, [row for row, _ in rows], [outcome for _, outcome in rows])
        yield from _limits(exam, answered)
    missing = [subject for subject in exam.subjects if not subject.questions]
    if missing:
        yield f"subjects without a result in {exam.name}: {len(missing)}"
    yield from named_lines([(one.subject, str(one.error)) for one in missing], most)


def _rows(
    exam: ExamResult, answered: list[SubjectResult], *, pooled: bool
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each row with its outcome."""
    if pooled:
        for category, share in by_category(answered).items():
            yield _row(category, share, ""), ""
    else:
        for subject in answered:
            share = Share(subject.correct, subject.total)
            yield _row(subject.subject, share, subject.outcome), subject.outcome
    whole, minimum = pool(answered), exam.min_accuracy
    gates = []
    if minimum is not None:
        is_near = is_accuracy_within_noise(whole.correct, whole.total, minimum)
        noise = ", within noise" if is_near and len(answered) == len(exam.subjects) else ""
        gates.append(f"accuracy >= {minimum:g}{noise}")
    gates += [f"baseline {gate.outcome}" for gate in exam.gates if gate.name == "baseline"]
    told = f" ({', '.join(gates)})" if gates else ""
    if len(answered) == len(exam.subjects):
        yield _row("all", whole, f"{exam.outcome}{told}"), exam.outcome
    else:
        # Of a part of the subjects there is no accuracy: those without a result may be the worst.
        figures = (str(whole.total), str(whole.correct), "-", "-")
        yield ("all", *figures, f"{exam.outcome}{told}"), exam.outcome


def _row(name: str, share: Share, outcome: str) -> tuple[str, ...]:
    low, high = share.interval
    shown = f"{share.accuracy:.4f}"
    return (name, str(share.total), str(share.correct), shown, f"{low:.4f} to {high:.4f}", outcome)


def _limits(exam: ExamResult, answered: list[SubjectResult]) -> Iterator[str]:
    if len(answered) > 1:
        yield f"mean of the {len(answered)} subjects' accuracies: {macro_average(answered):.4f}"
    error = pooled_stderr(answered) if answered and exam.mode != "letters" else None
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
