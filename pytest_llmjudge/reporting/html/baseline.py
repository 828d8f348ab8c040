"""The comparison with the baseline as a panel of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.data.comparison import NOT_WORSE, SIGNIFICANCE
from pytest_llmjudge.data.page import Panel
from pytest_llmjudge.reporting.comparison import count_lines
from pytest_llmjudge.stats.basics import confidence, points, probability, signed
from pytest_llmjudge.stats.groups import in_groups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmjudge.data import Comparison
    from pytest_llmjudge.data.page import Fact

__all__ = ["baseline_panel"]

_TITLE = "Against the baseline"


def baseline_panel(comparison: Comparison, cause: str | None) -> Panel:
    """Return how a suite did beside the baseline, or why that is not known.

    Args:
        comparison: Of the two.
        cause: Why the gate over it failed, or passed with a warning; ``None`` for another reason.
    """
    if comparison.refusal is not None:
        return Panel(_TITLE, (), comparison.refusal, is_bad=True)
    return Panel(_TITLE, tuple(_facts(comparison, cause)), "; ".join(count_lines(comparison)))


def _facts(comparison: Comparison, cause: str | None) -> Iterator[Fact]:
    measure, rule, grouped = comparison.measure, comparison.rule, comparison.grouped
    if cause is not None:
        yield "cause", cause
    if grouped is not None:
        yield "pairs", f"{comparison.paired} {measure.noun}{in_groups(grouped.groups)}"
    if comparison.difference is not None:
        yield "change", f"{signed(comparison.difference)} {measure.unit}"
    if comparison.interval is not None:
        low, high = comparison.interval
        yield "95 % interval", f"{signed(low)} to {signed(high)}"
    if comparison.p is not None:
        doubt = probability(comparison.p, comparison.alpha)
        yield f"chance of a {measure.drop} as large", f"p {doubt}"
        if comparison.alpha != SIGNIFICANCE:
            yield f"a {measure.drop} is real", f"p < {comparison.alpha:.3g}"
    if rule.name == NOT_WORSE:
        yield "to be proved", f"{measure.drop} < {rule.margin:g} {measure.unit}"
        if comparison.bounds is not None:
            worst = measure.gain(0.0, comparison.bounds[0])
            yield (
                f"{measure.drop} at most, with {confidence(rule.alpha)} % confidence",
                f"{points(max(0.0, -worst), rule.margin)} {measure.unit}",
            )
    if comparison.detectable:
        least = signed(comparison.detectable).lstrip("+")
        yield f"{measure.drop}s it can show", f"{least} {measure.unit} or more"
