"""Corrects the average of a suite by people's labels of a random sample of its records."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_llmjudge.data import CorrectedAverage, Design
from pytest_llmjudge.data.summary import NONE
from pytest_llmjudge.decisions.gates import widening
from pytest_llmjudge.errors import PeopleFileError, SettingsError
from pytest_llmjudge.keys import content_digest
from pytest_llmjudge.records.prompts import given_response
from pytest_llmjudge.stats.basics import mean_interval, points
from pytest_llmjudge.stats.bounds import mean_bounds
from pytest_llmjudge.stats.correction import corrected_mean
from pytest_llmjudge.stats.groups import group_numbers
from pytest_llmjudge.stats.label_sample import ONE_GROUP, Lack, drawn_sample, why_not_labelled
from pytest_llmjudge.stats.labels import draw
from pytest_llmjudge.storage.consistent import differs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_llmjudge.data import LabelsFile, RecordResult, SuiteResult
    from pytest_llmjudge.kinds.labels import SuiteLabels
    from pytest_llmjudge.records import suites

__all__ = [
    "CORRECTED",
    "LabelSample",
    "LabelledScore",
    "correct",
    "corrected_contradictions",
    "corrected_line",
    "corrected_results",
    "plain_corrected",
    "saved_sample",
    "settle_correction",
    "shown_corrected",
]

CORRECTED = "corrected average"
_NOT_LABELLED = (
    "no label of this run's response",
    "label the responses of this run with llmjudge label",
)


class LabelledScore(NamedTuple):
    """The judge's and people's score of a response.

    Attributes:
        id: Of the record.
        score: The judge's.
        people: The mean over the labels in the labels file; ``None`` without one.
        group: Of the record; ``None`` for one that is a group of its own.
    """

    id: str
    score: int
    people: float | None
    group: str | None


class LabelSample(NamedTuple):
    """Which records of a suite were drawn to correct its average.

    Attributes:
        drawn: Their ids; ``None`` where labels cannot correct it.
        lack: Why those of a sample cannot; ``None`` where they can, or there are none.
    """

    drawn: tuple[str, ...] | None = None
    lack: Lack | None = None


def settle_correction(
    loaded: suites.Suite, labels: SuiteLabels, keywords: Mapping[str, object]
) -> tuple[suites.Suite, LabelSample]:
    """Find out whether labels can correct the average of a suite, before any work.

    Args:
        loaded: The suite.
        labels: Of the suite.
        keywords: As its marker gives them.

    Returns:
        The suite, with ``correct`` switched off where it has no labels file; and the sample.

    Raises:
        SettingsError: The marker asks for a correction, and there is no labels file.
        PeopleFileError: The average is to be corrected, and the labels cannot do it.
    """
    file, chosen = labels.file, loaded.settings
    if file is None:
        if keywords.get("correct"):
            where, problem = f"{loaded.name}: correct", "there are no labels to correct with"
            raise SettingsError(
                where, problem, "name a file of them with labels= or --llm-judge-labels"
            )
        return replace(loaded, settings=replace(chosen, correct=False)), LabelSample()
    drawn = _drawn(loaded, labels, file)
    if not isinstance(drawn, Lack):
        return loaded, LabelSample(drawn)
    if chosen.correct:
        where = f"{loaded.name}: correct"
        raise PeopleFileError(where, *drawn)
    # Labels of no known sample were never meant to correct an average.
    return loaded, LabelSample(lack=None if file.design is None else drawn)


def _drawn(loaded: suites.Suite, labels: SuiteLabels, file: LabelsFile) -> tuple[str, ...] | Lack:
    """Return the ids of the records drawn, or why their labels are known to correct nothing."""
    drawn = drawn_sample(file, [(record.id, content_digest(record)) for record in loaded.records])
    if isinstance(drawn, Lack):
        return drawn
    groups = {record.group or record.id for record in loaded.records if record.id in drawn}
    if len(groups) == 1:
        return ONE_GROUP
    field = loaded.settings.responses
    # Responses that are still to be generated are not known here.
    if field is None:
        return drawn
    labelled = {
        record.id
        for record in loaded.records
        if labels.label(record, given_response(record, field)) is not None
    }
    return why_not_labelled(drawn, labelled, *_NOT_LABELLED) or drawn


def correct(drawn: Sequence[str], scores: Sequence[LabelledScore]) -> CorrectedAverage | Lack:
    """Return the corrected average of a suite, or why there is none and what to do.

    Args:
        drawn: Ids of the records that were drawn to be labelled.
        scores: Of all records of the suite.
    """
    sample = set(drawn)
    people = [one.people if one.id in sample else None for one in scores]
    labelled = {one.id for one, label in zip(scores, people, strict=True) if label is not None}
    lack = why_not_labelled(drawn, labelled, *_NOT_LABELLED)
    if lack is not None:
        return lack
    groups = group_numbers(one.group for one in scores)
    corrected = corrected_mean([one.score for one in scores], people, groups)
    if corrected.interval is None:
        return ONE_GROUP
    low, high = _of_equal_labels(people, groups) or corrected.interval
    return CorrectedAverage(
        # Student's t and the correction know no bounds, scores do.
        average=_bounded(corrected.estimate),
        interval=(_bounded(low), _bounded(high)),
        weight=corrected.weight,
        labels=len(drawn),
    )


def _of_equal_labels(
    people: Sequence[float | None], groups: Sequence[int] | None
) -> tuple[float, float] | None:
    """Return the 95 % interval where all labels are the same; ``None`` where they are not.

    Such labels do not show how far scores scatter, and records with other scores may not have been
    drawn, so that an interval of width 0 would be too narrow.
    """
    labels = [label for label in people if label is not None]
    if len(set(labels)) > 1:
        return None
    own = range(len(people)) if groups is None else groups
    drawn = [group for group, label in zip(own, people, strict=True) if label is not None]
    score = labels[0]
    bounds = mean_bounds(
        [0.0] * len(labels),
        0.025,
        is_binary=False,
        groups=drawn,
        lowest=-score,
        highest=100 - score,
    )
    return None if bounds is None else (score + bounds[0], score + bounds[1])


def _bounded(value: float) -> float:
    return min(100.0, max(0.0, value))


def corrected_results(
    drawn: Sequence[str] | None, results: Sequence[RecordResult], total: int
) -> tuple[CorrectedAverage | None, Lack | None]:
    """Return the corrected average of a run, and what labels lack to correct it.

    Args:
        drawn: Ids of the records that were drawn; ``None`` if the labels correct nothing.
        results: Of the records.
        total: How many records the suite has.

    Returns:
        Neither where no records were drawn, or a record has no score; else one of them.
    """
    scores = [
        LabelledScore(
            one.record.id,
            one.score,
            one.human_score if one.labelers else None,
            one.record.group,
        )
        for one in results
        if one.score is not None
    ]
    # Of a part of the records there is no average: those without a score may be the worst.
    if drawn is None or len(scores) < total:
        return None, None
    given = correct(drawn, scores)
    return (given, None) if isinstance(given, CorrectedAverage) else (None, given)


def plain_corrected(corrected: CorrectedAverage) -> dict[str, Any]:
    """Return a corrected average as a results file has it."""
    return {
        "average": round(corrected.average, 4),
        "ci95": [round(bound, 4) for bound in corrected.interval],
        "weight": round(corrected.weight, 4),
        "labels": corrected.labels,
    }


def corrected_contradictions(suite: Mapping[str, Any]) -> Iterator[str]:
    """Yield how a results file's corrected average contradicts the records of its suite."""
    saved = suite.get("corrected")
    if saved is None:
        return
    plain = (suite.get("labels") or {}).get("design")
    records = [record for record in suite["records"] if record["score"] is not None]
    if plain is None or len(records) < suite["total"]:
        yield 'it has a "corrected" average without all that one is made of'
        return
    design = Design.from_plain(plain)
    drawn = draw([record["id"] for record in records], design.size, design.seed)
    scores = [
        LabelledScore(
            record["id"],
            record["score"],
            record.get("human_score") if record.get("labelers") else None,
            record.get("group"),
        )
        for record in records
    ]
    actual = correct(drawn, scores)
    if isinstance(actual, Lack):
        yield f'it has a "corrected" average, and {actual.problem}'
        return
    # Means over several labelers are written with four decimals.
    for problem in (
        *differs(saved, "average", actual.average, within=1e-3),
        *differs(saved, "labels", actual.labels),
    ):
        yield f"corrected: {problem}"


