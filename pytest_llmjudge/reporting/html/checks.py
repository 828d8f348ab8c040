"""What a judge made of known answers, as a panel of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.reporting.html.model import Panel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmjudge.data import JudgeCheck, PairCheck
    from pytest_llmjudge.reporting.html.model import Fact

__all__ = ["check_panel", "pair_check_panel"]


def check_panel(check: JudgeCheck) -> Panel:
    """Tell how a judge scored answers that are known to be right or wrong."""
    return _panel(check, _scores(check))


def pair_check_panel(check: PairCheck) -> Panel:
    """Tell which answers a judge preferred where the better one is known."""
    return _panel(check, _wins(check))


def _panel(check: JudgeCheck | PairCheck, facts: Iterator[Fact]) -> Panel:
    told = [*facts, ("asked", str(check.asked))]
    if check.unscored:
        told.append(("without an answer", str(check.unscored)))
    if check.in_flight > 1:
        told.append(("requests in flight at a server", str(check.in_flight)))
    return Panel(
        "The judge on known answers",
        tuple(told),
        "" if check.fit else f"Not fit: {check.reason}",
        is_bad=not check.fit,
    )


def _scores(check: JudgeCheck) -> Iterator[Fact]:
    for name, value in (
        ("right answers score", check.right),
        ("wrong answers score", check.wrong),
        ("a polite non-answer scores", check.null),
        ("wrong answers that beg score", check.plea),
    ):
        if value is not None:
            yield name, f"{value:.0f}"
    if check.auc is not None:
        yield "area under the ROC curve", f"{check.auc:.2f}"
    yield "changed when asked again", str(check.changed)


def _wins(check: PairCheck) -> Iterator[Fact]:
    if check.reference is not None:
        yield "right beats wrong", f"{check.reference:.2f}"
    if check.plea is not None:
        yield "right beats wrong that begs", f"{check.plea:.2f}"
    yield "identical answers not tied", str(check.untied)
    if check.flips is not None:
        yield "the place decided", f"{100 * check.flips:.0f} %"
