"""A set of questions that any test asks: what a suite does, without items and gates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import PromptError, SettingsError, count_of
from pytest_llmjudge.kinds.accuracy import ACCURACY_KEYWORDS, AccuracySuite
from pytest_llmjudge.kinds.base import Marked
from pytest_llmjudge.values import check_sample, read_keywords

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_llmjudge.kinds.accuracy import AccuracyKind
    from pytest_llmjudge.pipeline import ModelLike
    from pytest_llmjudge.pipeline.resources import Resources

__all__ = ["ask_set"]

_OF_SUITES = {*ACCURACY_KEYWORDS, "checkpoint", "sample", "training", "max_overlap"}
"""Keywords of markers that a call does not take: what decides, and what it has by another name."""


def ask_set(
    where: str,
    kind: AccuracyKind,
    file: object,
    keywords: Mapping[str, object],
    *,
    resources: Resources,
    model: Callable[[], ModelLike],
) -> tuple[Any, ...]:
    """Ask a model a set, as a suite of the same marker would.

    Args:
        where: The fixture, for messages.
        kind: Of the suite.
        file: The set's, from pytest's root folder.
        keywords: Those of the marker that say how is asked, and ``limit``, how many are.
        resources: Of this process.
        model: Returns the model under test, or raises the error that there is none.

    Returns:
        The value of each record in file order.

    Raises:
        LlmJudgeError: An argument cannot be used, or a record has no answer.
    """
    values = {name: value for name, value in keywords.items() if value is not None}
    for name in values:
        if name in _OF_SUITES:
            keyword, hint = f"{where}: {name}", "leave it out, and assert on the result"
            if name == "sample":
                hint = "write limit="
            raise SettingsError(keyword, "it belongs to suites", hint)
    own = {name: check for name, check in kind.keywords.items() if name not in _OF_SUITES}
    read_keywords(where, values, {**own, "limit": check_sample})
    if "limit" in values:
        values["sample"] = values.pop("limit")
    # Whoever asks decides; a limit of 0 decides nothing.
    marked = Marked(where, (file,), {**values, "min_accuracy": 0}, resources.root)
    suite = kind.load(marked, replace(resources.settings, baseline=None))
    assert isinstance(suite, AccuracySuite)  # noqa: S101  # it is of this kind
    suite.check(resources)
    asked = model() if suite.uses_model else None
    run = suite.start(resources, model=asked, judge=None, needed=suite.samples)
    samples = run.samples()
    failed = [sample for sample in samples if sample.error is not None]
    if failed:
        problem = f"{count_of(len(failed), 'record')} of {len(samples)} got no answer"
        raise PromptError(where, problem, f"the first is {failed[0].id}: {failed[0].error}")
    return tuple(sample.value for sample in samples)
