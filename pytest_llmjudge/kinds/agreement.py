"""The gate over how a judge's scores agree with those of people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data.comparison import INCONCLUSIVE
from pytest_llmjudge.data.summary import NONE, Statement
from pytest_llmjudge.decisions.gates import Decision
from pytest_llmjudge.stats.basics import mean, points, spearman
from pytest_llmjudge.stats.groups import in_groups
from pytest_llmjudge.stats.labels import LEAST_LABELS
from pytest_llmjudge.storage.consistent import differs

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

    from pytest_llmjudge.data import Agreement, AgreementLimits, GateResult, UsedLabels
    from pytest_llmjudge.data.page import Fact

__all__ = [
    "AGREEMENT",
    "agreement_contradictions",
    "agreement_counts",
    "agreement_facts",
    "agreement_lines",
    "agreement_statement",
    "decide_agreement",
    "labels_line",
    "wanted_agreement",
]

AGREEMENT = "agreement"
_RANK, _ERROR, _BIAS = "Spearman", "mean absolute error", "judge minus people"


def decide_agreement(
    agreement: Agreement, limits: AgreementLimits, groups: Sequence[Hashable] | None = None
) -> Decision:
    """Pass if the 95 % interval of each figure with a limit is entirely within that limit.

    With fewer than :data:`LEAST_LABELS` labelled records, or without an interval of a figure with a
    limit, nothing can be told; then it fails if there is a limit.

    Args:
        agreement: Of the judge with people.
        limits: Of its figures.
        groups: The group of each labelled record; ``None`` if each is a group of its own.
    """
    noun = "labelled record" if agreement.count == 1 else "labelled records"
    figures = f"{_figures(agreement)} over {agreement.count} {noun}{in_groups(groups)}"
    doubt = _doubt(agreement, limits)
    if doubt:
        cause = INCONCLUSIVE if limits else None
        return Decision(not limits, f"cannot tell: {doubt}; {figures}", cause)
    missed = list(_missed(agreement, limits))
    if missed:
        return Decision(passed=False, reason=f"{'; '.join(missed)}; {figures}")
    wanted = ", ".join(wanted_agreement(limits))
    return Decision(passed=True, reason=f"{figures}; {wanted or 'no limit is set'}")


def _doubt(agreement: Agreement, limits: AgreementLimits) -> str:
    """Say why an agreement cannot be judged; empty if it can."""
    if agreement.count < LEAST_LABELS:
        return f"fewer than {LEAST_LABELS} responses are labelled, label more with llmjudge label"
    if agreement.error_interval is None:
        return "the labelled records are in fewer than 3 groups, label some of others"
    if limits.min_agreement is not None and agreement.spearman_interval is None:
        return "nearly all scores of the judge, or of people, are the same"
    return ""


def _missed(agreement: Agreement, limits: AgreementLimits) -> Iterator[str]:
    """Yield which limits are violated by the less favourable bound of an interval."""
    limit, interval = limits.min_agreement, agreement.spearman_interval
    if limit is not None and interval is not None and interval[0] < limit:
        value = agreement.spearman or 0.0
        miss = f"is {points(value, limit)}"
        if value >= limit:
            miss = f"may be as low as {points(interval[0], limit)}"
        yield f"{_RANK} {miss}, below min_agreement {points(limit)}"
    limit, interval = limits.max_judge_error, agreement.error_interval
    if limit is not None and interval is not None and interval[1] > limit:
        value = agreement.mean_absolute_error
        miss = f"is {points(value, limit)}"
        if value <= limit:
            miss = f"may be as high as {points(interval[1], limit)}"
        yield f"{_ERROR} {miss}, above max_judge_error {points(limit)}"
    limit, interval = limits.max_judge_bias, agreement.bias_interval
    if limit is not None and interval is not None and max(-interval[0], interval[1]) > limit:
        value, bound = agreement.bias, max(interval, key=abs)
        miss = f"is {_with_sign(value, limit)}"
        if abs(value) <= limit:
            miss = f"may be as {'high' if bound > 0 else 'low'} as {_with_sign(bound, limit)}"
        yield f"{_BIAS} {miss}, beyond max_judge_bias {points(limit)}"


def _with_sign(value: float, limit: float) -> str:
    return f"{'+' if value > 0 else '-'}{points(abs(value), limit)}"


def _figures(agreement: Agreement) -> str:
    """Return all figures with their intervals."""
    figures = {
        _RANK: _rank(agreement),
        _ERROR: f"{agreement.mean_absolute_error:.1f}",
        _BIAS: f"{agreement.bias:+.1f}",
    }
    intervals = dict(_intervals(agreement))
    return ", ".join(
        f"{what} {figure}" + (f" (95 % CI {intervals[what]})" if what in intervals else "")
        for what, figure in figures.items()
    )


def _intervals(agreement: Agreement) -> Iterator[tuple[str, str]]:
    """Yield the intervals that there are, by what they are of."""
    for what, interval, form in (
        (_RANK, agreement.spearman_interval, ".2f"),
        (_ERROR, agreement.error_interval, ".1f"),
        (_BIAS, agreement.bias_interval, "+.1f"),
    ):
        if interval is not None:
            low, high = interval
            yield what, f"{low:{form}} to {high:{form}}"


def wanted_agreement(limits: AgreementLimits) -> list[str]:
    """Return the limits in a few words each."""
    asked = (
        ("Spearman >=", limits.min_agreement),
        ("judge error <=", limits.max_judge_error),
        ("judge bias <=", limits.max_judge_bias),
    )
    return [f"{what} {limit:g}" for what, limit in asked if limit is not None]


def agreement_statement(
    agreement: Agreement | None, gates: Iterable[GateResult]
) -> Iterator[Statement]:
    """Yield what the head of a report says of the gate, if the gate was decided.

    Args:
        agreement: Of the suite's judge with people; ``None`` if people scored no response.
        gates: Of the suite.
    """
    if agreement is None:
        return
    for gate in gates:
        if gate.name == AGREEMENT and gate.outcome in {"passed", "failed"}:
            doubt = ", it cannot tell" if agreement.count < LEAST_LABELS else ""
            noun = "record" if agreement.count == 1 else "records"
            text = f"agreement: {gate.outcome}{doubt}, over {agreement.count} labelled {noun}"
            yield Statement(text, _figures(agreement), is_named=True)


def agreement_lines(name: str, agreement: Agreement) -> Iterator[str]:
    """Yield what the summary of a suite says of its judge and people.

    Args:
        name: Of the suite.
        agreement: Of its judge with people.
    """
    yield (
        f"people in {name}: {agreement.count} records, Spearman {_rank(agreement)}, mean absolute "
        f"error {agreement.mean_absolute_error:.1f}, judge minus people {agreement.bias:+.1f}"
    )
    intervals = ", ".join(f"{what} {interval}" for what, interval in _intervals(agreement))
    if intervals:
        few = f"; fewer than {LEAST_LABELS} records cannot tell"
        more = few if agreement.count < LEAST_LABELS else ""
        yield f"people in {name}, 95 % intervals: {intervals}{more}"


def agreement_facts(agreement: Agreement) -> Iterator[Fact]:
    """Yield an agreement for the HTML page."""
    yield "records with both", str(agreement.count)
    yield "Spearman's rank correlation", _rank(agreement)
    yield _ERROR, f"{agreement.mean_absolute_error:.1f} points"
    yield _BIAS, f"{agreement.bias:+.1f} points"
    for what, interval in _intervals(agreement):
        yield f"95 % interval of {what}", interval


def agreement_counts(agreement: Agreement | None) -> tuple[Fact, ...]:
    """Return an agreement for JUnit XML; nothing without one."""
    if agreement is None:
        return ()
    return (
        ("labelled", str(agreement.count)),
        ("spearman", _rank(agreement)),
        ("judge_error", f"{agreement.mean_absolute_error:.1f}"),
        ("judge_bias", f"{agreement.bias:+.1f}"),
    )


def _rank(agreement: Agreement) -> str:
    return NONE if agreement.spearman is None else f"{agreement.spearman:.2f}"


def agreement_contradictions(suite: Mapping[str, Any]) -> Iterator[str]:
    """Yield how a results file's agreement contradicts the records of its suite."""
    records = [record for record in suite["records"] if "human_score" in record]
    both = [record for record in records if record["score"] is not None]
    # Older files have the agreement and not the scores of people.
    if both:
        judge, people = ([record[name] for record in both] for name in ("score", "human_score"))
        differences = [ours - theirs for ours, theirs in zip(judge, people, strict=True)]
        actual = {
            "count": len(both),
            "mean_absolute_error": mean([*map(abs, differences)]),
            "bias": mean(differences),
            "spearman": spearman(judge, people),
        }
        figures = suite.get("agreement") or dict.fromkeys(actual)
        for name, figure in actual.items():
            yield from differs(figures, name, figure)
    if "labels" in suite:
        used = sum(record.get("labelers", 0) for record in suite["records"])
        yield from differs(suite["labels"], "used", used)


def labels_line(labels: UsedLabels) -> str:
    """Say how many labels of a file are for the responses of a run."""
    others = [
        f"{number} {'is' if number == 1 else 'are'} of other {what}"
        for number, what in (
            (labels.other_responses, "responses"),
            (labels.other_records, "records"),
        )
        if number
    ]
    verb = "is" if labels.used == 1 else "are"
    used = f"{labels.used} of {labels.total} labels {verb} of responses of this run"
    return ", ".join([f"{labels.path}: {used}", *others])
