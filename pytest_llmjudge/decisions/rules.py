"""By which rule a suite is held to its baseline: what its marker says, and what the options say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import Rule
from pytest_llmjudge.data.comparison import NOT_WORSE, POINTS
from pytest_llmjudge.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmjudge.data import Measure
    from pytest_llmjudge.settings import Settings

__all__ = ["check_margin", "rule_of"]

_MAX_DROP = "--llm-judge-max-drop"


def rule_of(where: str, keywords: Mapping[str, Any], settings: Settings, measure: Measure) -> Rule:
    """Join what a marker says of the baseline with the run's options.

    Args:
        where: The suite, for messages.
        keywords: As the marker gives them, checked.
        settings: The run's options, for what the marker leaves out.
        measure: What the suite's scores mean.

    Returns:
        The rule, as for a run of one suite.

    Raises:
        SettingsError: ``not-worse`` has no margin, and there is a baseline.
    """
    margin, option = measure.tolerance, ""
    if keywords.get(measure.margin) is not None:
        margin, option = keywords[measure.margin], measure.margin
    elif measure.unit == POINTS:
        margin, option = settings.max_drop, _MAX_DROP
    rule = Rule(
        name=keywords.get("baseline_rule") or settings.baseline_rule,
        margin=float(margin),
        option=option,
        inconclusive=settings.inconclusive,
        alpha=settings.alpha,
    )
    if settings.baseline is not None:
        hint = f"give {measure.margin}= in the marker"
        if measure.unit == POINTS:
            hint = f"give {_MAX_DROP}, or {measure.margin}= in the marker"
        check_margin(where, rule, measure, f"{hint}, or take the rule no-drop")
    return rule


def check_margin(where: str, rule: Rule, measure: Measure, hint: str) -> None:
    """Refuse ``not-worse`` without a margin, which no number of records could prove.

    Raises:
        SettingsError: It has none.
    """
    if rule.name != NOT_WORSE or rule.margin > measure.tolerance:
        return
    if measure.unit != POINTS and not rule.option:
        problem = f"the rule not-worse needs a margin in {measure.unit}, and there is none"
    else:
        problem = (
            f"the rule not-worse needs a margin above 0, and {rule.option} is {rule.margin:g}: no "
            "number of records proves that a model is not worse by any amount, however small"
        )
    raise SettingsError(where, problem, hint)
