"""A judged suite as its part of a results file, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import (
    Agreement,
    AgreementLimits,
    CorrectedAverage,
    Design,
    Explanation,
    JudgeCheck,
    JudgeIdentity,
    RecordResult,
    SuiteResult,
    UsedLabels,
)
from pytest_llmjudge.decisions.gates import is_within_noise
from pytest_llmjudge.kinds.categories import CATEGORY, average_by_category, plain_categories
from pytest_llmjudge.kinds.corrected import corrected_results, plain_corrected, saved_sample
from pytest_llmjudge.kinds.judged_summary import deciding_interval, without_overlap
from pytest_llmjudge.kinds.labels import saved_human_score
from pytest_llmjudge.kinds.overlap import saved_overlap
from pytest_llmjudge.kinds.parts import average_by_part, plain_parts
from pytest_llmjudge.kinds.plain import (
    plain_comparison,
    plain_gates,
    plain_judge,
    plain_label,
    record_texts,
    rounded,
    rounded_fields,
)
from pytest_llmjudge.kinds.read_back import (
    check_from_plain,
    comparison_from_plain,
    label_from_document,
    made,
    record_from_document,
)
from pytest_llmjudge.kinds.records import saved_fields
from pytest_llmjudge.stats.agreement import agreement_of
from pytest_llmjudge.stats.basics import mean, mean_interval
from pytest_llmjudge.stats.groups import group_numbers
from pytest_llmjudge.storage.results_reader import judge_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmjudge.data import Measure

__all__ = ["judged_document", "judged_from_document"]

_NOT_NAMED = "not named"
"""What reports call the judge of a file that names none."""


def judged_document(result: SuiteResult, judge: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a suite's part of a results file; see :meth:`.base.Kind.document`."""
    scores = result.scores
    # Of a part of the records there is no average: those without a score may be the worst.
    whole = scores if len(scores) == result.total else []
    groups = group_numbers(result.scored_groups) if whole else None
    interval = mean_interval(whole, groups)
    document: dict[str, Any] = {
        "name": result.name,
        "kind": result.kind,
        "checkpoint": asdict(result.checkpoint) if result.checkpoint is not None else None,
        "responses": result.responses,
    }
    if plain_judge(result.judge) != judge:
        document["judge"] = plain_judge(result.judge)
    document |= plain_label(result.judge_label, result.judge)
    if result.categories:
        document["by"] = result.by or CATEGORY
        document["categories"] = plain_categories(result.categories)
    if result.parts:
        document["parts"] = plain_parts(result.parts)
    if result.groups is not None:
        document["groups"] = result.groups
    if result.labels is not None:
        document["labels"] = asdict(result.labels)
    if result.corrected is not None:
        document["corrected"] = plain_corrected(result.corrected)
    if result.lack is not None:
        problem, hint = result.lack
        document["not_corrected"] = {"problem": problem, "hint": hint}
    if result.correct:
        document["correct"] = True
    limits = asdict(result.limits)
    document |= {name: limit for name, limit in limits.items() if limit is not None}
    others, their_groups = without_overlap(result)
    interval_of_others = mean_interval(others, their_groups)
    document |= saved_overlap(result.overlap, "average", mean(others), interval_of_others)
    average = mean(whole)
    return document | {
        "total": result.total,
        "scored": len(scores),
        "unscored": result.total - len(scores),
        "average": None if average is None else round(average, 4),
        "ci95": None if interval is None else [round(bound, 4) for bound in interval],
        "min_score": result.min_score,
        "min_average": result.min_average,
        "outcome": result.outcome,
        "within_noise": is_within_noise(deciding_interval(result), result.min_average),
        "baseline": result.comparison and plain_comparison(result.comparison),
        "check": rounded_fields(result.check),
        "agreement": rounded_fields(result.agreement),
        "gates": plain_gates(result.gates),
        "records": [_plain_record(one, result.min_score) for one in result.records],
    }


