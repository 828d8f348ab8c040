"""Reports several judges compared with people, as lines for a terminal and as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.data.comparison import SIGNIFICANCE
from pytest_llmjudge.data.judges import AGREEMENT, ERROR
from pytest_llmjudge.decisions.gates import listed
from pytest_llmjudge.errors import one_line
from pytest_llmjudge.reporting.markup import head, inline, row
from pytest_llmjudge.reporting.table import table
from pytest_llmjudge.stats.agreement import LEAST_GROUPS
from pytest_llmjudge.stats.basics import probability
from pytest_llmjudge.stats.labels import LEAST_LABELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmjudge.data.judges import (
        JudgeChoice,
        JudgeDifference,
        JudgeStanding,
        LabelledScores,
    )

__all__ = ["advice", "judges_lines", "judges_markdown", "notes"]

_HEADINGS = (
    "judge",
    "scored",
    "Spearman (95 %)",
    "error (95 %)",
    "bias (95 %)",
    "seconds",
    "tokens",
)
_MOST_LABELS = 100_000
_MOST_NAMED = 10
_NAMES = 300
_FIGURES = {ERROR: "mean absolute error", AGREEMENT: "rank correlation"}


def judges_lines(scores: LabelledScores, choice: JudgeChoice) -> Iterator[str]:
    """Yield a table of judges, which of them differ, and which one to take.

    Args:
        scores: What people and the judges gave.
        choice: What comes of it.
    """
    yield _opening(scores)
    yield ""
    numbered = [
        (str(number), *_cells(scores, one)) for number, one in enumerate(choice.standings, 1)
    ]
    yield from table([("", *_HEADINGS), *numbered], left={1})
    yield ""
    yield from _files(choice)
    yield from _differences(choice)
    for note in notes(scores, choice):
        yield f"note: {note}"
    yield advice(scores, choice)


def judges_markdown(scores: LabelledScores, choice: JudgeChoice) -> str:
    """Return the same as Markdown."""
    rows = (
        row([str(number), *map(inline, _cells(scores, one))])
        for number, one in enumerate(choice.standings, 1)
    )
    lines = [*_files(choice), *_differences(choice)]
    lines += [f"note: {note}" for note in notes(scores, choice)]
    return "\n".join(
        [
            f"## Judges beside people: {inline(advice(scores, choice))}",
            "",
            f"{inline(_opening(scores))}.",
            "",
            *head(("", *_HEADINGS)),
            *rows,
            "",
            *(f"- {inline(line)}" for line in lines),
        ]
    )


def advice(scores: LabelledScores, choice: JudgeChoice) -> str:
    """Say which judge to take, or why that cannot be told and how many labels would tell."""
    best = choice.best
    if len(scores.judges) == 1:
        return "one judge: name results of others to compare it with"
    if len(scores.people) < LEAST_LABELS:
        return (
            f"cannot tell which judge to take: {len(scores.people)} labelled responses are scored "
            f"by all, and at least {LEAST_LABELS} are needed"
        )
    if scores.units < LEAST_GROUPS:
        return (
            "cannot tell which judge to take: all labels are of records in fewer than "
            f"{LEAST_GROUPS} groups"
        )
    if best is None:
        return "cannot tell which judge to take: none has a rank correlation"
    standing = choice.standings[best].labelled
    what = _FIGURES[choice.by]
    direction = "smallest" if choice.by == ERROR else "highest"
    if not choice.rivals:
        name = one_line(standing.name, _NAMES)
        return f"take {best + 1}, {name}: its {what} is the {direction}, by more than chance"
    rivals = listed([str(place + 1) for place in choice.rivals], _MOST_NAMED)
    return f"cannot tell {best + 1} from {rivals}: {_what_would_tell(scores, choice)}"


def notes(scores: LabelledScores, choice: JudgeChoice) -> list[str]:
    """Return what else a reader has to know, as finished sentences."""
    said = []
    for number, one in enumerate(scores.judges, 1):
        if one.unscored:
            names = listed([one_line(name, _NAMES) for name, _ in one.unscored], _MOST_NAMED)
            said.append(f"judge {number} left {len(one.unscored)} unscored: {names}")
        if one.missing:
            path = one_line(one.path, _NAMES)
            said.append(f"{path} lacks {one.missing} of the {scores.labelled} labelled responses")
    other = _first_by_the_other(choice)
    if other is not None:
        by = AGREEMENT if choice.by == ERROR else ERROR
        said.append(
            f"by its {_FIGURES[by]} judge {other + 1} comes first, and --by={by} compares by that"
        )
    return said


def _first_by_the_other(choice: JudgeChoice) -> int | None:
    """Return the judge that comes first by the figure that does not decide.

    It is ``None`` where that judge is the best one or one that cannot be told from it.
    """
    figures = [
        one.agreement.spearman if choice.by == ERROR else -one.agreement.mean_absolute_error
        for one in choice.standings
    ]
    known = {place: figure for place, figure in enumerate(figures) if figure is not None}
    if choice.best is None or not known:
        return None
    first = max(known, key=known.__getitem__)
    is_better = known[first] > known.get(choice.best, float("-inf"))
    return first if is_better and first not in choice.rivals else None


def _opening(scores: LabelledScores) -> str:
    people = "1 person" if scores.labelers == 1 else f"{scores.labelers} people"
    labelled = "1 response" if scores.labelled == 1 else f"{scores.labelled} responses"
    return f"{labelled} labelled by {people}, {len(scores.people)} of them scored by all judges"


def _cells(scores: LabelledScores, standing: JudgeStanding) -> tuple[str, ...]:
    labelled, agreement = standing.labelled, standing.agreement
    cost = labelled.cost
    spearman = "-" if agreement.spearman is None else f"{agreement.spearman:.2f}"
    return (
        one_line(labelled.name, _NAMES),
        f"{labelled.scored} of {scores.labelled}",
        _with_interval(spearman, agreement.spearman_interval, ".2f"),
        _with_interval(f"{agreement.mean_absolute_error:.1f}", agreement.error_interval, ".1f"),
        _with_interval(f"{agreement.bias:+.1f}", agreement.bias_interval, "+.1f"),
        "-" if cost.seconds is None else f"{cost.seconds:.2f}",
        "-" if cost.tokens is None else f"{cost.tokens:,.0f}",
    )


def _with_interval(figure: str, interval: tuple[float, float] | None, form: str) -> str:
    if interval is None:
        return figure
    low, high = (f"{bound:{form}}" for bound in interval)
    return f"{figure} ({low} to {high})"


def _files(choice: JudgeChoice) -> Iterator[str]:
    for number, one in enumerate(choice.standings, 1):
        path, suite = one_line(one.labelled.path, _NAMES), one_line(one.labelled.suite, _NAMES)
        yield f"judge {number}: {path}, {suite}"


def _differences(choice: JudgeChoice) -> Iterator[str]:
    """Yield a line for each two judges, and what was done about their number."""
    for one in choice.differences:
        yield _difference(choice, one)
    if len(choice.differences) > 1:
        yield f"p is corrected for {len(choice.differences)} comparisons (Holm), intervals are not"


def _difference(choice: JudgeChoice, one: JudgeDifference) -> str:
    pair, what = f"{one.first + 1} minus {one.second + 1}", _FIGURES[choice.by]
    if one.difference is None or one.interval is None:
        return f"{pair}: one of them has no {what}"
    form = "+.1f" if choice.by == ERROR else "+.2f"
    figure = _with_interval(f"{one.difference:{form}}", one.interval, form)
    verdict = "more than chance" if one.p < SIGNIFICANCE else f"may be chance, {_told_by(one)}"
    return f"{pair}: {what} {figure}, p {probability(one.p)}: {verdict}"


def _told_by(one: JudgeDifference) -> str:
    if one.needed is None:
        return "and no number of labels would tell"
    if one.needed > _MOST_LABELS:
        return f"and it would take more than {_MOST_LABELS:,} labels to tell"
    return f"and about {_rounded_up(one.needed):,} labels would tell"


def _what_would_tell(scores: LabelledScores, choice: JudgeChoice) -> str:
    """Say how many labels would tell the best judge from all that it cannot be told from."""
    undecided = [
        one
        for one in choice.differences
        if {one.first, one.second} & {choice.best} and {one.first, one.second} & {*choice.rivals}
    ]
    hardest = max(undecided, key=lambda one: float("inf") if one.needed is None else one.needed)
    return f"it may be chance, {_told_by(hardest)}; {len(scores.people)} are there"


def _rounded_up(count: int) -> int:
    """Round a number that is an estimate up to two digits."""
    step = int(10 ** max(0, len(str(count)) - 2))
    return -(-count // step) * step
