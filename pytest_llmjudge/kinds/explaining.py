"""Which responses of a judged suite are worth an explanation, and where explanations go."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_llmjudge.kinds.base import AVERAGE, BASELINE
from pytest_llmjudge.kinds.categories import gate_of
from pytest_llmjudge.records.answers import join_answers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_llmjudge.data import Entry, Explanation, RecordResult, SuiteResult
    from pytest_llmjudge.pipeline.explanations import Question

__all__ = ["failing", "questions_about", "with_explanations"]

_BEST = 100


def questions_about(
    suite: SuiteResult, before: Mapping[str, Entry], most: int | None
) -> list[Question]:
    """Return what a judge can be asked about responses that failed, the worst first.

    Args:
        suite: With all texts.
        before: What the baseline made of its records, by id.
        most: How many questions; ``None`` for one about each.
    """
    # Who only reads results files does not wait for this import.
    from pytest_llmjudge.pipeline.explanations import question_about

    return [
        question_about(suite.name, one.record, _response(one), one.parts)
        for one in failing(suite, before)[:most]
    ]


def failing(suite: SuiteResult, before: Mapping[str, Entry]) -> list[RecordResult]:
    """Return the records that failed, the worst first.

    Where none did and a gate over the suite failed, they are those that made it fail: below what
    the average has to reach, or below their score in the baseline. A record with all points failed
    for a reason that the judge does not know.

    Args:
        suite: Any.
        before: What the baseline made of its records, by id.
    """
    scored = [one for one in suite.records if one.score is not None and one.score < _BEST]
    failed = [one for one in scored if one.outcome == "failed"]
    if failed:
        return sorted(failed, key=_score)
    # A gate that lacks scores fails for that reason.
    if len(suite.scores) < suite.total:
        return []
    found = {one.record.id: one for one in _of_gates(suite, scored, before)}
    return list(found.values())


def _of_gates(
    suite: SuiteResult, scored: Iterable[RecordResult], before: Mapping[str, Entry]
) -> Iterator[RecordResult]:
    """Yield the records that made gates over the suite fail, gate by gate."""
    worst = sorted(scored, key=_score)
    failed = {gate.name for gate in suite.gates if gate.outcome == "failed"}
    if AVERAGE in failed and suite.min_average is not None:
        yield from (one for one in worst if _score(one) < suite.min_average)
    for category in suite.categories:
        least = category.min_average
        if gate_of(category.name) in failed and least is not None:
            yield from (
                one for one in worst if one.category == category.name and _score(one) < least
            )
    if BASELINE in failed:
        losses = ((_loss(one, before.get(one.record.id)), one) for one in worst)
        lost = sorted(((loss, one) for loss, one in losses if loss > 0), key=lambda pair: -pair[0])
        yield from (one for _, one in lost)


def _score(one: RecordResult) -> int:
    return _BEST if one.score is None else one.score


def _loss(one: RecordResult, entry: Entry | None) -> float:
    return 0 if entry is None or entry.score is None else entry.score - _score(one)


def _response(one: RecordResult) -> str:
    if one.record.follow_ups:
        return join_answers(one.answers)
    return one.model_response or ""


def with_explanations(suite: SuiteResult, explanations: Mapping[str, Explanation]) -> SuiteResult:
    """Return a suite with explanations of its records, by their ids."""
    records = tuple(
        replace(one, explanation=explanations[one.record.id])
        if one.record.id in explanations
        else one
        for one in suite.records
    )
    return replace(suite, records=records)
