"""What the figures of the page mean, in short words for who meets them first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.data.page import Term

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_llmjudge.data.page import Fact
    from pytest_llmjudge.reporting.html.view import SuiteView

__all__ = ["meanings"]

_CHANCE = Term(
    "chance of a drop as large (p)",
    ("chance of a drop as large",),
    (
        "How often chance alone makes a drop as large or larger where nothing got worse. Only "
        "a drop with a p below {alpha} is held to be real and can fail a suite."
    ),
)
_TERMS = (
    Term(
        "95 % interval",
        ("95 % interval",),
        (
            "Other tasks of the same kind would give another figure. Of ranges made like this one, "
            "19 in 20 hold the figure that all such tasks together would give."
        ),
    ),
    _CHANCE,
    Term(
        "to be proved",
        ("to be proved",),
        (
            "The suite passes only when it is certain enough that less than this was lost. When "
            "neither that nor the opposite is certain, the cause is inconclusive: more tasks of "
            "the same kind would tell."
        ),
    ),
    Term(
        "drops it can show",
        ("drops it can show",),
        (
            "Drops of this size are found four times in five. Smaller ones may be there unseen; a "
            "larger suite shows smaller ones."
        ),
    ),
)


def meanings(suites: Iterable[SuiteView]) -> tuple[Fact, ...]:
    """Explain those figures that stand in the panels of these suites, each once."""
    shown: set[str] = set()
    terms = list(_TERMS)
    levels: dict[str, None] = {}
    for suite in suites:
        if suite.summary.comparison is not None:
            levels[f"{suite.summary.comparison.alpha:.3g}"] = None
        terms += suite.page.terms
        for facts in (suite.digest_facts, *(panel.facts for panel in suite.panels)):
            shown.update(name for name, _ in facts)
    texts = {one.term: one.text for one in terms if shown.intersection(one.names)}
    if _CHANCE.term in texts:
        texts[_CHANCE.term] = _CHANCE.text.format(alpha=" or ".join(levels))
    return tuple(texts.items())
