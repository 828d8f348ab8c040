"""What is printed at the start, and at the end on page and terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import count_of, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmjudge.labelling.outcome import Labeling, Outcome
    from pytest_llmjudge.labelling.sample import Sample

__all__ = ["Ending", "end_lines", "ending", "opening_lines"]

_SHOWN = 10
_LONGEST_REASON = 160
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Ending:
    """What the end page shows.

    Attributes:
        headline: How many labels there are, and where.
        path: Of the labels file.
        figure: How far labelers agree; empty with one labeler.
        rows: A name and a figure each, one for each labeler.
        remarks: What else is to be said, a line each.
    """

    headline: str
    path: str
    figure: str
    rows: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]


def opening_lines(sample: Sample, outcome: Outcome, results: str) -> Iterator[str]:
    """Yield what is asked and what is not, a line each; of records without a response ten."""
    design = sample.design
    yield one_line(
        f"{design.suite}: {design.size} of {count_of(design.total, 'record')} drawn by the seed "
        f"{design.seed}",
        600,
    )
    for missing in sample.missing[:_SHOWN]:
        reason = f" ({one_line(missing.error, _LONGEST_REASON)})" if missing.error else ""
        yield one_line(f"{results}: {missing.id} has no response{reason} to be labelled", 600)
    if len(sample.missing) > _SHOWN:
        yield f"and {len(sample.missing) - _SHOWN} more without a response"
    yield from _missing(sample)
    if outcome.elsewhere:
        noun = count_of(outcome.elsewhere, "label")
        yield f"the file keeps {noun} of other responses"
    own = outcome.own
    before = f", {own.labels} labelled before" if own.labels else ""
    yield f"{count_of(outcome.responses, 'response')} for {_name(own.labeler)}{before}"


def ending(sample: Sample, outcome: Outcome, path: str) -> Ending:
    """Put the outcome into words for the end page."""
    return Ending(
        headline=f"{count_of(outcome.own.labels, 'label')} of {outcome.own.labeler} in {path}.",
        path=path,
        figure=_agreement(outcome),
        rows=tuple((one.labeler, _labeling(one)) for one in (outcome.own, *outcome.others)),
        remarks=tuple(_missing(sample)),
    )


def end_lines(sample: Sample, outcome: Outcome, *, now: int, path: str) -> Iterator[str]:
    """Yield the outcome for a terminal.

    Args:
        sample: What was asked.
        outcome: Where the labeler stands.
        now: How many labels this session has written.
        path: Of the labels file.
    """
    own = outcome.own
    done = f"{own.labels} of {count_of(outcome.responses, 'response')} labelled"
    # Without a label there may be no file.
    where = f"; labels are in {one_line(path)}" if own.labels else ""
    yield f"{count_of(now, 'label')} written, {done}{where}"
    if outcome.others:
        for one in (own, *outcome.others):
            yield f"  {_name(one.labeler)}: {_labeling(one)}"
    if outcome.agreement is not None:
        yield _agreement(outcome)
    yield from _missing(sample)


def _agreement(outcome: Outcome) -> str:
    agreement = outcome.agreement
    if agreement is None:
        return ""
    people, responses = 1 + len(outcome.others), count_of(agreement.responses, "response")
    what = f"Krippendorff's alpha of {people} labelers on {responses}"
    if agreement.alpha is None:
        return f"{what}: not defined, as all scores are the same"
    interval = agreement.interval
    shown = "" if interval is None else f" (95 % CI {interval[0]:.2f} to {interval[1]:.2f})"
    return f"{what}: {agreement.alpha:.2f}{shown}"


def _labeling(one: Labeling) -> str:
    mean = "" if one.mean is None else f", mean score {one.mean:.1f}"
    return f"{count_of(one.labels, 'label')}{mean}"


def _missing(sample: Sample) -> Iterator[str]:
    count = len(sample.missing)
    if count:
        noun = count_of(count, "record")
        verb = "has" if count == 1 else "have"
        yield (f"{noun} of the sample {verb} no response, so the labels cannot correct the average")


def _name(labeler: str) -> str:
    return one_line(labeler, _LONGEST_NAME)
