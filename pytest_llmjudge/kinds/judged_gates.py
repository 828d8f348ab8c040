"""What the gates over a judged suite decide, by the results of its records."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import AgreementLimits
from pytest_llmjudge.decisions.gates import Decision, decide_average, unscored
from pytest_llmjudge.kinds.agreement import AGREEMENT, decide_agreement
from pytest_llmjudge.kinds.base import AVERAGE
from pytest_llmjudge.kinds.categories import gate_of
from pytest_llmjudge.kinds.corrected import corrected_results
from pytest_llmjudge.kinds.labels import none_used, not_labelled
from pytest_llmjudge.stats.agreement import agreement_of
from pytest_llmjudge.stats.groups import group_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmjudge.data import RecordResult

__all__ = ["decide_judged", "limits_of"]

_LIMITS = tuple(AgreementLimits.__dataclass_fields__)


def decide_judged(gate: str, results: Sequence[RecordResult], facts: Mapping[str, Any]) -> Decision:
    """Decide a gate over the average of a suite, of a category, or over agreement with people.

    Args:
        gate: Its name.
        results: Of all records of the suite; their outcomes play no part.
        facts: What the suite asks, and what labels there are.
    """
    if gate == AGREEMENT:
        return _decide_agreement(results, facts)
    by_gate = {gate_of(name): name for name in facts["min_averages"]}
    category, least = by_gate.get(gate), facts["min_average"]
    if category is not None:
        results = [one for one in results if one.category == category]
        least = facts["min_averages"][category]
    corrected, decides = None, facts["correct"]
    if gate == AVERAGE:
        corrected, lack = corrected_results(facts["drawn"], results, len(results))
        if lack is not None and decides:
            reason = f"the average cannot be corrected: {'; '.join(lack)}"
            return Decision(passed=False, reason=reason)
    scores = {one.record.id: one.score for one in results}
    causes = {one.record.id: one.error for one in results if one.error is not None}
    names = {one.record.id: one.record.group for one in results}
    decision = decide_average(scores, least, causes, names, corrected, decides=decides)
    if category is not None and decides:
        more = "the averages of categories are not corrected"
        return replace(decision, reason=f"{decision.reason}; {more}")
    return decision


def limits_of(facts: Mapping[str, Any]) -> AgreementLimits:
    """Return what a suite asks of its judge's agreement with people."""
    return AgreementLimits(**{name: facts[name] for name in _LIMITS})


def _decide_agreement(results: Sequence[RecordResult], facts: Mapping[str, Any]) -> Decision:
    labels, scored = facts["labels"], facts["human_scores"]
    known = {*scored, *(() if labels is None else labels["records"])}
    missing: dict[str, str] = {}
    both: list[RecordResult] = []
    for one in results:
        name, has_people = one.record.id, one.human_score is not None
        # Nobody knows whether people gave a score to a response that is not there.
        is_open = one.model_response is None and name in known
        if one.score is None and (is_open or has_people):
            missing[name] = str(one.error)
        elif one.score is not None and has_people:
            both.append(one)
    if missing:
        total = len(missing) + len(both)
        return unscored(list(missing), total, missing, "labelled records", AGREEMENT)
    agreement = agreement_of(both)
    labelled = {one.record.id for one in both if one.labelers}
    # Where a labels file is named, scores in the records file do not do in its place.
    if agreement is None or (labels is not None and not labelled):
        problem, hint = none_used(labels, len(scored))
        return Decision(passed=False, reason=f"{problem}; {hint}")
    groups = group_numbers(one.record.group for one in both)
    decision = decide_agreement(agreement, limits_of(facts), groups)
    left_out = not_labelled(labels, [one.record for one in results], labelled)
    return replace(decision, reason="; ".join(filter(None, (decision.reason, left_out))))
