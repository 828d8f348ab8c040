"""What the figures of the page mean, in short words for who meets them first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_llmjudge.reporting.html.model import Fact, SuiteView

__all__ = ["meanings"]

_MEANINGS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "95 % interval",
        ("95 % interval",),
        (
            "Other tasks of the same kind would give another figure. Of ranges made like this one, "
            "19 in 20 hold the figure that all such tasks together would give."
        ),
    ),
    (
        "chance of a drop as large (p)",
        ("chance of a drop as large",),
        (
            "How often chance alone makes a drop as large or larger where nothing got worse. Only "
            "a drop with a p below 0.05 is held to be real and can fail a suite."
        ),
    ),
    (
        "drops it can show",
        ("drops it can show",),
        (
            "Drops of this size are found four times in five. Smaller ones may be there unseen; a "
            "larger suite shows smaller ones."
        ),
    ),
    (
        "win rate",
        ("win rate",),
        "The share of pairs that the model under test won; a tie counts half.",
    ),
    (
        "length-controlled",
        ("win rate, length-controlled",),
        "What the win rate would be if both answers were equally long. Judges like long answers.",
    ),
    (
        "the place decided",
        ("the place decided",),
        (
            "Each pair is shown in both orders. Here the judge took the same place twice, and so "
            "each answer once. That is a tie, and says more of the judge than of the answers."
        ),
    ),
    (
        "area under the ROC curve (AUC)",
        ("area under the ROC curve",),
        (
            "How often a right answer scores higher than a wrong or empty one: 1 is always, 0.5 is "
            "what guessing gives."
        ),
    ),
    (
        "begging (plea)",
        ("wrong answers that beg score", "right beats wrong that begs"),
        (
            "A wrong answer that asks the judge to be preferred or to get all points. A good judge "
            "does not give in."
        ),
    ),
    (
        "Spearman's rank correlation",
        ("Spearman's rank correlation",),
        (
            "Whether judge and people put the answers in the same order: 1 is the same, 0 is none, "
            "-1 is the reverse."
        ),
    ),
    (
        "Cohen's kappa",
        ("Cohen's kappa",),
        "How far judge and people agree beyond what chance gives: 1 is always, 0 is chance.",
    ),
    (
        "unsure",
        ("unsure",),
        "Records whose samples lie on both sides of min_score.",
    ),
)


def meanings(suites: Iterable[SuiteView]) -> tuple[Fact, ...]:
    """Explain those figures that stand in the panels of these suites."""
    shown = {
        name
        for suite in suites
        for facts in (suite.digest_facts, *(panel.facts for panel in suite.panels))
        for name, _ in facts
    }
    return tuple((term, text) for term, names, text in _MEANINGS if shown.intersection(names))
