"""A comparison of two releases as lines for a terminal."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from pytest_llmjudge.data.comparison import SIGNIFICANCE
from pytest_llmjudge.errors import one_line, printable
from pytest_llmjudge.stats.basics import points, probability, signed
from pytest_llmjudge.stats.groups import in_groups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmjudge.data import Comparison, Flip
    from pytest_llmjudge.decisions.parity import Parity

__all__ = ["comparison_text", "count_lines", "flip_lines", "parity_line"]


def comparison_text(reason: str, comparison: Comparison, parity: Parity | None = None) -> str:
    """Return a gate's reason with all that stands behind it, texts of the worst flips included."""
    more = () if parity is None else (parity_line(parity),)
    head = [printable(line) for line in (reason, *count_lines(comparison), *more)]
    return "\n".join([*head, *flip_lines(comparison)])


def count_lines(comparison: Comparison) -> Iterator[str]:
    """Yield what paired up, the averages, and how many pass on one side alone."""
    measure = comparison.measure
    counts = [
        f"{number} {words}"
        for number, words in (
            (comparison.added, "added"),
            (comparison.removed, "removed"),
            (comparison.unscored_before, "without a score in the baseline"),
            (comparison.unscored_after, "without a score now"),
        )
        if number
    ]
    if comparison.baseline_suite:
        yield f"the baseline's suite is {one_line(comparison.baseline_suite)}"
    grouped = comparison.grouped
    within = "" if grouped is None else in_groups(grouped.groups)
    more = "".join(f", {part}" for part in counts)
    yield f"{comparison.paired} {measure.noun}{within} paired{more}"
    if comparison.before is not None and comparison.after is not None:
        before, after, corrected = comparison.before, comparison.after, comparison.corrected
        value = measure.value if corrected is None else f"corrected {measure.value}"
        yield f"their {value}: {points(before, after)} before, {points(after, before)} now"
        if corrected is not None:
            yield (
                f"corrected by {corrected.labels} labels on both sides (weight of the judge's "
                f"scores {points(corrected.weight)}); the judge's scores alone changed by "
                f"{signed(corrected.judged)} {measure.unit}"
            )
    yield from _unpaired_line(comparison)
    if comparison.paired and comparison.losses is not None and comparison.mcnemar_p is not None:
        passed, fail = measure.verbs
        test = "McNemar's exact test" if grouped is None else "sign-flip test of whole groups"
        yield (
            f"{comparison.losses} {passed} before and {fail} now, {comparison.wins} the "
            f"other way ({test}: p {probability(comparison.mcnemar_p)})"
        )
    if comparison.note:
        yield comparison.note


def parity_line(parity: Parity) -> str:
    """Say how many responses are the same, and where the others part."""
    share = parity.identical / parity.paired
    text = f"{parity.identical} of {parity.paired} responses are identical ({100 * share:.0f} %)"
    if parity.common_beginning is None:
        return text
    return f"{text}; the others part after {parity.common_beginning:g} characters (median)"


def _unpaired_line(comparison: Comparison) -> Iterator[str]:
    sides = (
        (comparison.unpaired_before, "in the baseline", comparison.unpaired_average_before),
        (comparison.unpaired_after, "in this run", comparison.unpaired_average_after),
    )
    parts = [
        f"{number} {where} with an average of {points(average)}"
        for number, where, average in sides
        if average is not None
    ]
    if parts:
        p, alpha = comparison.unpaired_p, comparison.unpaired_alpha or SIGNIFICANCE
        verb = "falling" if comparison.measure.higher_is_better else "rising"
        doubt = (
            "" if p is None else f" (p {probability(p, alpha)} for {verb} further than the pairs)"
        )
        yield f"not paired: {', '.join(parts)}{doubt}"


def flip_lines(comparison: Comparison) -> Iterator[str]:
    """Yield the records that got worst, with both answers in full."""
    if not comparison.flips:
        return
    yield f"what lost most ({comparison.counted_flips}):"
    for flip in comparison.flips:
        yield f"  {_scores(flip)}  {printable(flip.id)}{'  fails now' if flip.fails_now else ''}"
        for name, text in (("before", flip.response_before), ("now", flip.response_after)):
            if text is not None:
                shown = textwrap.indent(printable(text or "(empty)"), " " * 12)
                yield f"    {name + ':':<8}{shown[12:]}"


def _scores(flip: Flip) -> str:
    return f"{flip.before:g} -> {flip.after:g}"