def _plain_record(result: RecordResult, min_score: int | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        **record_texts(result.record),
        "model_response": result.model_response,
        **({"answers": list(result.answers)} if result.answers else {}),
        "score": result.score,
        "reply": result.reply,
        "error": result.error,
        "outcome": result.outcome,
    }
    more = {
        "cause": result.cause,
        "samples": list(result.samples) or None,
        "unsure": result.is_unsure(min_score) if result.samples else None,
        "covered": result.covered,
        "category": result.category,
        "thoughts": result.thoughts or None,
        "human_score": rounded(result.human_score),
        "labelers": result.labelers or None,
        "seconds": result.seconds,
        "tokens": result.tokens,
    }
    document |= {name: value for name, value in more.items() if value is not None}
    if result.parts:
        document["parts"] = [{"name": name, "score": score} for name, score in result.parts]
    if result.explanation is not None:
        document["explanation"] = result.explanation.text
        if result.explanation.error is not None:
            document["explanation_error"] = result.explanation.error
        if result.explanation.is_infrastructure:
            document["explanation_cause"] = "rig"
    return document


def judged_from_document(
    suite: Mapping[str, Any], judge: Mapping[str, Any] | None, measure: Measure | None
) -> SuiteResult:
    """Return the result that was written; see :meth:`.base.Kind.from_document`.

    Where its records were read from is not in the file.

    Args:
        suite: Its part of the file.
        judge: The judge that the file names for all suites.
        measure: Of the kind.
    """
    records = tuple(map(_record_result, suite["records"]))
    known, total = judge_of(suite, judge), suite["total"]
    categories, lack = suite.get("categories", {}), suite.get("not_corrected")
    return SuiteResult(
        **saved_fields(suite),
        path="",
        judge=known or JudgeIdentity("", "", "", "", {}),
        judge_label=_NOT_NAMED if known is None else label_from_document(suite, known),
        records=records,
        min_score=suite["min_score"],
        min_average=suite["min_average"],
        check=check_from_plain(JudgeCheck, suite.get("check")),
        comparison=comparison_from_plain(suite.get("baseline"), measure),
        responses=suite.get("responses"),
        by=suite.get("by"),
        categories=average_by_category(
            {name: one["total"] for name, one in categories.items()},
            {name: one["min_average"] for name, one in categories.items()},
            records,
        ),
        parts=average_by_part(records, total),
        agreement=_agreement(suite, records),
        limits=made(AgreementLimits, suite),
        labels=_labels(suite),
        corrected=_corrected(suite, records),
        lack=None if lack is None else (lack["problem"], lack["hint"]),
        correct=suite.get("correct", False),
    )


def _record_result(plain: Mapping[str, Any]) -> RecordResult:
    explanation = None
    if "explanation" in plain:
        explanation = Explanation(
            plain["explanation"],
            plain.get("explanation_error"),
            is_infrastructure=plain.get("explanation_cause") == "rig",
        )
    return made(
        RecordResult,
        plain,
        record=record_from_document(plain),
        parts=tuple((part["name"], part["score"]) for part in plain.get("parts", ())),
        human_score=saved_human_score(plain),
        explanation=explanation,
    )


def _labels(suite: Mapping[str, Any]) -> UsedLabels | None:
    plain = suite.get("labels")
    if plain is None:
        return None
    design = plain["design"]
    return made(UsedLabels, plain, design=None if design is None else Design.from_plain(design))


# Figures are written with four decimals; where the records give the same, they give all digits,
# so that what is shown of them is rounded once.


def _agreement(suite: Mapping[str, Any], records: Sequence[RecordResult]) -> Agreement | None:
    saved = suite.get("agreement")
    if saved is None:
        return None
    whole = agreement_of(records)
    return whole if rounded_fields(whole) == saved else made(Agreement, saved)


def _corrected(
    suite: Mapping[str, Any], records: Sequence[RecordResult]
) -> CorrectedAverage | None:
    saved = suite.get("corrected")
    if saved is None:
        return None
    _, drawn = saved_sample(suite)
    whole, _ = corrected_results(tuple(drawn), records, suite["total"])
    if whole is not None and plain_corrected(whole) == saved:
        return whole
    return made(CorrectedAverage, saved, interval=tuple(saved["ci95"]))
