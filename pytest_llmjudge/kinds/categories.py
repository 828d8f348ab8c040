"""Categories of a suite's records: which there are, their gates, and what they average."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import CategoryResult
from pytest_llmjudge.errors import SettingsError, one_line
from pytest_llmjudge.kinds.base import AVERAGE
from pytest_llmjudge.stats.basics import mean, mean_interval
from pytest_llmjudge.stats.groups import group_numbers
from pytest_llmjudge.storage.consistent import differs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pytest_llmjudge.data import Record, RecordResult

__all__ = [
    "CATEGORY",
    "average_by_category",
    "averaged",
    "category_contradictions",
    "category_of",
    "check_categories",
    "contradictions_of",
    "count_categories",
    "gate_of",
    "plain_average",
    "plain_categories",
]

CATEGORY = "category"
"""The field that holds categories where ``by=`` names none."""


def category_of(record: Record, by: str | None) -> str | None:
    """Return the category of a record.

    Args:
        record: Any.
        by: The field that holds it; ``None`` for the default one.
    """
    return record.label(by) if by is not None else record.category


def count_categories(records: Sequence[Record], by: str | None) -> dict[str, int]:
    """Return how many records each category has, in the order of the file."""
    names = (category_of(record, by) for record in records)
    return dict(Counter(name for name in names if name is not None))


def gate_of(category: str) -> str:
    """Return the name of the gate over a category's average."""
    return f"{AVERAGE}:{category}"


def check_categories(
    where: str,
    records: Sequence[Record],
    by: str | None,
    wanted: Collection[str],
    *,
    keyword: str = "min_average",
    own: Sequence[str | None] | None = None,
) -> None:
    """Prove that the categories that a marker speaks of are there.

    Args:
        where: The suite, for messages.
        records: Of the suite.
        by: The field that the marker names; ``None`` for the default one.
        wanted: The categories that it names.
        keyword: By which it names them.
        own: The category of each record where no field is named; ``None`` to take that of the
            default field.

    Raises:
        SettingsError: The field that ``by=`` names has no category, or values that are none,
            ``keyword`` names a category that no record has, or a record's id is the name of its
            gate.
    """
    # Loading records is a matter of other modules; who only reads results does not wait for them.
    from pytest_llmjudge.records.json_values import listed

    if by is None and not wanted:
        return
    if by is not None or own is None:
        known = count_categories(records, by)
        if known:
            _check_values(where, records, by)
    else:
        known = dict(Counter(name for name in own if name is not None))
    if by is not None and not known:
        fields = dict.fromkeys(field for record in records for field in record.fields)
        problem = f'by "{one_line(by, 60)}" is no field with a text or a number in any record'
        raise SettingsError(where, problem, f"the fields are {listed(fields)}")
    for name in wanted:
        if name in known:
            continue
        problem = f'{keyword} names "{one_line(name, 60)}", which no record has as its category'
        hint = f"the categories are {listed(known)}"
        if not known:
            hint = "no record has a category; name the field that holds it with by="
        raise SettingsError(where, problem, hint)
    gates = {gate_of(name) for name in wanted}
    for record in records:
        if record.id in gates:
            problem = f'a record has the id "{one_line(record.id, 60)}", the name of a gate'
            raise SettingsError(where, problem, "give the record another id")


def _check_values(where: str, records: Sequence[Record], by: str | None) -> None:
    """Refuse values that are neither null, a text nor a whole number.

    Raises:
        SettingsError: Their records would be in no average.
    """
    field = by or CATEGORY
    odd = [
        record
        for record in records
        if category_of(record, by) is None and not isinstance(record.fields.get(field), str | None)
    ]
    if odd:
        problem = (
            f'"{one_line(field, 60)}" is neither a text, a whole number nor null in {len(odd)} of '
            f"{len(records)} records (the first is {one_line(odd[0].id, 60)})"
        )
        raise SettingsError(where, problem, "write one category into it for each record")


def average_by_category(
    totals: Mapping[str, int],
    min_averages: Mapping[str, float | None],
    results: Sequence[RecordResult],
) -> tuple[CategoryResult, ...]:
    """Return what became of each category.

    Args:
        totals: How many records each has, by name.
        min_averages: What their averages have to reach.
        results: Of the records, as far as anything is known of them.
    """
    scores: dict[str, list[tuple[int, str | None]]] = {name: [] for name in totals}
    for result in results:
        # A file may have a category of which it has no figures.
        if result.category in scores and result.score is not None:
            scores[result.category].append((result.score, result.record.group))
    return tuple(
        averaged(name, total, scores[name], min_averages.get(name))
        for name, total in totals.items()
    )


def averaged(
    name: str, total: int, scored: Sequence[tuple[int, str | None]], min_average: float | None
) -> CategoryResult:
    """Return what became of some records, of each of which there is a score and its group."""
    groups = group_numbers(group for _, group in scored)
    return CategoryResult(
        name,
        total,
        tuple(score for score, _ in scored),
        min_average,
        None if groups is None else tuple(groups),
    )


def plain_categories(categories: Sequence[CategoryResult]) -> dict[str, Any]:
    """Return the categories as a results file has them."""
    return {
        one.name: {"total": one.total, **plain_average(one), "min_average": one.min_average}
        for one in categories
    }


def plain_average(category: CategoryResult) -> dict[str, Any]:
    """Return what a category averages as a results file has it."""
    whole = category.whole
    average, interval = mean(whole), mean_interval(whole, category.whole_groups)
    return {
        "scored": len(category.scores),
        "average": None if average is None else round(average, 4),
        "ci95": None if interval is None else [round(bound, 4) for bound in interval],
    }


def category_contradictions(suite: Mapping[str, Any]) -> Iterator[str]:
    """Yield which figures of a results file's categories are not those of its records."""
    categories: Mapping[str, Any] = suite.get("categories", {})
    scores: dict[str, list[int]] = {name: [] for name in categories}
    for record in suite["records"]:
        if record["score"] is not None and record.get("category") in scores:
            scores[record["category"]].append(record["score"])
    totals = {name: figures["total"] for name, figures in categories.items()}
    yield from contradictions_of("category", categories, scores, totals)


def contradictions_of(
    noun: str,
    saved: Mapping[str, Any],
    scores: Mapping[str, Sequence[int]],
    totals: Mapping[str, int],
) -> Iterator[str]:
    """Yield which averages of a results file are not those of its records.

    Args:
        noun: What the averages are of.
        saved: Their figures, by name.
        scores: Those of the records, by name.
        totals: How many scores there have to be for an average, by name.
    """
    for name, figures in saved.items():
        own = scores[name]
        average = mean(own) if len(own) == totals[name] else None
        for problem in (
            *differs(figures, "scored", len(own)),
            *differs(figures, "average", average),
        ):
            yield f"{noun} {one_line(name, 60)}: {problem}"