def saved_sample(suite: Mapping[str, Any]) -> tuple[Design | None, frozenset[str]]:
    """Return the sample behind the corrected average of a saved suite: its design and record ids.

    Without a corrected average there is none.

    Args:
        suite: Its part of the file.
    """
    if "corrected" not in suite:
        return None, frozenset()
    design = Design.from_plain(suite["labels"]["design"])
    ids = [record["id"] for record in suite["records"]]
    return design, frozenset(draw(ids, design.size, design.seed))


def shown_corrected(corrected: CorrectedAverage | None) -> tuple[str, str]:
    """Return a corrected average and its 95 % interval, as they are shown."""
    if corrected is None:
        return NONE, NONE
    low, high = corrected.interval
    return f"{corrected.average:.2f}", f"{low:.1f} to {high:.1f}"


def corrected_line(suite: SuiteResult) -> Iterator[str]:
    """Yield the corrected average beside the judge's own, or why a sample does not give one."""
    corrected = suite.corrected
    if corrected is None:
        # Where it was to decide, its gate says why it cannot.
        if suite.lack is not None and len(suite.scores) == suite.total and not suite.correct:
            yield f"no {CORRECTED} of {suite.name}: {'; '.join(suite.lack)}"
        return
    value, interval = shown_corrected(corrected)
    own = mean_interval(suite.scores, group_numbers(suite.scored_groups))
    decides = "it decides" if suite.correct else "the judge's own decides"
    yield (
        f"{CORRECTED} of {suite.name}: {value} (95 % interval {interval}) by {corrected.labels} "
        f"labels (weight of the judge's scores {points(corrected.weight)}); "
        f"{decides}{widening(corrected, own)}"
    )
