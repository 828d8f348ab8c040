"""The comparison with the baseline as a panel of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.data.page import Panel
from pytest_llmjudge.groups import in_groups
from pytest_llmjudge.reporting.comparison import count_lines
from pytest_llmjudge.stats import probability, signed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmjudge.data import Comparison
    from pytest_llmjudge.data.page import Fact

__all__ = ["baseline_panel"]

_TITLE = "Against the baseline"


def baseline_panel(comparison: Comparison) -> Panel:
    """Return how a suite did beside the baseline, or why that is not known."""
    if comparison.refusal is not None:
        return Panel(_TITLE, (), comparison.refusal, is_bad=True)
    return Panel(_TITLE, tuple(_facts(comparison)), "; ".join(count_lines(comparison)))


def _facts(comparison: Comparison) -> Iterator[Fact]:
    measure, grouped = comparison.measure, comparison.grouped
    if grouped is not None:
        yield "pairs", f"{comparison.paired} {measure.noun}{in_groups(grouped.groups)}"
    if comparison.difference is not None:
        yield "change", f"{signed(comparison.difference)} {measure.unit}"
    if comparison.interval is not None:
        low, high = comparison.interval
        yield "95 % interval", f"{signed(low)} to {signed(high)}"
    if comparison.p is not None:
        yield f"chance of a {measure.drop} as large", f"p {probability(comparison.p)}"
    if comparison.detectable:
        least = signed(comparison.detectable).lstrip("+")
        yield f"{measure.drop}s it can show", f"{least} {measure.unit} or more"
